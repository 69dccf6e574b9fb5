package eventtime

import (
	"math"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/operator"
)

// Output is an output to a repartition topic. It knows the watermark and the pace that its task has written last to each
// partition, and takes them back in front of a record that is older.
type Output struct {
	operator.Output
	now func() int64
	// partition and owner are those of the task that writes.
	partition int32
	owner     func() changelog.Epoch
	// tasks is the number of tasks that write the topic.
	tasks int32
	// timeout is Config.IdleTimeout in milliseconds: so much older than the pace records may be.
	timeout int64
	said    []promise // by partition
}

// promise is the content of a watermark record. unknownPromise stands for the watermark if a former owner may have written one.
type promise struct{ millis, pace int64 }

// unknownPromise stands for any watermark.
const unknownPromise = math.MaxInt64

// nothing is said by a task that takes back its watermark and its pace.
var nothing = promise{NoWatermark, NoWatermark}

// NewOutput returns an output of the task of a partition. owner returns the epoch in which the task was assigned. tasks is the
// number of tasks that write the topic, now the time of the clock and timeout Config.IdleTimeout, in milliseconds.
func NewOutput(
	out operator.Output, partition int32, owner func() changelog.Epoch, tasks int32, now func() int64, timeout int64,
) *Output {
	o := &Output{Output: out, partition: partition, owner: owner, now: now, tasks: tasks, timeout: timeout, said: make([]promise, out.Partitions())}
	o.Forget()
	return o
}

// Append implements operator.Output.
func (o *Output) Append(partition int32, r *broker.Record) error {
	if said := &o.said[partition]; r.Millis < said.millis || r.Millis < said.pace && r.Millis < said.pace-o.timeout {
		if err := o.write(partition, nothing); err != nil {
			return operator.Fatal(err)
		}
	}
	return o.Output.Append(partition, r)
}

func (o *Output) write(partition int32, p promise) error {
	p.pace = max(p.pace, p.millis)
	m := watermark{partition: o.partition, tasks: o.tasks, owner: o.owner(), millis: p.millis, pace: p.pace}
	if err := o.Output.Append(partition, m.record(o.now())); err != nil {
		return err
	}
	o.said[partition] = p
	return nil
}

// promise writes a watermark and a pace to all partitions, behind the records of the task.
func (o *Output) promise(millis, pace int64) (wrote bool, err error) {
	for p, said := range o.said {
		if millis == NoWatermark && pace == NoWatermark && (said == nothing || said.millis == unknownPromise) {
			continue
		}
		if err := o.write(int32(p), promise{millis, pace}); err != nil {
			return wrote, err
		}
		wrote = true
	}
	return wrote, nil
}

// keep writes a pace to the partitions that were told another one, with the watermarks that were promised before.
func (o *Output) keep(pace int64) (wrote bool, err error) {
	for p, said := range o.said {
		if said.millis == unknownPromise {
			said.millis = NoWatermark
		}
		if said.pace == max(pace, said.millis) {
			continue
		}
		if err := o.write(int32(p), promise{said.millis, pace}); err != nil {
			return wrote, err
		}
		wrote = true
	}
	return wrote, nil
}

// withdraw takes back the watermarks.
func (o *Output) withdraw() error {
	for p, said := range o.said {
		if said.millis == NoWatermark || said.millis == unknownPromise {
			continue
		}
		if err := o.write(int32(p), nothing); err != nil {
			return err
		}
	}
	return nil
}

// Forget is called when the promises that readers have seen are not known any more.
func (o *Output) Forget() {
	for p := range o.said {
		o.said[p] = promise{unknownPromise, NoWatermark}
	}
}
