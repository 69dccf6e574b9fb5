package runtime

import (
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine"
)

// Listeners are told of events of an App. One goroutine calls all of them, one after the other, until Run returns; they observe, and decide
// nothing. 1,000 events wait; further ones are dropped, and the first of them is logged. A panic is logged. nil does nothing.
type Listeners struct {
	// State is told of each state that the App comes to, up to Stopped.
	State func(State)
	// Rebalance is told of each change of the partitions of this member, when the App has acted on it.
	Rebalance func(Rebalance)
	// Restore is told when a task begins to read its changelogs, and when it has all of its state. App.Status tells of the progress between.
	// A task that is given up before has no end.
	Restore func(Restore)
	// Checkpoint is told of each checkpoint of a worker with something to check in, made or not.
	Checkpoint func(Checkpoint)
}

// Rebalance is a change of the partitions of a member.
type Rebalance struct {
	// Kind is "assigned", "revoked" (they were given up after a checkpoint) or "lost" (another member may have had them already).
	Kind string
	// Partitions have come or gone. Those that stay with the member are not among them.
	Partitions []Partition
	// Took is the time until the App has acted on the change: checkpoints and the closing of state, or its opening. Restores come later.
	Took time.Duration
	// Err is the error that ends Run, if acting on the change has failed.
	Err error
}

// Partition is a partition of a topic, with Config.Prefix.
type Partition struct {
	Topic     string
	Partition int32
}

// Restore is the begin or the end of reading the changelogs of a task.
type Restore struct {
	// Task is TaskStatus.Name.
	Task string
	// Done is false at the begin.
	Done bool
	// Remaining is roughly how many changelog records are to be read, at the begin.
	Remaining int64
	// Records were applied, and Bytes is the size of their keys and values. Took is the time since the begin. They are 0 at the begin.
	Records, Bytes int64
	Took           time.Duration
}

// Checkpoint is a checkpoint of a worker.
type Checkpoint struct {
	// Worker is the number of the worker, from 0.
	Worker int
	// Tasks is how many tasks had something to check in, Records how many records they have processed since the checkpoint before,
	// and StateBytes how much of their state has changed, in bytes.
	Tasks, Records int
	StateBytes     int64
	// Began is when it began.
	Began time.Time
	// Took is the time of the whole checkpoint. Operators (calls in flight and held-back results), Sinks (flushes), Changelogs (encoding
	// changes of state), Commit (until output is acknowledged, and offsets are committed) and Databases (writing changes of state) are parts
	// of it.
	Took, Operators, Sinks, Changelogs, Commit, Databases time.Duration
	// Err is the reason if the checkpoint was not made. The worker tries again, goes back to its last checkpoint, or ends Run.
	Err error
}

// enter notes the state that the App has come to, and tells the listener.
func (a *App) enter(state State) {
	a.state.Store(int32(state))
	if f := a.config.Listeners.State; f != nil {
		a.hooks.add("Listeners.State", func() { f(state) }, "state", state)
	}
}

// rebalanced tells of a change of partitions on which the App has acted.
func (a *App) rebalanced(event *broker.GroupEvent, took time.Duration, err error) {
	if a.meter != nil {
		a.meter.rebalanced(event.Kind.String(), took, err)
	}
	f := a.config.Listeners.Rebalance
	if f == nil {
		return
	}
	r := Rebalance{Kind: event.Kind.String(), Took: took, Err: err}
	for _, tp := range event.Partitions {
		r.Partitions = append(r.Partitions, Partition(tp))
	}
	a.hooks.add("Listeners.Rebalance", func() { f(r) })
}

// listen sets the functions of the engine that tell of events of a worker.
func (a *App) listen(config *engine.Config, worker int, meter *workerMeter) {
	restore, checkpoint := a.config.Listeners.Restore, a.config.Listeners.Checkpoint
	config.OnFlush = a.recent.flush
	if meter != nil {
		config.OnRewind = meter.rewound
		config.OnFlush = func(sink string, took time.Duration, err error) {
			a.recent.flush(sink, took, err)
			meter.flushed(sink, took, err)
		}
	}
	if meter != nil || restore != nil {
		config.OnRestore = func(r engine.RestoreReport) {
			if meter != nil && r.Done {
				meter.record(mRestore, r.Took.Seconds(), taskAttribute(r.Task))
			}
			if restore != nil {
				event := Restore{Task: r.Task, Done: r.Done, Remaining: r.Remaining, Records: r.Records, Bytes: r.Bytes, Took: r.Took}
				a.hooks.add("Listeners.Restore", func() { restore(event) })
			}
		}
	}
	config.OnCheckpoint = func(r engine.CheckpointReport) {
		if meter != nil {
			meter.checkpoint(r)
		}
		event := Checkpoint{
			Worker: worker, Tasks: r.Tasks, Records: r.Records, StateBytes: r.StateBytes, Began: r.Began, Took: r.Took, Err: r.Err,
			Operators: r.Phases[engine.OperatorsPhase], Sinks: r.Phases[engine.SinksPhase], Changelogs: r.Phases[engine.ChangelogsPhase],
			Commit: r.Phases[engine.CommitPhase], Databases: r.Phases[engine.StatePhase],
		}
		a.recent.checkpoint(event)
		if checkpoint != nil {
			a.hooks.add("Listeners.Checkpoint", func() { checkpoint(event) })
		}
	}
}
