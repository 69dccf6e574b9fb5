package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/store"
)

// Worker runs a set of tasks. It owns a fetcher and a producer, and checkpoints its tasks together.
//
// All methods but Status are called by one goroutine. After a method has returned an error the worker is of no more use:
// Abandon it. Nothing since its last checkpoint counts then.
type Worker struct {
	config   Config
	plan     *graph.Plan
	cluster  broker.Cluster
	fetcher  broker.Fetcher
	producer broker.Producer
	group    broker.Group
	outbox   *outbox

	tasks map[TaskID]*task
	// route tells whose the partitions are that are being fetched: inputs of running tasks and changelogs of others.
	route map[broker.TopicPartition]*task

	checkpointed time.Time // when the last checkpoint ended, or when there was nothing to check in
	records      int       // processed since then
	lastSend     time.Time

	status statusBoard
}

// Connections are what a worker talks through. The worker closes fetcher and producer.
type Connections struct {
	Cluster  broker.Cluster
	Fetcher  broker.Fetcher
	Producer broker.Producer
	Group    broker.Group
}

// NewWorker returns a worker without tasks. partitions holds the number of partitions of every topic of the plan.
func NewWorker(config Config, plan *graph.Plan, c Connections, partitions map[string]int32) *Worker {
	now := config.Clock.Now()
	return &Worker{
		config: config, plan: plan, cluster: c.Cluster, fetcher: c.Fetcher, producer: c.Producer, group: c.Group,
		outbox: newOutbox(c.Producer, partitions),
		tasks:  map[TaskID]*task{}, route: map[broker.TopicPartition]*task{},
		checkpointed: now, lastSend: now,
	}
}

// AddTask opens a task that owns a partition of the given topics, and begins to restore its state. Its functions are
// given ctx.
func (w *Worker) AddTask(ctx context.Context, id TaskID, topics []string) error {
	if w.tasks[id] != nil {
		return nil
	}
	t, err := w.openTask(ctx, id, topics)
	if err != nil {
		return err
	}
	w.tasks[id] = t
	defer w.publish()
	return w.beginRestore(ctx, t)
}

// RemoveTasks checkpoints the worker and closes tasks.
func (w *Worker) RemoveTasks(ctx context.Context, ids []TaskID) error {
	err := w.Checkpoint(ctx)
	if err == nil || errors.Is(err, broker.ErrFenced) {
		return w.DropTasks(ids)
	}
	return err
}

// DropTasks closes tasks without a checkpoint: they belong to somebody else.
func (w *Worker) DropTasks(ids []TaskID) error {
	var failed []error
	for _, id := range ids {
		if t := w.tasks[id]; t != nil {
			failed = append(failed, w.closeTask(t, true))
		}
	}
	w.publish()
	return errors.Join(failed...)
}

func (w *Worker) closeTask(t *task, sync bool) error {
	for tp, owner := range w.route {
		if owner == t {
			w.fetcher.Stop(tp)
			delete(w.route, tp)
		}
	}
	delete(w.tasks, t.id)
	return t.close(sync)
}

// Step does one piece of work, or waits for at most wait for some to come: it processes one batch, and checkpoints if
// it is time. It reports whether it has processed anything. Fetcher.Wake ends the waiting.
func (w *Worker) Step(ctx context.Context, wait time.Duration) (bool, error) {
	w.outbox.context = ctx
	if wait = w.waitFor(wait); w.outbox.pending > 0 {
		wait = 0 // output waits for more only while there is more
	}
	batch, err := w.fetcher.Poll(ctx, wait)
	switch {
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case err != nil:
		return false, w.explain(err)
	}
	worked := batch != nil
	if worked {
		err = w.handle(ctx, batch)
		batch.Release()
		w.publish()
	} else {
		err = w.send()
	}
	if err != nil {
		return worked, err
	}
	if w.due() {
		return worked, w.checkpointInStep(ctx)
	}
	return worked, nil
}

// checkpointInStep is Checkpoint, but losing the partitions is no error: an event of the group will follow.
func (w *Worker) checkpointInStep(ctx context.Context) error {
	err := w.Checkpoint(ctx)
	if errors.Is(err, broker.ErrFenced) {
		w.config.Logger.Warn("the group has given the partitions of this worker to others", "error", err)
		return nil
	}
	return err
}

// waitFor cuts a waiting time so that the next checkpoint is not late.
func (w *Worker) waitFor(wait time.Duration) time.Duration {
	if w.records == 0 {
		return wait
	}
	return max(0, min(wait, w.checkpointed.Add(w.config.CheckpointInterval).Sub(w.config.Clock.Now())))
}

