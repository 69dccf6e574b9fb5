package engine

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/gate"
	"github.com/weirstreams/weir/internal/engine/outbox"
	"github.com/weirstreams/weir/internal/engine/schedule"
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
	// Paused is true while the user has paused the task, and it stands still.
	Paused bool
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
	// UncommittedBytes is how much of the state has changed since the last checkpoint.
	UncommittedBytes int64
	// Rebuilt is how often the task's database was found to be damaged here, and deleted and restored from the changelogs.
	Rebuilt int64
	// StreamMillis is the greatest event time that was seen, in milliseconds; 0 if there was none.
	StreamMillis int64
}

// InputStatus is how far a task has come in one partition. Counts begin when the task was opened.
type InputStatus struct {
	// Task is the name of the task.
	Task      string
	Topic     string
	Partition int32
	// Next is the next offset to process, End the end of the partition as last seen.
	Next, End int64
	// Records is the number of records that were processed or skipped.
	Records int64
	// OldestMillis is the timestamp of the oldest record that is left, in milliseconds, and 0 if none is left or it is not known. While the
	// record itself was not fetched yet it is that of the record before.
	OldestMillis int64
}

// Figures are figures of a worker for metrics.
type Figures struct {
	// Inputs are the partitions of the open tasks.
	Inputs []InputStatus
	// ClosedTasks and ClosedInputs have the sums of the counts of closed tasks, by name and by partition. The rest of them is not set.
	ClosedTasks  []TaskStatus
	ClosedInputs []InputStatus
	// Missing are the topics that the worker writes to and that the cluster does not know (any more), sorted.
	Missing []string
	// Sent are the records of each topic that were handed to the producer.
	Sent map[string]int64
	// Entered are the calls of operators, by the number of their nodes, that were made while Config.Watched returned true.
	Entered []int64
	// Busy is the time that processing of records has taken.
	Busy time.Duration
	// Rewinds is how often the worker went back to its last checkpoint.
	Rewinds int64
	// Pauses is the version of Config.Pauses that all tasks of the worker have acted on.
	Pauses int64
	// UncommittedSince is when the first record was processed that no checkpoint covers, HeldSince since when input is held back, and
	// StepSince when the step that is under way began. They are zero if there is none.
	UncommittedSince, HeldSince, StepSince time.Time
}

// statusBoard is where a worker leaves its status for other goroutines. Any goroutine may call its methods.
//
// It promises that a reader sees the status of all tasks as it was between two pieces of work, and never waits for one.
type statusBoard struct {
	working   atomic.Bool  // set while records are processed
	stepBegan atomic.Int64 // of the step that is under way, in nanoseconds since 1970; 0 if there is none
	busy      atomic.Int64 // nanoseconds
	rewinds   atomic.Int64
	pauses    atomic.Int64 // the version that all tasks have acted on

	schedule *schedule.Schedule
	gate     *gate.Gate
	work     *processing
	outbox   *outbox.Outbox

	watched func() bool
	counts  []int64 // those of Entered, of the goroutine of the worker

	mu       sync.Mutex // guards the fields below
	tasks    []TaskStatus
	inputs   []InputStatus
	producer broker.Producer
	feeds    []operator.Feed // replaced, never changed
	entered  []int64

	closedTasks                 map[string]*TaskStatus
	closedInputs                map[broker.TopicPartition]*InputStatus
	uncommittedSince, heldSince time.Time
}

