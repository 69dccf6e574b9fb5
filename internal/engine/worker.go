package engine

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/eventtime"
	"github.com/weirstreams/weir/internal/engine/gate"
	"github.com/weirstreams/weir/internal/engine/hurry"
	"github.com/weirstreams/weir/internal/engine/letters"
	"github.com/weirstreams/weir/internal/engine/membership"
	"github.com/weirstreams/weir/internal/engine/outbox"
	"github.com/weirstreams/weir/internal/engine/progress"
	"github.com/weirstreams/weir/internal/engine/provision"
	"github.com/weirstreams/weir/internal/engine/refused"
	"github.com/weirstreams/weir/internal/engine/reread"
	"github.com/weirstreams/weir/internal/engine/schedule"
	"github.com/weirstreams/weir/internal/engine/sinks"
	"github.com/weirstreams/weir/internal/errorpolicy"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
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
	group    broker.Group
	delivery *outbox.Delivery
	outputs  *outputs
	observer observer
	// topics are those of the plan.
	topics  *provision.Topics
	history *progress.History

	tasks *taskSet
	// rebuilt counts the databases that were deleted because they were damaged.
	rebuilt    map[TaskID]int64
	membership *membership.Watch
	// claiming is set while tasks wait to be claimed, strangers while tasks are to be opened anew because others have
	// written to their changelogs. looked is when the worker last looked for such.
	claiming, strangers bool
	sinks               *sinks.Committer
	// starting is set while tasks have positions to commit before they process anything.
	starting bool
	// unstarted is set while the start of restored tasks was given up, and is to be tried again.
	unstarted bool
	looked    time.Time
	// comparedIDs is when the worker last compared the ids of topics.
	comparedIDs time.Time
	// replaced are the partitions of topics that were made anew while a task read them, until it is committed where the task goes
	// on with the new topic.
	replaced map[broker.TopicPartition]error
	// current is the batch that is being processed.
	current batchInWork
	gate    *gate.Gate
	// polls counts the calls of the fetcher, quiet is the count of the last that brought nothing.
	polls, quiet int
	// route maps fetched partitions to their tasks: inputs of running tasks and changelogs of others.
	route map[broker.TopicPartition]*task

	schedule *schedule.Schedule
	// search seeks the record with output that the cluster refuses.
	search   refused.Search
	failures failures
	trace    feedTrace
	purger   progress.Purger

	hurry *hurry.Limit

	dozing atomic.Bool // set while the worker may wait for records

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
	config.MaxBufferedRecords = cmp.Or(config.MaxBufferedRecords, defaultBufferedRecords)
	config.MaxBufferedBytes = cmp.Or(config.MaxBufferedBytes, defaultBufferedBytes)
	config.MaxLoadBytes = cmp.Or(config.MaxLoadBytes, defaultMaxLoadBytes)
	config.MinLoadBytes = cmp.Or(config.MinLoadBytes, defaultMinLoadBytes)
	config.PurgeInterval = cmp.Or(config.PurgeInterval, defaultPurgeInterval)
	config.LoadRecords = cmp.Or(config.LoadRecords, defaultLoadRecords)
	w := &Worker{
		config: config, plan: plan, cluster: c.Cluster, fetcher: c.Fetcher, group: c.Group,
		topics: topics, history: &progress.History{Cluster: c.Cluster, Plan: plan, Partitions: topics.Partitions},
		replaced: map[broker.TopicPartition]error{},
		tasks:    &taskSet{byID: map[TaskID]*task{}}, rebuilt: map[TaskID]int64{}, gate: gate.New(config.Clock, config.Logger), hurry: hurry.NewLimit(config.RevokeTimeout, config.AfterFunc), membership: membership.New(config.Clock), route: map[broker.TopicPartition]*task{},
		sinks:    sinks.NewCommitter(sinks.Config{Clock: config.Clock, Sequential: config.Sequential, Later: config.CommitLater}),
		schedule: schedule.New(config.Clock, config.CheckpointInterval, config.CheckpointRecords), looked: now, comparedIDs: now, observer: observer{limit: config.Outputs, onProcessed: config.OnProcessed},
	}
	w.purger = progress.Purger{
		Clock: config.Clock, Interval: config.PurgeInterval, Purge: config.Purge, Last: now,
		Internal: func(topic string) bool { return topics.Limits[topic].Internal },
	}
	w.status.use(c.Producer)
	out := outbox.New(c.Producer, topics, config.Compressed, w.hurry.Current)
	w.delivery = outbox.NewDelivery(out, outbox.DeliveryConfig{
		NewProducer: c.NewProducer, OnReplaced: w.status.use, Linger: config.Linger, Clock: config.Clock, Logger: config.Logger,
	})
	w.failures = failures{
		policy: errorpolicy.New(config.Errors, plan.Prefix), logger: config.Logger,
		reread: reread.Reader{NewFetcher: func() (broker.Fetcher, error) { return c.Cluster.NewFetcher(broker.FetcherConfig{}) }},
	}
	if options, some := w.failures.policy.Letters(); some {
		w.failures.letters = letters.New(letters.Config{
			Topic: plan.DeadLetters, Group: plan.Group, Options: options, Outbox: out, Clock: config.Clock, Uncommitted: w.schedule.Uncommitted,
		})
	}
	dynamic := &outbox.Dynamic{
		Outbox: out, Cluster: c.Cluster, Prefix: plan.Prefix, Inputs: plan.InputTopics(), DeadLetters: plan.DeadLetters, Create: config.CreateTopics,
		Partitions: config.Partitions, Replication: config.Replication, Clock: config.Clock, Logger: config.Logger,
	}
	w.outputs = &outputs{
		config: &w.config, plan: plan, outbox: out, dynamic: dynamic, partitions: topics.Partitions, repartitions: eventtime.Repartitions(plan),
	}
	return w
}

