package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/background"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/engine/gate"
	"github.com/weirstreams/weir/internal/engine/membership"
	"github.com/weirstreams/weir/internal/engine/sinks"
	"github.com/weirstreams/weir/sink"
)

// flushSinks flushes the sinks of tasks for a checkpoint.
func (c *checkpointer) flushSinks(ctx context.Context, tasks []*task) error {
	var flushes []sinks.Flush
	for _, t := range tasks {
		if t.state != running || !t.sinks.Any() {
			continue // the sinks of others have nothing
		}
		flushes = append(flushes, sinks.Flush{
			Task: t.sinks, Epoch: t.sinkEpoch(), Positions: t.coveredPositions(),
			Judge: func(err *weir.ProcessingError) error { return t.judge(err) },
		})
	}
	if err := c.sinks.Flush(ctx, flushes); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// overlap is a checkpoint that is made while its tasks go on with the next records: their sinks write beside them, and the offsets are committed
// when that is over. There is one at most. It is an offer only: any other checkpoint, a rewind and the end of a task take its place.
//
// It promises that the offsets which are committed are those of the records that the sinks were told to write, and that nothing is committed
// before all of these are written. Only the goroutine of the worker calls its methods.
type overlap struct {
	tasks []*task // none if there is no such checkpoint
	cuts  []background.Cut
	// next are the positions of the tasks, records is how many records no checkpoint before covers.
	next    []map[string]int64
	records int
	began   time.Time
	offsets map[broker.TopicPartition]int64
	details broker.CommitDetails
}

// runs reports whether there is such a checkpoint.
func (o *overlap) runs() bool { return len(o.tasks) > 0 }

// forget ends the checkpoint without a commit: the next one has to cover its records.
func (o *overlap) forget() {
	for _, t := range o.tasks {
		t.changed = true
	}
	*o = overlap{}
}

// progress returns how far the sinks are.
func (o *overlap) progress() background.Progress {
	least := background.Written
	for _, cut := range o.cuts {
		switch cut() {
		case background.Failed:
			return background.Failed
		case background.Writing:
			least = background.Writing
		case background.Written:
		}
	}
	return least
}

// over reports whether the worker can go on with the checkpoint: the sinks are through, input is not held back, and tasks do not rest.
func (o *overlap) over(g *gate.Gate, m *membership.Watch) bool {
	return o.runs() && !g.Held() && !m.Rests() && o.progress() != background.Writing
}

// overlaps reports whether the checkpoint of a task may be made while it goes on. State must not run ahead of the offsets that are committed with it,
// and a source outside of Kafka keeps its positions in the state.
func (t *task) overlaps() bool {
	return t.state == running && !t.stores.Any() && !isFeed(t.part) && len(t.env.BeforeCheckpoint) == 0 && !t.env.InFlight()
}

// begin begins a checkpoint of tasks that have changed, and lets them go on. It covers the given number of records. begun is false if the
// guarantee or a sink does not allow that, or nothing is left to write.
func (c *checkpointer) begin(tasks []*task, records int) (begun bool, err error) {
	inTurn := c.config.Sequential && c.config.Calls == nil // a test waits for the sinks
	if c.config.ExactlyOnce || c.config.Outputs != nil || inTurn || slices.ContainsFunc(tasks, func(t *task) bool { return !t.overlaps() }) {
		return false, nil
	}
	o := overlap{tasks: tasks, records: records, began: c.config.Clock.Now(), offsets: map[broker.TopicPartition]int64{}}
	for _, t := range tasks {
		if err := t.settle(); err != nil {
			return false, fmt.Errorf("checkpoint: %w", err)
		}
		if !t.env.Settled() {
			return false, nil
		}
		cuts, ok := t.sinks.Cut(c.wake)
		if !ok {
			return false, nil
		}
		o.cuts = append(o.cuts, cuts...)
		o.next = append(o.next, maps.Clone(t.input.Next))
		t.input.Committing(o.offsets)
	}
	if o.progress() != background.Writing {
		return false, nil
	}
	o.details = commitDetails(tasks...)
	for _, t := range tasks {
		t.changed = false
	}
	*c.overlap = o
	return true, nil
}

// end commits the offsets of the checkpoint after its sinks have written everything, and reports it.
func (c *checkpointer) end(ctx context.Context) error {
	o, now := *c.overlap, c.config.Clock.Now()
	for _, t := range o.tasks {
		c.sinks.Wrote(t.sinks, now.Sub(o.began))
	}
	err := c.commitOverlap(ctx, o)
	if f := c.config.OnCheckpoint; f != nil {
		ended := c.config.Clock.Now()
		report := CheckpointReport{Tasks: len(o.tasks), Records: o.records, Began: o.began, Took: ended.Sub(o.began), Err: err}
		report.Phases[SinksPhase], report.Phases[CommitPhase] = now.Sub(o.began), ended.Sub(now)
		f(report)
	}
	return err
}

// commitOverlap commits the offsets of a checkpoint, behind all output.
func (c *checkpointer) commitOverlap(ctx context.Context, o overlap) error {
	if err := c.delivery.Flush(ctx); err != nil { // output of later records too, which does no harm
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := c.commitOffsets(ctx, o.offsets, o.details); err != nil {
		return err
	}
	c.membership.Accepted()
	for i, t := range o.tasks {
		t.input.CheckpointedAt(o.next[i])
	}
	*c.overlap = overlap{}
	return nil
}

// dueCheckpoint makes the checkpoint that is due or begins one that is made while its tasks go on. One that is due before its time is made at once: a
// sink has failed, or something is to be bounded.
func (w *Worker) dueCheckpoint(ctx context.Context) error {
	if w.agenda.pressing() || !w.refusals.idle() || !w.intake.gate.Idle() {
		return w.Checkpoint(ctx)
	}
	begun, err := w.checkpoints.begin(w.tasks.changed(), w.agenda.schedule.Uncommitted())
	switch {
	case err != nil:
		return err
	case !begun:
		return w.Checkpoint(ctx)
	}
	w.agenda.schedule.Ended()
	return nil
}

// endOverlap goes on with the checkpoint that is made while its tasks go on, if its sinks are through. If one has failed the whole checkpoint is made in
// its place, which returns the error.
func (w *Worker) endOverlap(ctx context.Context) error {
	o := w.checkpoints.overlap
	if !o.over(w.intake.gate, w.membership) {
		return nil
	}
	if o.progress() == background.Written && w.refusals.idle() {
		records, began := o.records, o.began
		if err := w.checkpoints.end(ctx); err != nil {
			return err
		}
		w.agenda.schedule.MadeOf(records, began)
		return nil
	}
	return w.Checkpoint(ctx)
}

// coveredPositions returns the input that the next checkpoint covers.
func (t *task) coveredPositions() (positions []sink.Position) {
	for _, tp := range t.input.Partitions() {
		to, known := t.input.Next[tp.Topic]
		if !known {
			continue
		}
		from, committed := t.input.Committed[tp.Topic]
		if !committed || from > to { // the topic was made anew
			from = to
		}
		positions = append(positions, sink.Position{Topic: tp.Topic, Partition: tp.Partition, From: from, To: to})
	}
	return positions
}

// sinkEpoch returns the epoch of the task for sinks.
func (t *task) sinkEpoch() string {
	switch {
	case t.sinks.InPhases():
		return t.sinks.Epoch()
	case t.stores.Epoch() != changelog.Epoch{}:
		return t.stores.Epoch().String()
	default:
		return t.assigned.String()
	}
}

// chooseSinkEpoch chooses the epoch of a restored task for sinks in two phases.
func (t *task) chooseSinkEpoch() error {
	if epoch := t.stores.Epoch(); epoch != (changelog.Epoch{}) {
		return t.sinks.ChooseEpoch(epoch, nil)
	}
	return t.sinks.ChooseEpoch(t.assigned, t.stores.Seen()) // claims of the time when the application ran at least once
}

// recoverSinks lets the sinks of tasks remove work that does not count.
func (c *checkpointer) recoverSinks(ctx context.Context, tasks []*task) error {
	of := make([]*sinks.Task, len(tasks))
	for i, t := range tasks {
		of[i] = t.sinks
	}
	return c.sinks.Recover(ctx, of)
}

// commitPrepared commits the work that checkpoints have prepared, beside the processing of records.
func (c *checkpointer) commitPrepared(ctx context.Context) error {
	for _, t := range c.tasks.all() {
		if err := c.sinks.Commit(ctx, t.sinks); err != nil {
			return err
		}
	}
	return nil
}

// awaitCommits waits until the work of the checkpoints before is visible.
func (c *checkpointer) awaitCommits(ctx context.Context, tasks []*task) error {
	for _, t := range tasks {
		if err := c.sinks.Await(ctx, t.sinks); err != nil {
			return err
		}
	}
	return nil
}

// Visible reports whether the sinks of all tasks have committed everything that checkpoints have prepared.
func (w *Worker) Visible() bool { return w.tasks.visible() }

// finishCommits makes everything visible that tasks have prepared, before they are closed in order, and then a checkpoint that
// removes the tokens. Tokens that cannot be committed in time stay in the state: the next owner commits them.
func (w *Worker) finishCommits(ctx context.Context, tasks []*task) error {
	removed := false
	for _, t := range tasks {
		if !t.sinks.Recovered() {
			continue
		}
		switch err := w.checkpoints.sinks.Await(ctx, t.sinks); {
		case err == nil:
		case gate.IsPressure(err), ctx.Err() != nil:
			t.env.Logger.Warn("the last checkpoint of the task is not visible in a sink yet; its next owner sees to that", "error", err)
		default:
			return err
		}
		removed = removed || t.changed
	}
	if !removed || ctx.Err() != nil {
		return nil
	}
	return w.Checkpoint(ctx)
}

// finishLastCommits is finishCommits for all tasks of a worker that is closed. It takes no longer than RevokeTimeout. whole is
// false if a checkpoint was given up in the middle.
func (w *Worker) finishLastCommits(ctx context.Context) (whole bool, err error) {
	bounded, cancel := w.hurry.Bound(ctx)
	defer cancel()
	err = w.finishCommits(bounded, w.tasks.all())
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		w.config.Logger.Warn("the tokens of committed work stay in the state, as there was no time for another checkpoint", "error", err)
		return false, nil
	}
	return err == nil, err
}