// watch notes the parts of the worker that the figures are of. nodes is the number of nodes of the plan.
func (b *statusBoard) watch(schedule *schedule.Schedule, gate *gate.Gate, work *processing, outbox *outbox.Outbox, watched func() bool, nodes int) {
	b.schedule, b.gate, b.work, b.outbox = schedule, gate, work, outbox
	b.watched, b.counts, b.entered = watched, make([]int64, nodes), make([]int64, nodes)
	b.closedTasks, b.closedInputs = map[string]*TaskStatus{}, map[broker.TopicPartition]*InputStatus{}
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
	var counts []int64
	if b.watched() {
		counts = b.counts
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	copy(b.entered, counts)
	b.tasks, b.inputs = b.tasks[:0], b.inputs[:0]
	b.uncommittedSince, b.heldSince = b.schedule.UncommittedSince(), b.gate.Since()
	feeds := 0
	for _, t := range tasks {
		t.env.Entered = counts
		status := t.status()
		for _, topic := range t.input.Topics() {
			in := b.input(t, topic)
			status.Lag += max(0, in.End-in.Next)
			b.inputs = append(b.inputs, in)
		}
		b.tasks = append(b.tasks, status)
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

// rewound counts that the worker goes back to its last checkpoint, and tells a function that may be nil.
func (b *statusBoard) rewound(tell func()) {
	b.rewinds.Add(1)
	if tell != nil {
		tell()
	}
}

// input returns the status of one input of a task.
func (b *statusBoard) input(t *task, topic string) InputStatus {
	taken := t.input.Taken(topic)
	in := InputStatus{
		Task: t.name, Topic: topic, Partition: t.id.Partition, Next: t.input.Next[topic], End: t.input.Ends[topic], Records: taken.Records,
	}
	if in.Next >= in.End {
		return in
	}
	in.OldestMillis = taken.Millis
	if t.aligned != nil {
		if millis, ok := t.aligned.Head(topic); ok {
			in.OldestMillis = millis
		}
	} else if c := &b.work.current; c.batch != nil && c.task == t && c.batch.Topic == topic && c.from < len(c.batch.Records) {
		in.OldestMillis = c.batch.Records[c.from].Millis
	}
	return in
}

// closed adds the counts of a task that is closed to those of the tasks before it.
func (b *statusBoard) closed(t *task) {
	s := t.status()
	b.mu.Lock()
	defer b.mu.Unlock()
	total := b.closedTasks[s.Name]
	if total == nil {
		total = &TaskStatus{ID: s.ID, Name: s.Name}
		b.closedTasks[s.Name] = total
	}
	total.Add(s)
	for _, topic := range t.input.Topics() {
		tp := t.input.Of(topic)
		if b.closedInputs[tp] == nil {
			b.closedInputs[tp] = &InputStatus{Task: t.name, Topic: topic, Partition: t.id.Partition}
		}
		b.closedInputs[tp].Records += t.input.Taken(topic).Records
	}
}

// Add adds the counts of another status that grow, but for Rebuilt, which goes on when a task is opened anew.
func (s *TaskStatus) Add(o TaskStatus) {
	s.Restored += o.Restored
	s.RestoredBytes += o.RestoredBytes
	s.Processed += o.Processed
	s.Skipped += o.Skipped
	s.DeadLetters += o.DeadLetters
	s.Ignored += o.Ignored
	s.Late += o.Late
	s.NullKeys += o.NullKeys
}

// figures returns the figures of the worker.
func (b *statusBoard) figures() Figures {
	f := Figures{Sent: map[string]int64{}, Missing: b.missingTopics(), Busy: time.Duration(b.busy.Load()), Rewinds: b.rewinds.Load(), Pauses: b.pauses.Load()}
	if began := b.stepBegan.Load(); began != 0 {
		f.StepSince = time.Unix(0, began)
	}
	b.outbox.Sent(f.Sent)
	b.mu.Lock()
	defer b.mu.Unlock()
	f.Inputs, f.Entered = slices.Clone(b.inputs), slices.Clone(b.entered)
	f.UncommittedSince, f.HeldSince = b.uncommittedSince, b.heldSince
	for _, s := range b.closedTasks {
		f.ClosedTasks = append(f.ClosedTasks, *s)
	}
	for _, in := range b.closedInputs {
		f.ClosedInputs = append(f.ClosedInputs, *in)
	}
	return f
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
		ID: t.id, Name: t.name, Restoring: t.state == restoring, Paused: t.paused,
		Restored: restored.Records, RestoredBytes: restored.Bytes, RestoreBegan: restored.Began, Remaining: t.stores.Remaining(),
		Processed: t.processed, Skipped: t.skipped, DeadLetters: t.letters, Ignored: t.env.Ignored, Late: t.env.Late, NullKeys: t.env.NullKeys,
		Rebuilt: t.rebuilt, UncommittedBytes: t.stores.DirtyBytes(), StreamMillis: t.env.StreamMillis,
	}
}

// Status returns the status of the worker's tasks, ordered by id. Any goroutine may call it.
func (w *Worker) Status() []TaskStatus { return w.status.statuses() }

// Figures returns the figures of the worker. Any goroutine may call it.
func (w *Worker) Figures() Figures { return w.status.figures() }

// Sources returns the state of the sources of the worker's tasks. Any goroutine may call it.
func (w *Worker) Sources() []source.Status { return w.status.sources() }

// Positions are where the tasks of a worker stand.
type Positions struct {
	// Next are the next offsets to read of all inputs of the worker's tasks.
	Next map[broker.TopicPartition]int64
	// Settled is set if a checkpoint covers everything that was read, and nothing waits in the worker: no restore, no held
	// records, no outage, no work of a sink that is prepared and not visible.
	Settled bool
	// Covered is Settled but for records that were fetched and are not processed.
	Covered bool
	// Waits says what a worker that is not settled waits for, as far as it is known.
	Waits string
}

// Positions returns where the tasks of the worker stand.
func (w *Worker) Positions() Positions {
	p := Positions{
		Next:    map[broker.TopicPartition]int64{},
		Covered: !w.Dirty() && w.Visible() && !w.membership.Rests() && !w.intake.gate.Held() && w.delivery.Pending() == 0 && !w.membership.Waits() && !w.InFlight(),
	}
	switch {
	case w.intake.gate.Held():
		p.Waits = "input is held back, by a sink, a lookup, a codec or a retry"
	case w.InFlight():
		p.Waits = "calls are in flight"
	case !w.Visible():
		p.Waits = "a sink has not committed its work yet"
	case w.membership.Rests(), w.membership.Waits():
		p.Waits = "the group does not take offsets"
	}
	for _, t := range w.tasks.all() {
		if t.state != running {
			p.Waits = "task " + t.name + " has not all of its state yet"
		}
		p.Covered = p.Covered && t.state == running && !t.unclaimed && (t.paused || t.feedsSettled())
		for _, tp := range t.input.Partitions() {
			p.Next[tp] = t.input.Next[tp.Topic]
		}
	}
	p.Settled = p.Covered && w.processing.current.batch == nil
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
