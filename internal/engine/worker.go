// Package engine runs the tasks of a topology on a broker: it processes batches, checkpoints, and recovers state.
//
// It starts no goroutine and waits for nothing but the broker: a Worker moves when Step is called, so that the runtime
// can give each worker a goroutine while the test kit and the simulation run many of them in one.
package engine

import (
	"context"
	"errors"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/gate"
	"github.com/weirstreams/weir/internal/engine/hurry"
	"github.com/weirstreams/weir/internal/engine/membership"
	"github.com/weirstreams/weir/internal/engine/outbox"
	"github.com/weirstreams/weir/internal/engine/progress"
	"github.com/weirstreams/weir/internal/engine/provision"
	"github.com/weirstreams/weir/internal/engine/refused"
	"github.com/weirstreams/weir/internal/engine/schedule"
	"github.com/weirstreams/weir/internal/engine/sinks"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
)

// Worker runs a set of tasks, and checkpoints them together. It conducts: the types of its fields do the work, and do not call each other
// but for those that their constructors were given. They leave to it whatever concerns several of them, above all to make a checkpoint and to
// go back to the last one.
//
// All methods but those that say so are called by one goroutine. After a method has returned an error the worker is of no more use:
// Abandon it. Nothing since its last checkpoint counts then.
type Worker struct {
	config Config
	plan   *graph.Plan
	group  broker.Group
	tasks  *taskSet

	hurry      *hurry.Limit      // the context of the call that is under way, and its end before its time
	membership *membership.Watch // whether the group takes the work
	agenda     *agenda           // when a checkpoint is due

	intake     *intake     // fetched batches
	processing *processing // records through tasks
	feeder     *feeder     // records of sources
	idleTime   *idleTime   // time without records
	delivery   *outbox.Delivery

	checkpoints *checkpointer
	purger      progress.Purger
	refusals    *refusals // records that the cluster refuses, and those that fail

	builder  *builder
	restorer *restorer
	claims   *claims
	topicIDs *topicIDs

	status statusBoard
}

// Connections are the connections of a worker to the cluster. The worker closes fetcher and producer.
type Connections struct {
	Cluster  broker.Cluster
	Fetcher  broker.Fetcher
	Producer broker.Producer
	Group    broker.Group
	// NewProducer makes a producer to take the place of one that was fenced.
	NewProducer func() (broker.Producer, error)
}

// NewWorker returns a worker without tasks. topics are those of the plan.
func NewWorker(config Config, plan *graph.Plan, c Connections, topics *provision.Topics) *Worker {
	now := config.Clock.Now()
	w := &Worker{
		config: config.withDefaults(), plan: plan, group: c.Group, tasks: &taskSet{byID: map[TaskID]*task{}},
		hurry: hurry.NewLimit(config.RevokeTimeout, config.AfterFunc), membership: membership.New(config.Clock),
	}
	w.purger = progress.Purger{
		Clock: config.Clock, Interval: w.config.PurgeInterval, Purge: config.Purge, Last: now,
		Internal: func(topic string) bool { return topics.Limits[topic].Internal },
	}
	w.status.use(c.Producer)
	out := outbox.New(c.Producer, topics, config.Compressed, w.hurry.Current)
	w.delivery = outbox.NewDelivery(out, outbox.DeliveryConfig{
		NewProducer: c.NewProducer, OnReplaced: w.status.use, Linger: config.Linger, Clock: config.Clock, Logger: config.Logger,
	})
	w.wireRecords(c, out)
	w.wireState(c, topics, now)
	w.status.watch(w.agenda.schedule, w.intake.gate, w.processing, out, w.config.watched, len(plan.Graph.Nodes))
	w.builder = &builder{
		config: &w.config, plan: plan, cluster: c.Cluster, topics: topics, outputs: newOutputs(&w.config, plan, c.Cluster, out, topics),
		observer: w.processing.observer, refusals: w.refusals, step: w.hurry.Current, wake: w.intake.wake, rebuilt: map[TaskID]int64{},
	}
	return w
}

// wireRecords makes the parts of the worker that records go through.
func (w *Worker) wireRecords(c Connections, out *outbox.Outbox) {
	config := &w.config
	plan := schedule.New(config.Clock, config.CheckpointInterval, config.CheckpointRecords)
	w.refusals = &refusals{
		failures: newFailures(config, w.plan, c.Cluster, out, plan.Uncommitted), outbox: out, tasks: w.tasks, schedule: plan, logger: config.Logger,
	}
	w.agenda = &agenda{
		schedule: plan, search: &w.refusals.search, trace: &w.refusals.trace, tasks: w.tasks, membership: w.membership, most: config.CheckpointBytes,
		overlap: new(overlap),
	}
	w.intake = &intake{
		config: config, cluster: c.Cluster, fetcher: c.Fetcher, tasks: w.tasks, gate: gate.New(config.Clock, config.Logger),
		route: map[broker.TopicPartition]*task{},
	}
	w.processing = &processing{
		agenda: w.agenda, observer: observer{limit: config.Outputs, onProcessed: config.OnProcessed}, status: &w.status, clock: config.Clock, onMerge: config.OnMerge,
	}
	w.intake.pauses = &pauses{
		intake: w.intake, processing: w.processing, agenda: w.agenda, status: &w.status, checkpoint: w.Checkpoint, fetch: w.fetchInput,
	}
	w.feeder = &feeder{tasks: w.tasks, agenda: w.agenda, trace: &w.refusals.trace, delivery: w.delivery, status: &w.status, clock: config.Clock}
	w.idleTime = &idleTime{config: config, cluster: c.Cluster, tasks: w.tasks}
}

