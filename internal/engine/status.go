package engine

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/source"
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

// statusBoard is where a worker leaves its status for other goroutines. Any goroutine may call its methods.
//
// It promises that a reader sees the status of all tasks as it was between two pieces of work, and never waits for one.
type statusBoard struct {
	working atomic.Bool // set while records are processed

	mu       sync.Mutex // guards the fields below
	tasks    []TaskStatus
	producer broker.Producer
	feeds    []operator.Feed // replaced, never changed
}

// use notes the producer that the worker uses.
func (b *statusBoard) use(producer broker.Producer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.producer = producer
}

// missingTopics returns the topics that the producer writes to and that the cluster does not know (any more), sorted.
func (b *statusBoard) missingTopics() []string {
	b.mu.Lock()
	producer := b.producer
	b.mu.Unlock()
	var topics []string
	for _, tp := range producer.Missing() {
		topics = append(topics, tp.Topic)
	}
	slices.Sort(topics)
	return slices.Compact(topics)
}

// publish notes the status of all tasks of the worker, and their sources. The worker calls it after each piece of work.
func (b *statusBoard) publish(of *taskSet) {
	tasks := of.all()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tasks = b.tasks[:0]
	feeds := 0
	for _, t := range tasks {
		b.tasks = append(b.tasks, t.status())
		feeds += len(t.env.Feeds)
	}
	if feeds == 0 && len(b.feeds) == 0 {
		return
	}
	b.feeds = make([]operator.Feed, 0, feeds)
	for _, t := range tasks {
		b.feeds = append(b.feeds, t.env.Feeds...)
	}
}

// statuses returns the status of the tasks.
func (b *statusBoard) statuses() []TaskStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.tasks)
}

// sources returns the state of the sources of the tasks.
func (b *statusBoard) sources() (states []source.Status) {
	b.mu.Lock()
	feeds := b.feeds
	b.mu.Unlock()
	for _, f := range feeds {
		states = append(states, f.Status())
	}
	return states
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
func (w *Worker) Status() []TaskStatus { return w.status.statuses() }

// MissingTopics returns the topics that the worker writes to and that the cluster does not know (any more), sorted. Any goroutine
// may call it.
func (w *Worker) MissingTopics() []string { return w.status.missingTopics() }

// Sources returns the state of the sources of the worker's tasks. Any goroutine may call it.
func (w *Worker) Sources() []source.Status { return w.status.sources() }

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
		Settled: !w.Dirty() && w.Visible() && !w.membership.Rests() && !w.intake.gate.Held() && w.processing.current.batch == nil && w.delivery.Pending() == 0 && !w.membership.Waits(),
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
	if w.membership.Rests() || w.intake.gate.Held() || w.InFlight() {
		return nil
	}
	defer w.status.publish(w.tasks)
	if err := w.Checkpoint(ctx); err != nil {
		return w.recoverFrom(ctx, err)
	}
	return nil
}

// Working reports whether the worker is processing records right now. Any goroutine may call it.
func (w *Worker) Working() bool { return w.status.working.Load() }
