package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/aligned"
	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/engine/eventtime"
	"github.com/weirstreams/weir/internal/engine/gate"
	"github.com/weirstreams/weir/internal/engine/guard"
	"github.com/weirstreams/weir/internal/engine/progress"
	"github.com/weirstreams/weir/internal/engine/refused"
	"github.com/weirstreams/weir/internal/engine/reread"
	"github.com/weirstreams/weir/internal/engine/serving"
	"github.com/weirstreams/weir/internal/engine/sinks"
	"github.com/weirstreams/weir/internal/engine/stores"
	"github.com/weirstreams/weir/internal/engine/tracing"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// moves reports whether the task processes input, and time goes on for it.
func (t *task) moves() bool { return t.state == running && !t.paused }

// TaskID names a task: a part of the topology and a partition of its input.
type TaskID struct {
	Part      int
	Partition int32
}

// taskState is where a task stands in its life.
type taskState int8

const (
	// restoring: the changelogs are being read; no input is fetched.
	restoring taskState = iota
	// starting: inputs had no committed offsets, and the positions where they begin are not committed yet; no input is fetched, no
	// timer rings, and idle time stands.
	starting
	running
)

// task runs one part of the topology on one partition: it owns the same-numbered partitions of the part's topics, and
// the stores.
type task struct {
	id   TaskID
	part *graph.SubTopology
	plan *graph.Plan
	env  operator.Env
	// name is the stream id and the partition, and the folder of the database.
	name string

	// stores are the state of the task, and input is its progress. served has the tasks with stores that other goroutines read.
	stores *stores.Set
	served *serving.Tasks
	input  *progress.Input
	inputs map[string]operator.Input // by topic
	// aligned is nil if there are not several inputs, or the task does not run yet.
	aligned *aligned.Merge
	sinks   *sinks.Task
	// lacking is set while the task starts with state that lacks records of a changelog.
	lacking bool
	// flying is the topic of the records that were processed last.
	flying string
	// changed is set when records were processed since the last checkpoint.
	changed bool
	// busy is set when records were processed since the last look at event time.
	busy bool
	// time lets event time go on without records; nil if it never does, or nothing depends on it.
	time *eventtime.Time
	// upstreams are the internal input topics with the states of the tasks that write them; promised are the repartition
	// topics that the task writes, if something behind them depends on event time that goes on without records.
	upstreams map[string]*eventtime.Upstream
	promised  map[string]*eventtime.Output
	// observe, if it is not nil, is told of each record, and says whether to stop after it.
	observe func(t *task, r *broker.Record) (enough bool, err error)

	// assigned is the epoch in which the task was assigned, but for the term.
	assigned changelog.Epoch
	// unclaimed is set while the task waits to be claimed.
	unclaimed bool
	// strangers is set when others have written to the changelogs.
	strangers bool

	state taskState
	// paused is set while the user has paused the task: it has a checkpoint, its input is not fetched, its sources hand on nothing, no timer
	// rings, and event time stands.
	paused bool
	// restores is set while changelogs with records are read.
	restores bool

	// trace is nil unless records are traced.
	trace *tracing.Task

	// search is that of the worker: it knows which records are skipped before they are processed.
	search *refused.Search
	// failures is that of the worker: it decides about records that fail.
	failures *failures
	// work are the records that are being processed.
	work reread.Batch
	// parted is set if the next record is one that is tried again: a checkpoint is made before it.
	parted bool
	// dropped is the record with a dead letter that was dropped last, and outside is set while code of operators runs beside records.
	dropped droppedPlace
	outside bool

	// outputs are those since the last checkpoint, if there is an OutputLimit.
	outputs   int64
	processed int64 // records, since the task was opened
	skipped   int64 // records that failed, and the policy was to skip them or to write them as dead letters
	letters   int64 // dead letters
	rebuilt   int64 // times that the worker has deleted the task's database because it was damaged
}

// taskName returns the stream id and the partition.
func taskName(part *graph.SubTopology, partition int32) string {
	return fmt.Sprintf("%s/%d", part.StreamID, partition)
}

// close closes the operators and the database. With sync everything that was committed is made durable first.
func (t *task) close(sync bool) error {
	t.served.Gone(t.name)
	err := t.sinks.Close()
	for _, f := range t.env.OnClose {
		err = errors.Join(err, t.call(f))
	}
	t.env.OnClose = nil
	if err = errors.Join(err, t.stores.Close(sync)); err != nil {
		return fmt.Errorf("task %s: close: %w", t.name, err)
	}
	return nil
}

// process runs records of a batch through the operators, at most limit of them, and returns how many it has done.
// Records that fail are done too if the policy is not to fail.
func (t *task) process(b *broker.Batch, from, limit int) (int, error) {
	to := min(len(b.Records), from+limit)
	n, err := t.processRecords(t.inputs[b.Topic], b.Topic, b.Records[from:to])
	if err != nil && !gate.IsPressure(err) {
		return n, err
	}
	t.input.Next[b.Topic], t.changed = b.NextOffset, true
	if from+n < len(b.Records) {
		t.input.Next[b.Topic] = b.Records[from+n].Offset
	}
	t.input.Ends[b.Topic] = b.EndOffset
	return n, err
}