// wireState makes the parts of the worker that checkpoint and restore state.
func (w *Worker) wireState(c Connections, topics *provision.Topics, now time.Time) {
	config := &w.config
	beginnings := &beginnings{
		config: config, plan: w.plan, cluster: c.Cluster, replaced: map[broker.TopicPartition]error{},
		history: &progress.History{Cluster: c.Cluster, Plan: w.plan, Partitions: topics.Partitions},
	}
	w.topicIDs = &topicIDs{cluster: c.Cluster, clock: config.Clock, tasks: w.tasks, compared: now}
	foreign := &foreignWrites{cluster: c.Cluster, clock: config.Clock, tasks: w.tasks, looked: now}
	w.restorer = &restorer{config: config, cluster: c.Cluster, tasks: w.tasks, intake: w.intake, beginnings: beginnings, fetch: w.fetchInput}
	w.claims = &claims{
		config: config, cluster: c.Cluster, group: c.Group, tasks: w.tasks, beginnings: beginnings, restorer: w.restorer, delivery: w.delivery, foreign: foreign, lose: w.loseTasks,
	}
	w.checkpoints = &checkpointer{
		config: config, tasks: w.tasks, group: c.Group, delivery: w.delivery,
		sinks:    sinks.NewCommitter(sinks.Config{Clock: config.Clock, Sequential: config.Sequential, Later: config.CommitLater, OnFlush: config.OnFlush}),
		observer: w.processing.observer, membership: w.membership, letters: w.refusals.failures.letters, foreign: foreign, lose: w.loseTasks,
		overlap: w.agenda.overlap, wake: w.intake.wake,
	}
}

// Step does one piece of work, or waits for at most wait for some to come: it processes some records, and checkpoints if
// it is time. It reports whether it has processed anything. Fetcher.Wake ends the waiting.
func (w *Worker) Step(ctx context.Context, wait time.Duration) (worked bool, err error) {
	w.status.stepBegan.Store(w.config.Clock.Now().UnixNano())
	defer w.status.stepBegan.Store(0)
	worked, err = w.step(w.hurry.Begin(ctx), wait)
	if damage := w.tasks.damage(); err == nil {
		err = damage
	}
	hurried := w.hurry.End(err)
	w.status.publish(w.tasks)
	switch {
	case err == nil:
		return worked, w.membership.Check()
	case ctx.Err() != nil:
		return worked, context.Cause(ctx)
	case hurried:
		w.config.Logger.Warn("work given up, as tasks are to go and the cluster does not answer", "timeout", w.config.RevokeTimeout)
		return worked, w.giveUp(ctx, err)
	default:
		return worked, w.recoverFrom(ctx, err)
	}
}

func (w *Worker) step(ctx context.Context, wait time.Duration) (worked bool, err error) {
	if w.processing.observer.halts() {
		return w.stepHalted(ctx, wait)
	}
	for _, due := range []func(context.Context) error{w.endRest, w.intake.pauses.apply, w.endOverlap, w.restorer.resume, w.claims.claim, w.commitStarts, w.checkpoints.commitPrepared, w.lookForStrangers, w.lookForReplaced} {
		if err := due(ctx); err != nil {
			return false, err
		}
	}
	if w.refusals.search.Single() && w.agenda.schedule.Uncommitted() == 0 && w.Dirty() {
		if err := w.Checkpoint(ctx); err != nil { // what no record has caused
			return true, err
		}
	}
	w.intake.dozing.Store(true) // before the look at sources and calls, so that none is missed
	ready := w.agenda.mergeReady() || w.intake.arrived() || w.checkpoints.overlap.over(w.intake.gate, w.membership)
	if wait = w.waitFor(wait); ready || w.delivery.Pending() > 0 {
		wait = 0 // output waits for more only while there is more
	}
	w.intake.dozing.Store(wait > 0)
	if w.processing.current.batch == nil || w.intake.gate.Held() {
		batch, err := w.intake.poll(ctx, wait)
		w.intake.dozing.Store(false)
		if err != nil {
			return true, w.explain(ctx, err)
		}
		worked = batch != nil
		if err := w.take(ctx, batch); err != nil {
			return worked, err
		}
	}
	if w.intake.arrived() {
		worked = true
		if err := w.processing.handOnArrived(); err != nil {
			return true, err
		}
	}
	switch {
	case w.intake.gate.Held():
		return worked, w.tryAgain(ctx)
	case w.processing.current.batch != nil:
		worked = true
		var ended bool
		if ended, err = w.processing.some(); ended && err == nil {
			err = w.delivery.SendDue(ctx)
		}
	case !worked && !ready:
		err = w.delivery.Send(ctx)
	}
	if err == nil {
		var merged bool
		merged, err = w.mergeAll(ctx)
		worked = worked || merged
	}
	alone := w.agenda.alone() // then the checkpoint is that of one record
	if err == nil && !alone && !w.membership.Rests() {
		var fed bool
		fed, err = w.feeder.takeAll(ctx)
		worked = worked || fed
	}
	if err == nil && !alone && !w.membership.Rests() {
		err = w.idleTime.advance(ctx)
	}
	if err == nil && !alone && !w.membership.Rests() {
		err = w.idleTime.ring()
	}
	if err == nil && !worked && w.delivery.Pending() > 0 { // by what no record has caused
		worked, err = true, w.delivery.Send(ctx)
	}
	if err == nil && w.agenda.due() && !w.agenda.putsOff() {
		err = w.dueCheckpoint(ctx)
	}
	if err == nil && w.purger.Due() {
		w.purger.Run(w.tasks.inputs())
	}
	return worked, err
}

