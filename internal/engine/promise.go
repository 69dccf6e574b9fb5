package engine

import (
	"math"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/operator"
)

// promisedOutput is an output to a repartition topic. It knows the watermark that its task has written last to each
// partition, and takes it back in front of a record that is older.
type promisedOutput struct {
	operator.Output
	task *task
	now  func() int64
	// tasks is the number of tasks that write the topic.
	tasks int32
	// promised are those watermarks, by partition; unknownPromise if a former owner may have written one.
	promised []int64
}

// unknownPromise stands for any watermark.
const unknownPromise = math.MaxInt64

func newPromisedOutput(out operator.Output, t *task, tasks int32, now func() int64) *promisedOutput {
	o := &promisedOutput{Output: out, task: t, now: now, tasks: tasks, promised: make([]int64, out.Partitions())}
	o.forget()
	return o
}

// Append implements operator.Output.
func (o *promisedOutput) Append(partition int32, r *broker.Record) error {
	if r.Millis < o.promised[partition] {
		if err := o.write(partition, noWatermark); err != nil {
			return operator.Fatal(err)
		}
	}
	return o.Output.Append(partition, r)
}

func (o *promisedOutput) write(partition int32, millis int64) error {
	m := watermark{partition: o.task.id.Partition, tasks: o.tasks, owner: o.task.assigned, millis: millis}
	if err := o.Output.Append(partition, m.record(o.now())); err != nil {
		return err
	}
	o.promised[partition] = millis
	return nil
}

// promise writes the watermark to all partitions, behind the records of the task.
func (o *promisedOutput) promise(millis int64) (wrote bool, err error) {
	for p := range o.promised {
		if millis == noWatermark && (o.promised[p] == noWatermark || o.promised[p] == unknownPromise) {
			continue
		}
		if err := o.write(int32(p), millis); err != nil {
			return wrote, err
		}
		wrote = true
	}
	return wrote, nil
}

// forget is called when the promises that readers have seen are not known any more.
func (o *promisedOutput) forget() {
	for p := range o.promised {
		o.promised[p] = unknownPromise
	}
}