// Step does one piece of work, or waits for at most wait for some to come: it processes some records, and checkpoints if
// it is time. It reports whether it has processed anything. Fetcher.Wake ends the waiting.
func (w *Worker) Step(ctx context.Context, wait time.Duration) (worked bool, err error) {
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
	if w.observer.halts() {
		return w.stepHalted(ctx, wait)
	}
	for _, due := range []func(context.Context) error{w.endRest, w.startRestored, w.claimTasks, w.commitStarts, w.commitPrepared, w.lookForStrangers, w.lookForReplaced} {
		if err := due(ctx); err != nil {
			return false, err
		}
	}
	if w.search.Single() && w.schedule.Uncommitted() == 0 && w.Dirty() {
		if err := w.Checkpoint(ctx); err != nil { // what no record has caused
			return true, err
		}
	}
	w.dozing.Store(true) // before the look at sources and calls, so that none is missed
	ready := w.mergeReady() || w.arrived()
	if wait = w.waitFor(wait); ready || w.delivery.Pending() > 0 {
		wait = 0 // output waits for more only while there is more
	}
	w.dozing.Store(wait > 0)
	if w.current.batch == nil || w.heldBack() {
		batch, err := w.poll(ctx, wait)
		w.dozing.Store(false)
		if err != nil {
			return true, w.explain(ctx, err)
		}
		worked = batch != nil
		if err := w.take(ctx, batch); err != nil {
			return worked, err
		}
	}
	if w.arrived() {
		worked = true
		if err := w.handOnArrived(); err != nil {
			return true, err
		}
	}
	switch {
	case w.heldBack():
		return worked, w.tryAgain(ctx)
	case w.current.batch != nil:
		worked = true
		err = w.processHeld(ctx)
	case !worked && !ready:
		err = w.delivery.Send(ctx)
	}
	if err == nil {
		var merged bool
		merged, err = w.mergeAll(ctx)
		worked = worked || merged
	}
	alone := w.search.Single() && w.schedule.Uncommitted() > 0 // then the checkpoint is that of one record
	if err == nil && !alone && !w.resting() {
		var fed bool
		fed, err = w.takeFeeds(ctx)
		worked = worked || fed
	}
	if err == nil && !alone {
		err = w.advanceIdle(ctx)
	}
	if err == nil && !alone && !w.resting() {
		err = w.ringClocks()
	}
	if err == nil && !worked && w.delivery.Pending() > 0 { // by what no record has caused
		worked, err = true, w.delivery.Send(ctx)
	}
	if err == nil && w.due() && !w.waitsForCalls() {
		err = w.Checkpoint(ctx)
	}
	if err == nil && w.purger.Due() {
		w.purger.Run(w.tasks.inputs())
	}
	return worked, err
}

// waitFor cuts a waiting time so that neither the next checkpoint, nor the end of a rest, nor a timer is late, and nobody waits
// for an input in vain.
func (w *Worker) waitFor(wait time.Duration) time.Duration {
	wait = w.untilStall(wait)
	if !w.heldBack() && !w.resting() { // else timers have to wait too
		wait = w.tasks.until(wait, w.config.Clock.Now())
	}
	wait = w.membership.UntilRested(w.gate.UntilDue(wait))
	if w.schedule.Taken() == 0 || w.heldBack() {
		return max(0, wait)
	}
	return max(0, w.untilCheckpoint(wait))
}

// due reports whether it is time for a checkpoint.
func (w *Worker) due() bool {
	if w.resting() {
		return false
	}
	if w.schedule.Taken() == 0 {
		return w.Dirty() && w.schedule.IntervalOver()
	}
	return w.schedule.IntervalOver() || w.pressing()
}

// pressing reports whether a checkpoint is due before its interval is over.
func (w *Worker) pressing() bool {
	if w.schedule.Taken() == 0 {
		return false
	}
	if w.schedule.RecordsOver(w.search.Limit()) || w.trace.left > 0 && w.trace.fed > 0 {
		return true
	}
	var dirty int64
	for _, t := range w.tasks.byID {
		if t.sinks.Full() || t.feedsFull() || t.parted {
			return true
		}
		dirty += t.stores.DirtyBytes()
	}
	return dirty >= w.config.CheckpointBytes
}

// Dirty reports whether any task has something to check in.
func (w *Worker) Dirty() bool { return w.tasks.dirty() }

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
		w.closeStandings(ctx, w.tasks.all())
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
	failed = append(failed, w.failures.reread.Close(), w.fetcher.Close(), w.delivery.Close())
	w.status.publish(w.tasks)
	return errors.Join(failed...)
}

// haltedWait is how long a worker that has had enough waits before it looks for jobs, which do not wake it.
const haltedWait = 10 * time.Millisecond

// stepHalted makes a checkpoint, as enough outputs were made, or waits. It processes nothing.
func (w *Worker) stepHalted(ctx context.Context, wait time.Duration) (worked bool, err error) {
	switch {
	case w.heldBack():
		if err := w.tryAgain(ctx); err != nil {
			return true, err
		}
	case w.Dirty() && !w.resting():
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
