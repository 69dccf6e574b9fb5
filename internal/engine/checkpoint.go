package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/gate"
	"github.com/weirstreams/weir/internal/engine/letters"
	"github.com/weirstreams/weir/internal/engine/membership"
	"github.com/weirstreams/weir/internal/engine/outbox"
	"github.com/weirstreams/weir/internal/engine/refused"
	"github.com/weirstreams/weir/internal/engine/sinks"
	"github.com/weirstreams/weir/internal/engine/stores"
	"github.com/weirstreams/weir/internal/state"
)

// Checkpoint makes all processed records count. Operators emit held-back results first, then sinks are flushed.
// Then, at least once:
//
//  1. Changes in the stores are encoded and appended to the changelogs, with the offsets that they reflect.
//  2. All output and all changelog records are acknowledged.
//  3. The offsets are committed.
//  4. One batch per task writes the state, the changelog's position and the offsets to the database.
//
// A crash before 3 leaves changelog records behind with uncommitted offsets; a restore skips them. A crash
// between 3 and 4 leaves the database behind; a restore catches up from the changelog.
//
// Exactly once, output, changelog records and offsets belong to one transaction, and 2 and 3 are its commit. A crash
// before it leaves nothing that anybody can see.
//
// An error that gate.IsPressure says that a sink takes no more, or that a lookup cannot be asked: nothing is lost, and the
// checkpoint can be made later.
//
// membership.ErrTasksLost says that the group has given the partitions away: the tasks are closed, nothing since the last checkpoint
// counts, and the worker can go on with new tasks. After any other error the worker has to be rewound, or is lost.
func (w *Worker) Checkpoint(ctx context.Context) error {
	w.hurry.Enter(ctx)
	w.checkpoints.overlap.forget()
	changed := w.tasks.changed()
	defer w.agenda.schedule.Ended()
	if len(changed) == 0 {
		w.agenda.schedule.Made()
		return nil
	}
	if err := w.tasks.damage(); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	report := CheckpointReport{Tasks: len(changed), Records: w.agenda.schedule.Uncommitted(), Began: w.config.Clock.Now()}
	err := w.checkpoints.make(ctx, changed, &report)
	if f := w.config.OnCheckpoint; f != nil {
		report.Took, report.Err = w.config.Clock.Now().Sub(report.Began), err
		f(report)
	}
	if err != nil {
		return err
	}
	w.refusals.accepted()
	w.refusals.failures.letters.Committed()
	w.agenda.schedule.Made()
	w.refusals.checkpointed()
	w.intake.gate.EndOutages(w.tasks.position)
	w.refusals.failures.checkpointed(w.tasks, w.config.Clock.Now())
	if err := w.refusals.failures.reread.Close(); err != nil {
		w.config.Logger.Warn("closing a fetcher failed", "error", err)
	}
	w.intake.gate.Checkpointed()
	return w.checkpoints.commitPrepared(ctx)
}

// TryCheckpoint makes a checkpoint or, if a sink takes no more, holds the input back until it can be made. It reports whether
// there is a checkpoint.
func (w *Worker) TryCheckpoint(ctx context.Context) (made bool, err error) {
	if w.intake.gate.Held() {
		return false, nil
	}
	err = w.Checkpoint(ctx)
	if gate.IsPressure(err) {
		w.intake.holdBack(err)
		return false, nil
	}
	if refused.Is(err) {
		err = w.searchOn(ctx, err)
	}
	return err == nil, err
}

// tryAgain makes the checkpoint that was held back, and lets the input go on, if it is time.
func (w *Worker) tryAgain(ctx context.Context) error {
	if !w.intake.gate.Due() {
		return nil
	}
	w.intake.goOn()
	return w.Checkpoint(ctx)
}

// checkpointer makes checkpoints of tasks: it brings their sinks, output, state and offsets to the same point. It neither
// chooses the time nor goes back to the last checkpoint. Only the goroutine of the worker calls its methods.
//
// It promises the order of [Worker.Checkpoint]: nothing counts before everything that it depends on. An error before the commit leaves
// the changes of the tasks as they were.
type checkpointer struct {
	config     *Config
	tasks      *taskSet
	group      broker.Group
	delivery   *outbox.Delivery
	sinks      *sinks.Committer
	observer   observer
	membership *membership.Watch
	letters    *letters.Writer // nil if there is no topic for them
	foreign    *foreignWrites
	// overlap is the checkpoint that is made while its tasks go on, and wake ends the waiting of the worker.
	overlap *overlap
	wake    func()
	// lose closes all tasks, as the group has given them to others. It returns the error that says so.
	lose func(cause error) error
}

// CheckpointPhase is a part of the work of a checkpoint.
type CheckpointPhase int8

const (
	// OperatorsPhase waits for calls in flight and for commits of sinks, and lets operators emit held-back results.
	OperatorsPhase CheckpointPhase = iota
	// SinksPhase flushes sinks.
	SinksPhase
	// ChangelogsPhase encodes changes of state, and hands all output to the producer.
	ChangelogsPhase
	// CommitPhase waits until the output is acknowledged, and commits it with the offsets.
	CommitPhase
	// StatePhase writes to the databases.
	StatePhase
	// CheckpointPhases is the number of phases.
	CheckpointPhases
)

// CheckpointReport describes a checkpoint of a worker.
type CheckpointReport struct {
	// Tasks is the number of tasks with changes, Records that of the records since the checkpoint before.
	Tasks, Records int
	// StateBytes is how much of the state has changed since then.
	StateBytes int64
	Began      time.Time
	Took       time.Duration
	// Phases are the times of the phases. Those behind an error took no time.
	Phases [CheckpointPhases]time.Duration
	// Err is the reason if the checkpoint was not made. It may be that of a checkpoint that is made later: gate.IsPressure.
	Err error
}

