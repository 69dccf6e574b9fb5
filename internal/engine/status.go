package engine

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/operator"
)

// TaskStatus is the state of a task.
type TaskStatus struct {
	ID TaskID
	// Name is the stream id and the partition.
	Name string
	// Restoring is true until the state is complete.
	Restoring bool
	// Restored is the number of changelog records that were applied, Remaining roughly how many are left.
	Restored, Remaining int64
	// RestoredBytes is the size of the keys and values of Restored, RestoreBegan when the restore began.
	RestoredBytes int64
	RestoreBegan  time.Time
	// Processed is the number of input records since the task was opened, Skipped how many of them failed and were
	// skipped.
	Processed, Skipped int64
	// DeadLetters is how many dead letters were written. Those of records that failed are among Skipped.
	DeadLetters int64
	// Ignored is the number of those that a codec passed over.
	Ignored int64
	// Late and NullKeys count records that a stateful operator could not use.
	Late, NullKeys int64
	// Lag is the number of offsets between the position and the last seen end of the input.
	Lag int64
	// Rebuilt is how often the task's database was found to be damaged here, and deleted and restored from the changelogs.
	Rebuilt int64
	// StreamMillis is the greatest event time that was seen, in milliseconds; 0 if there was none.
	StreamMillis int64
}

// statusBoard is where a worker leaves its status for other goroutines.
type statusBoard struct {
	mu       sync.Mutex // guards what follows
	tasks    []TaskStatus
	producer broker.Producer
	feeds    []operator.Feed // replaced, never changed
}

// MissingTopics returns the topics that the worker writes to and that the cluster does not know (any more), sorted. Any goroutine
// may call it.
func (w *Worker) MissingTopics() []string {
	w.status.mu.Lock()
	producer := w.status.producer
	w.status.mu.Unlock()
	var topics []string
	for _, tp := range producer.Missing() {
		topics = append(topics, tp.Topic)
	}
	slices.Sort(topics)
	return slices.Compact(topics)
}

// publish updates the status. It is called after each batch.
func (w *Worker) publish() {
	w.status.mu.Lock()
	defer w.status.mu.Unlock()
	w.status.tasks = w.status.tasks[:0]
	for _, t := range w.tasks.all() {
		w.status.tasks = append(w.status.tasks, t.status())
	}
	w.publishFeeds()
}

func (t *task) status() TaskStatus {
	restored := t.stores.Restored()
	return TaskStatus{
		ID: t.id, Name: t.name, Restoring: t.state == restoring,
		Restored: restored.Records, RestoredBytes: restored.Bytes, RestoreBegan: restored.Began, Remaining: t.stores.Remaining(),
		Lag:       t.input.Lag(),
		Processed: t.processed, Skipped: t.skipped, DeadLetters: t.letters, Ignored: t.env.Ignored, Late: t.env.Late, NullKeys: t.env.NullKeys,
		Rebuilt: t.rebuilt, StreamMillis: t.env.StreamMillis,
	}
}

// Status returns the status of the worker's tasks, ordered by id. Any goroutine may call it.
func (w *Worker) Status() []TaskStatus {
	w.status.mu.Lock()
	defer w.status.mu.Unlock()
	return slices.Clone(w.status.tasks)
}

// Positions are where the tasks of a worker stand.
type Positions struct {
	// Next are the next offsets to read of all inputs of the worker's tasks.
	Next map[broker.TopicPartition]int64
	// Settled is set if a checkpoint covers everything that was read, and nothing waits in the worker: no restore, no held
	// records, no outage, no work of a sink that is prepared and not visible.
	Settled bool
}

// Positions returns where the tasks of the worker stand.
func (w *Worker) Positions() Positions {
	p := Positions{
		Next:    map[broker.TopicPartition]int64{},
		Settled: !w.Dirty() && w.Visible() && !w.resting() && !w.heldBack() && w.current.batch == nil && w.outbox.Pending() == 0 && !w.membership.Waits(),
	}
	for _, t := range w.tasks.all() {
		p.Settled = p.Settled && t.state == running && !t.unclaimed && t.feedsSettled()
		for _, tp := range t.input.Partitions() {
			p.Next[tp] = t.input.Next[tp.Topic]
		}
	}
	return p
}

// Settle makes a checkpoint, so that readers of committed records, among them tasks of this application, see everything that
// the worker has written. A failure that passes, such as a sink that takes no more, is no error. While calls of asynchronous
// operators are in flight there is none.
func (w *Worker) Settle(ctx context.Context) error {
	if w.resting() || w.heldBack() || w.InFlight() {
		return nil
	}
	defer w.publish()
	if err := w.Checkpoint(ctx); err != nil {
		return w.recoverFrom(ctx, err)
	}
	return nil
}

// Working reports whether the worker is processing records right now. Any goroutine may call it.
func (w *Worker) Working() bool { return w.working.Load() }