// explain says what an error of the fetcher means to the user.
func (w *Worker) explain(err error) error {
	var out *broker.OffsetOutOfRangeError
	if !errors.As(err, &out) {
		return fmt.Errorf("fetch: %w", err)
	}
	if t := w.route[out.TopicPartition]; t != nil && t.state == restoring {
		return fmt.Errorf("task %s: restore: %w: the changelog was changed while it was read; start again", t.name, err)
	}
	return fmt.Errorf("the next record of group %q is gone: %w: retention has removed it or the topic was made anew; "+
		"set the offset of the group to go on", w.plan.Group, err)
}

// handle works on one fetched batch.
func (w *Worker) handle(ctx context.Context, batch *broker.Batch) error {
	t := w.route[batch.TopicPartition]
	if t == nil {
		return nil
	}
	if t.state == restoring {
		return w.applyChangelog(ctx, t, batch)
	}
	for from := 0; ; {
		done, err := t.process(batch, from, w.room(), w.onError)
		from += done
		w.records += done
		if err != nil {
			return err
		}
		if from >= len(batch.Records) {
			break
		}
		if w.due() {
			if err := w.checkpointInStep(ctx); err != nil {
				return err
			}
			if w.tasks[t.id] != t {
				return nil // fenced
			}
		}
	}
	if w.config.Clock.Now().Sub(w.lastSend) >= w.config.Linger {
		return w.send()
	}
	return nil
}

// chunk is how many records are processed between two looks at what the state takes.
const chunk = 1000

// room returns how many records may be processed before the next look at whether to checkpoint.
func (w *Worker) room() int {
	if n := w.config.CheckpointRecords; n > 0 {
		return min(chunk, max(1, n-w.records))
	}
	return chunk
}

func (w *Worker) onError(err *operator.ProcessingError) Action {
	action := w.config.OnError(err)
	if action == Skip {
		w.config.Logger.Error("record skipped", "error", err)
	}
	return action
}

// send hands what was written to the producer.
func (w *Worker) send() error {
	w.lastSend = w.config.Clock.Now()
	return w.outbox.sendAll()
}

// due reports whether it is time for a checkpoint.
func (w *Worker) due() bool {
	if w.records == 0 {
		return w.moved() && w.intervalOver()
	}
	if n := w.config.CheckpointRecords; n > 0 && w.records >= n {
		return true
	}
	if w.intervalOver() {
		return true
	}
	var dirty int64
	for _, t := range w.tasks {
		dirty += t.dirtyBytes()
	}
	return dirty >= w.config.CheckpointBytes
}

func (w *Worker) intervalOver() bool {
	return w.config.Clock.Now().Sub(w.checkpointed) >= w.config.CheckpointInterval
}

// moved reports whether any task has something to check in.
func (w *Worker) moved() bool {
	for _, t := range w.tasks {
		if t.changed {
			return true
		}
	}
	return false
}

// sortedTasks returns the tasks in a fixed order.
func (w *Worker) sortedTasks() []*task {
	tasks := make([]*task, 0, len(w.tasks))
	for _, t := range w.tasks {
		tasks = append(tasks, t)
	}
	slices.SortFunc(tasks, func(a, b *task) int {
		return cmp.Or(cmp.Compare(a.id.Part, b.id.Part), cmp.Compare(a.id.Partition, b.id.Partition))
	})
	return tasks
}

// Stores returns the stores of a name, one of each task that has it, for tests.
func (w *Worker) Stores(name string) []store.Store {
	var stores []store.Store
	for _, t := range w.sortedTasks() {
		for _, s := range t.stores {
			if s.Name == name {
				stores = append(stores, s.store)
			}
		}
	}
	return stores
}

// Close checkpoints, closes all tasks and the connections.
func (w *Worker) Close(ctx context.Context) error {
	err := w.Checkpoint(ctx)
	if errors.Is(err, broker.ErrFenced) {
		w.config.Logger.Warn("the last checkpoint was refused: the partitions belong to another member", "error", err)
		err = nil
	}
	return errors.Join(err, w.abandon(true))
}

// Abandon closes everything without a checkpoint.
func (w *Worker) Abandon() error { return w.abandon(false) }

func (w *Worker) abandon(sync bool) error {
	var failed []error
	for _, t := range w.sortedTasks() {
		failed = append(failed, w.closeTask(t, sync))
	}
	w.outbox.drop()
	failed = append(failed, w.fetcher.Close(), w.producer.Close())
	w.publish()
	return errors.Join(failed...)
}