// waitFor cuts a waiting time so that neither the next checkpoint, nor the end of a rest, nor a timer is late, and nobody waits
// for an input in vain.
func (w *Worker) waitFor(wait time.Duration) time.Duration {
	wait = w.tasks.untilStall(wait)
	if !w.intake.gate.Held() && !w.membership.Rests() { // else timers have to wait too
		wait = w.tasks.until(wait, w.config.Clock.Now())
	}
	wait = w.membership.UntilRested(w.intake.gate.UntilDue(wait))
	if w.agenda.schedule.Taken() == 0 || w.intake.gate.Held() {
		return max(0, wait)
	}
	return max(0, w.agenda.until(wait))
}

// Dirty reports whether any task has something to check in.
func (w *Worker) Dirty() bool { return w.tasks.dirty() || w.checkpoints.overlap.runs() }

// Stores returns the stores of a name, one of each task that has it, for tests.
func (w *Worker) Stores(name string) []state.Store {
	var stores []state.Store
	for _, t := range w.tasks.all() {
		if s, ok := t.stores.Named(name); ok {
			stores = append(stores, s)
		}
	}
	return stores
}

// Close checkpoints, closes all tasks and the connections.
func (w *Worker) Close(ctx context.Context) error {
	err := w.Checkpoint(ctx)
	if refused.Is(err) {
		err = w.searchOn(ctx, err)
	}
	whole := err == nil
	if whole {
		whole, err = w.finishLastCommits(ctx)
	}
	if whole {
		w.claims.close(ctx, w.tasks.all())
	}
	switch {
	case w.tasks.damage() != nil:
		w.config.Logger.Warn("the last checkpoint was not made, because state is damaged; what it held is processed again by the next owner", "error", err)
		err = nil
	case refused.IsHopeless(err):
		err = refused.Hopeless(err, w.plan, w.delivery.NodeOf)
	case gate.IsPressure(err), gate.IsOutage(err), isTryAgain(err), errors.Is(err, membership.ErrTasksLost), errors.Is(err, broker.ErrAborted), errors.Is(err, weir.ErrFenced):
		w.config.Logger.Warn("the last checkpoint was not made; what it held is processed again by the next owner", "error", err)
		err = nil
	case errors.Is(err, broker.ErrUndecided):
		w.config.Logger.Warn("it is not known whether the last checkpoint was made; the next owner finds out", "error", err)
		err = nil
	}
	return errors.Join(err, w.abandon(true))
}

// Hurry bounds the step that is under way, for a job that waits for its end: if the step still waits for the cluster when
// RevokeTimeout is over it gives up and goes back to the last checkpoint. The returned function is called when the step has
// ended. Any goroutine may call Hurry.
func (w *Worker) Hurry() (ended func()) { return w.hurry.Hurry() }

// Abandon closes everything without a checkpoint.
func (w *Worker) Abandon() error { return w.abandon(false) }

func (w *Worker) abandon(sync bool) error {
	stopFeeds(w.tasks.all())
	var failed []error
	for _, t := range w.tasks.all() {
		failed = append(failed, w.closeTask(t, sync))
	}
	w.delivery.Drop()
	w.hurry.Close()
	failed = append(failed, w.refusals.failures.reread.Close(), w.intake.fetcher.Close(), w.delivery.Close())
	w.status.publish(w.tasks)
	return errors.Join(failed...)
}

// haltedWait is how long a worker that has had enough waits before it looks for jobs, which do not wake it.
const haltedWait = 10 * time.Millisecond

// stepHalted makes a checkpoint, as enough outputs were made, or waits. It processes nothing.
func (w *Worker) stepHalted(ctx context.Context, wait time.Duration) (worked bool, err error) {
	switch {
	case w.intake.gate.Held():
		if err := w.tryAgain(ctx); err != nil {
			return true, err
		}
	case w.Dirty() && !w.membership.Rests():
		return true, w.Checkpoint(ctx)
	}
	return false, pause(ctx, wait)
}

// pause waits without processing anything.
func pause(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(min(wait, haltedWait))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