// processRecords is processAll, in a span if runs of records are traced.
func (t *task) processRecords(input operator.Input, topic string, records []broker.Record) (int, error) {
	if t.trace == nil {
		return t.processAll(input, topic, records)
	}
	done := t.trace.Begin(topic, records)
	n, err := t.processAll(input, topic, records)
	if gate.IsPressure(err) {
		done(n, nil) // the records wait
	} else {
		done(n, err)
	}
	return n, err
}

// processAll runs records of one topic through the operators, and returns their number: fewer than there are if
// the observer has seen enough, if so much state has changed that a checkpoint is due, or with an error. After one that gate.IsPressure these count, and their rest is held by
// buffers.
func (t *task) processAll(input operator.Input, topic string, records []broker.Record) (int, error) {
	t.env.Origin.Topic = topic
	t.work = reread.Batch{Topic: topic, Records: records}
	defer func() { t.work = reread.Batch{} }()
	leastMillis, greatestMillis := t.env.LeastMillis, t.env.StreamMillis
	if t.time != nil {
		t.env.StreamMillis = eventtime.NoWatermark
		defer func() {
			t.time.NoteGreatest(topic, t.env.StreamMillis)
			t.env.StreamMillis = max(greatestMillis, t.env.StreamMillis)
		}()
	}
	i := 0
	var unsettled error
	for i < len(records) && unsettled == nil {
		end := len(records)
		if t.observe != nil {
			end = i + 1
		}
		tp := broker.TopicPartition{Topic: topic, Partition: t.id.Partition}
		skip := false
		if t.search.Skipping() {
			var before int
			before, skip = t.search.Next(tp, records[i:end])
			end = i + before
		}
		if len(t.failures.attempts) > 0 && !skip {
			before := t.failures.untilAgain(tp, records[i:end])
			t.parted = i+before < end
			end = i + before
		}
		if skip {
			if err := t.leaveOut(tp, &records[i]); err != nil {
				return i, err
			}
			i++
		} else {
			done, err := t.run(input, records[i:end])
			i += done
			if err != nil {
				if err := t.judge(err); err != nil {
					return i, err
				}
				i++
			}
		}
		if unsettled = t.settle(); unsettled != nil && !gate.IsPressure(unsettled) {
			return i, unsettled
		}
		if t.observe != nil {
			enough, err := t.observe(t, &records[i-1])
			if err != nil {
				return i, err
			}
			if enough {
				break
			}
		}
		if t.stores.Over() || t.parted || t.env.Buffers != nil && t.env.Full() {
			break
		}
	}
	if i > 0 {
		t.processed += int64(i)
		t.input.Took(topic, i, records[i-1].Millis)
		t.changed, t.busy = true, true
	}
	if t.upstreams[topic] != nil {
		t.env.LeastMillis = leastMillis // which is that of external input
	}
	return i, unsettled
}

// run processes records until one fails, or a buffer is full, and returns how many it has done.
func (t *task) run(input operator.Input, records []broker.Record) (done int, failure *weir.ProcessingError) {
	defer func() {
		if p := recover(); p != nil {
			failure = guard.Panicked(p, t.processingError)
		}
	}()
	for done = range records {
		r := &records[done]
		t.env.Origin.Offset, t.env.Origin.Size, t.env.Origin.LeaderEpoch = r.Offset, len(r.Value), r.LeaderEpoch
		if err := input.Process(r); err != nil {
			return done, t.processingError(err)
		}
		if t.env.Buffers != nil && t.env.Full() {
			return done + 1, nil
		}
		if t.stores.Processed() {
			return done + 1, nil
		}
	}
	return len(records), nil
}

// guard runs code of operators, and returns its error or panic.
func (t *task) guard(f func() error) (failure *weir.ProcessingError) {
	defer func() {
		if p := recover(); p != nil {
			failure = guard.Panicked(p, t.processingError)
		}
	}()
	if err := f(); err != nil {
		return t.processingError(err)
	}
	return nil
}

func (t *task) processingError(err error) *weir.ProcessingError {
	failure := t.plan.Graph.Nodes[t.env.At].Failure(t.env.Origin, err)
	if p, ok := errors.AsType[*operator.Panic](err); ok { // on another goroutine
		failure.Err, failure.Stack = p.Err, p.Stack
	}
	return failure
}

// beforeCheckpoint lets the operators emit held-back results.
func (t *task) beforeCheckpoint() error {
	for i := len(t.env.BeforeCheckpoint) - 1; i >= 0; i-- {
		t.env.BeforeCheckpoint[i]()
		if err := t.settle(); err != nil {
			return err
		}
	}
	return nil
}

// call runs code of operators outside of the processing of a record. No policy can skip an error there.
func (t *task) call(f func() error) error {
	t.outside = true
	defer func() { t.outside = false }()
	if failure := t.guard(func() error { return operator.Fatal(f()) }); failure != nil {
		return failure
	}
	return nil
}

// settle lets the operators hand on held-back records: at the end of each run of records, so that records of other inputs
// do not overtake it. Records that fail are skipped if the policy says so. After an error that gate.IsPressure the rest is
// held still.
func (t *task) settle() error {
	if t.env.Settled() {
		return nil
	}
	origin := t.env.Origin
	defer func() { t.env.Origin = origin }()
	for {
		failure := t.guard(t.env.Settle)
		if failure == nil {
			return nil
		}
		if gate.IsPressure(failure) {
			return failure
		}
		if ctx := t.env.StepContext(); ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := t.judge(failure); err != nil {
			return err
		}
	}
}