// make makes a checkpoint of tasks that have changed, and notes its phases.
func (c *checkpointer) make(ctx context.Context, changed []*task, report *CheckpointReport) error {
	phase, began := OperatorsPhase, report.Began
	next := func(after CheckpointPhase) {
		now := c.config.Clock.Now()
		report.Phases[phase] += now.Sub(began)
		phase, began = after, now
	}
	defer func() { next(phase) }()
	if err := c.awaitCommits(ctx, changed); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	defer landing(changed, c.observer)()
	for _, t := range changed {
		if err := t.settle(); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		if err := t.beforeCheckpoint(); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	next(SinksPhase)
	if err := c.flushSinks(ctx, changed); err != nil {
		return err
	}
	if err := c.letters.Check(); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	next(ChangelogsPhase)
	for _, t := range changed {
		report.StateBytes += t.stores.DirtyBytes()
	}
	batches := make([]state.Batch, len(changed))
	defer func() {
		for _, b := range batches {
			if b != nil {
				_ = b.Close() // nothing depends on it: it was committed, or is not to be
			}
		}
	}()
	if err := c.flush(ctx, changed, batches); err != nil {
		return err
	}
	if err := c.delivery.Send(ctx); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	next(CommitPhase)
	offsets := map[broker.TopicPartition]int64{}
	for _, t := range changed {
		t.input.Committing(offsets)
	}
	if err := c.commit(ctx, changed, offsets); err != nil {
		return err
	}
	next(StatePhase)
	c.membership.Accepted()
	for i, t := range changed {
		t.changed = false
		t.input.Checkpointed()
		alone, err := t.stores.Commit(batches[i], c.delivery.Producer())
		if !alone {
			c.foreign.note(t)
		}
		if err != nil {
			return fmt.Errorf("checkpoint: task %s: write state: %w", t.name, err)
		}
		c.observer.count(t)
		t.feedsCommitted()
	}
	return nil
}

// commit is steps 2 and 3 of a checkpoint. Changes in stores without a changelog are written ahead of the offsets.
func (c *checkpointer) commit(ctx context.Context, tasks []*task, offsets map[broker.TopicPartition]int64) error {
	if c.config.ExactlyOnce {
		if err := writeAhead(tasks); err != nil {
			return err
		}
		if err := c.delivery.Producer().Commit(ctx, c.group.Member(), offsets, commitDetails(tasks...)); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		return nil
	}
	if err := c.delivery.Producer().Flush(ctx); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := writeAhead(tasks); err != nil {
		return err
	}
	return c.commitOffsets(ctx, offsets, commitDetails(tasks...))
}

// commitOffsets is step 3 of a checkpoint, at least once.
func (c *checkpointer) commitOffsets(ctx context.Context, offsets map[broker.TopicPartition]int64, details broker.CommitDetails) error {
	err := c.group.Commit(ctx, offsets, details)
	if errors.Is(err, weir.ErrFenced) {
		return c.lose(err)
	}
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// flush appends the changes in the stores of tasks to the changelogs and to batches.
//
// At least once, changes made by timers carry no input offset, so a restore always applies them, also if the checkpoint is
// never completed. So their output is acknowledged before their changes of state are, and
// those before the timers and waiting records that have caused them are deleted (state.Cause). Then it happens again after a crash, and is not lost.
func (c *checkpointer) flush(ctx context.Context, tasks []*task, batches []state.Batch) error {
	causeless := func(t *task) bool { return !c.config.ExactlyOnce && t.input.Untouched() }
	acknowledged := func() error {
		if err := c.delivery.Flush(ctx); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		return nil
	}
	now := c.config.Clock.Now().UnixMilli()
	if slices.ContainsFunc(tasks, causeless) {
		if err := acknowledged(); err != nil {
			return err
		}
	}
	for i, t := range tasks {
		if batches[i] = t.stores.Begin(); batches[i] == nil {
			continue
		}
		which := stores.AllButCauses
		if !causeless(t) {
			which = stores.All
		}
		if err := t.flush(batches[i], now, which); err != nil {
			return err
		}
	}
	// Then the causes.
	for level := 0; ; level++ {
		begun := false
		for i, t := range tasks {
			if !causeless(t) || batches[i] == nil {
				continue
			}
			causes := t.stores.Causes()
			if level >= len(causes) {
				continue
			}
			if !begun {
				begun = true
				if err := acknowledged(); err != nil {
					return err
				}
			}
			if err := t.flush(batches[i], now, causes[level]); err != nil {
				return err
			}
		}
		if !begun {
			return nil
		}
	}
}

// flush appends the changes in some stores to the changelogs and to the batch. Changelog records carry the time of now, in
// milliseconds.
func (t *task) flush(batch state.Batch, now int64, which func(*stores.Store) bool) error {
	if err := t.stores.Flush(batch, stores.Flush{Millis: now, Starting: t.state == starting, Which: which}); err != nil {
		return fmt.Errorf("checkpoint: task %s: %w", t.name, err)
	}
	return nil
}

// writeAhead makes the changes of a checkpoint in stores without a changelog durable, before its offsets are committed.
func writeAhead(tasks []*task) error {
	for _, t := range tasks {
		if err := t.stores.WriteAhead(); err != nil {
			return fmt.Errorf("checkpoint: task %s: write state: %w", t.name, err)
		}
	}
	return nil
}

// commitDetails returns the details of the commits of tasks.
func commitDetails(tasks ...*task) broker.CommitDetails {
	details := broker.CommitDetails{}
	for _, t := range tasks {
		t.input.Details(details)
	}
	return details
}
