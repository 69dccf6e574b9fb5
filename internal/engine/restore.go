package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/stores"
)

// restorer restores the state of tasks, and starts them: it reads their changelogs, waits for claims, and places the tasks in their input. Only
// the goroutine of the worker calls its methods.
//
// It promises that a task processes nothing before its state is complete and, at least once, its changelogs are claimed. A start that an error
// has given up begins again with resume.
type restorer struct {
	config     *Config
	cluster    broker.Cluster
	tasks      *taskSet
	intake     *intake
	beginnings *beginnings
	// fetch begins to fetch the input of a task.
	fetch func(ctx context.Context, t *task) error
	// claiming is set while tasks wait to be claimed, starting while tasks have positions to commit before they process anything, and
	// unstarted while the start of restored tasks was given up and is to be tried again.
	claiming, starting, unstarted bool
}

// begin begins to read the changelogs of a task, or starts it if there is nothing to read.
func (r *restorer) begin(ctx context.Context, t *task) error {
	if err := t.input.Load(ctx, r.cluster, r.beginnings.plan.Group); err != nil {
		return err
	}
	if t.stores.Any() {
		if err := t.stores.Load(); err != nil {
			return fmt.Errorf("task %s: %w", t.name, err)
		}
	}
	if err := t.input.LookUpIDs(ctx, r.cluster); err != nil {
		return err
	}
	if err := t.stores.AdoptIDs(); err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	if !t.stores.Any() {
		return r.start(ctx, t)
	}
	fetches, err := t.stores.BeginRestore(ctx, r.cluster)
	if t.restores = len(fetches) > 0; t.restores {
		r.report(t, false)
	}
	return r.read(ctx, t, fetches, err)
}

// read begins to read the changelogs that the stores of a task have named, before err if there is one, and goes on with the task if there
// is nothing to read.
func (r *restorer) read(ctx context.Context, t *task, fetches []stores.Fetch, err error) error {
	r.intake.startChangelogs(t, fetches)
	if err != nil {
		return err
	}
	if t.stores.Restores() == 0 {
		return r.restored(ctx, t)
	}
	return nil
}

// apply writes a batch of a changelog to the database.
func (r *restorer) apply(ctx context.Context, t *task, b *broker.Batch) error {
	done, err := t.stores.Apply(b, r.loadBytes(), r.config.LoadRecords)
	if err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	if !done {
		return nil
	}
	r.intake.endChangelog(b.TopicPartition)
	if t.stores.Restores() > 0 {
		return nil
	}
	return r.restored(ctx, t)
}

// toClaims goes on with the restore up to the claims of a task, which the producer has sent.
func (r *restorer) toClaims(ctx context.Context, t *task, producer broker.Producer) error {
	fetches, err := t.stores.RestoreToClaims(producer, r.config.LoadRecords)
	return r.read(ctx, t, fetches, err)
}

// loadBytes returns how much to collect for one store.
func (r *restorer) loadBytes() int {
	restores := 1
	for _, t := range r.tasks.byID {
		restores += t.stores.Restores()
	}
	return max(r.config.MinLoadBytes, r.config.MaxLoadBytes/restores)
}

// restored is called when all changelogs of the task have been read to their end.
func (r *restorer) restored(ctx context.Context, t *task) error {
	if !r.config.ExactlyOnce && t.stores.Logged() && !t.stores.Owned() {
		r.claiming, t.unclaimed = true, true // by the next step, with others
		return nil
	}
	t.input.Place(t.stores.Standings(), r.config.ExactlyOnce)
	for _, topic := range t.input.Topics() {
		t.input.AdoptID(topic, t.input.KnownID(topic))
	}
	if err := r.judgeCut(t); err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	if err := t.stores.Settle(); err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	if err := t.chooseSinkEpoch(); err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	if err := r.start(ctx, t); err != nil {
		return err
	}
	// Not before: a checkpoint now commits offsets of the task, which only its owner can. Without them a process that has
	// lost the task, and does not know the offsets committed since, would take back the work of its successor.
	tookBack, err := t.stores.EndRestore()
	t.changed = t.changed || tookBack
	if err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	backend, prefixes := t.stores.Serve()
	t.served.Serve(t.name, backend, prefixes)
	if t.restores {
		t.restores = false
		r.report(t, true)
	}
	return nil
}

// RestoreReport describes the restore of the state of a task.
type RestoreReport struct {
	// Task is the name of the task.
	Task string
	// Done is false when the restore begins.
	Done bool
	// Records and Bytes were applied, and Took the time since the begin. Remaining is roughly the number of records to read.
	Records, Bytes, Remaining int64
	Took                      time.Duration
}

// report tells Config.OnRestore of a restore that begins or ends.
func (r *restorer) report(t *task, done bool) {
	if f := r.config.OnRestore; f != nil {
		restored := t.stores.Restored()
		report := RestoreReport{Task: t.name, Done: done, Records: restored.Records, Bytes: restored.Bytes, Remaining: t.stores.Remaining()}
		if done {
			report.Took = r.config.Clock.Now().Sub(restored.Began)
		}
		f(report)
	}
}

// judgeCut asks Config.Topics.OnLostInput about restored state that lacks records of its changelog. It returns an error if that says to fail.
func (r *restorer) judgeCut(t *task) error {
	err := t.stores.Cut()
	if err == nil {
		return nil
	}
	switch r.config.LostInput {
	case LostContinue:
		t.env.Logger.Error("going on with the state that is left", "error", err)
	case LostReset:
		t.env.Logger.Error("going on with empty state, at the committed offsets", "error", err)
		t.stores.Empty()
	default:
		return fmt.Errorf("%w. Start a member with the local database that has them, or write the changelog anew from a copy; else "+
			"Config.Topics.OnLostInput says how to go on: LostInputContinues keeps the rows that are left, LostInputResets empties the state of the "+
			"task", err)
	}
	t.lacking = true
	return nil
}

// unstarted reports whether a task is restored, and its start was given up in the middle: nothing is read that would begin it again.
func (t *task) unstarted() bool {
	return t.state == restoring && t.stores.Restores() == 0 && !t.unclaimed
}

// start places a task with complete state in its input, and lets it begin. Its input is not fetched yet if the positions have to be
// committed first.
func (r *restorer) start(ctx context.Context, t *task) error {
	lost, err := r.beginnings.place(ctx, t)
	if err != nil {
		return err
	}
	t.input.Checkpointed()
	t.input.NoteAll()
	if len(t.input.Partitions()) > 1 || t.flies() {
		t.aligned = r.intake.newMerge(t)
	}
	t.state = running // not before: a worker whose job has failed may take another step
	r.tasks.mergeAnew()
	if len(t.input.Uncommitted) > 0 || lost || t.lacking || t.sinks.InPhases() {
		t.state, r.starting = starting, true // a restore may end in the middle of a step, which must not go on with the task
		return nil
	}
	return r.fetch(ctx, t)
}

// resume starts the tasks with a start that was given up.
func (r *restorer) resume(ctx context.Context) error {
	if !r.unstarted {
		return nil
	}
	r.unstarted = false
	for _, t := range r.tasks.all() {
		if !t.unstarted() {
			continue
		}
		if err := r.restored(ctx, t); err != nil {
			r.unstarted = true // if the worker goes on
			return err
		}
	}
	return nil
}
