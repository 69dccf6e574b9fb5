package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/background"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/aligned"
	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/engine/eventtime"
	"github.com/weirstreams/weir/internal/engine/gate"
	"github.com/weirstreams/weir/internal/engine/guard"
	"github.com/weirstreams/weir/internal/engine/progress"
	"github.com/weirstreams/weir/internal/engine/refused"
	"github.com/weirstreams/weir/internal/engine/reread"
	"github.com/weirstreams/weir/internal/engine/sinks"
	"github.com/weirstreams/weir/internal/engine/stores"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/operator"
)

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

	// stores are the state of the task, and input is its progress.
	stores *stores.Set
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

// openTask opens the database of a task and builds its operators. The task is neither restored nor fetching yet.
func (w *Worker) openTask(ctx context.Context, id TaskID, topics []string) (t *task, err error) {
	part := w.plan.SubTopologies[id.Part]
	if err := w.topics.RefuseAdded(ctx, w.cluster, part, id.Partition, topics); err != nil {
		return nil, fmt.Errorf("task %s: %w", taskName(part, id.Partition), err)
	}
	t = &task{
		id: id, part: part, plan: w.plan, name: taskName(part, id.Partition),
		inputs:    map[string]operator.Input{},
		search:    &w.search,
		failures:  &w.failures,
		upstreams: map[string]*eventtime.Upstream{}, promised: map[string]*eventtime.Output{},
	}
	logger := w.config.Logger.With(slog.String("task", t.name))
	t.stores = stores.New(stores.Config{
		Task: t.name, Partition: id.Partition, ExactlyOnce: w.config.ExactlyOnce, Partitions: w.topics.Partitions, Clock: w.config.Clock, Logger: logger,
	})
	t.input = t.stores.Input
	t.sinks = sinks.NewTask(t.name, w.plan.Graph, &t.env, func() { t.changed = true })
	defer func() {
		if err != nil {
			damage := t.stores.Damage()
			err = errors.Join(fmt.Errorf("task %s: %w", t.name, err), t.close(false))
			if damage != nil {
				err = errors.Join(err, w.dropDamaged(id, t.name, damage))
			}
		}
	}()
	if len(part.Stores) > 0 {
		if err = w.openState(t); err != nil {
			return t, err
		}
	}
	t.env = operator.Env{
		Context: background.With(ctx, w.config.Calls), Logger: logger,
		Origin: weir.Origin{Partition: id.Partition}, Now: w.config.Clock.Now,
		Step: w.hurry.Current, OnLate: w.config.OnLate,
		Calls: w.config.Calls, Wake: w.wakeIfDozing, Landing: w.observer.lands(),
		Group: w.plan.Group, MayRead: w.config.MayRead,
		Space: func(name string) (state.Space, error) {
			backend, prefix, err := t.stores.Space(name)
			return state.Space{
				Name: name, Backend: backend, Prefix: prefix, CacheBytes: w.config.CacheBytes, Now: w.config.Clock.Now,
				Limits: w.config.StoreLimits,
			}, err
		},
		Output:    func(topic string) (operator.Output, error) { return w.outputs.of(t, topic) },
		KeepsTime: w.keepsTime(part), LeastMillis: eventtime.Absent, Paced: w.paced(),
		DynamicOutput: func(ctx context.Context, node int, topic string, template operator.TopicTemplate) (string, operator.Output, error) {
			return w.outputs.named(ctx, t, node, topic, template)
		},
	}
	if w.failures.policy.WatchesDrops() {
		t.env.OnDrop = t.drop
	}
	if w.observer.observes() {
		t.observe = w.observer.observe
	}
	builder := &graph.Builder{Env: &t.env, Application: w.plan.Group, SubTopology: part.StreamID, Topic: w.plan.Topic}
	if g := w.config.Globals; g != nil {
		builder.Global = g.Table
	}
	for _, n := range part.Sources {
		topic := w.plan.Topic(n)
		if !slices.Contains(topics, topic) {
			continue
		}
		if t.inputs[topic], err = builder.Input(n); err != nil {
			return t, err
		}
		t.input.Add(topic)
		if writer := n.Source.Repartition; writer != nil {
			t.upstreams[topic] = eventtime.NewUpstream(eventtime.UpstreamTasks(w.plan, w.topics.Partitions, writer))
		}
	}
	t.sinks.Open()
	if w.config.IdleTimeout > 0 {
		t.time = w.newEventTime(t)
	}
	for _, s := range part.Stores {
		i := slices.IndexFunc(t.env.Stores, func(o state.Store) bool { return o.Name() == s.Name })
		if i < 0 {
			continue // behind a source whose topic has fewer partitions
		}
		if err := t.stores.Add(s, t.env.Stores[i], i, w.delivery.Outbox, w.config.OnReformat); err != nil {
			return t, err
		}
	}
	return t, nil
}

// openState opens the database of a task. A damaged one is deleted: the changelogs hold its content.
func (w *Worker) openState(t *task) error {
	err := w.tryOpenState(t)
	if errors.Is(err, weir.ErrCorruptState) {
		if err := w.dropDamaged(t.id, t.name, err); err != nil {
			return err
		}
		err = w.tryOpenState(t)
	}
	return err
}

func (w *Worker) tryOpenState(t *task) error {
	backend, err := w.config.OpenBackend(t.name)
	if err != nil {
		return err
	}
	return t.stores.Open(backend)
}

// close closes the operators and the database. With sync everything that was committed is made durable first.
func (t *task) close(sync bool) error {
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

// processRecords runs records of one topic through the operators, and returns their number: fewer than there are if
// the observer has seen enough, if so much state has changed that a checkpoint is due, or with an error. After one that gate.IsPressure these count, and their rest is held by
// buffers.
func (t *task) processRecords(input operator.Input, topic string, records []broker.Record) (int, error) {
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
