package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/console"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/internal/engine/assignment"
	"github.com/weirstreams/weir/internal/engine/globaltable"
	"github.com/weirstreams/weir/internal/engine/outbox"
	"github.com/weirstreams/weir/internal/engine/provision"
	"github.com/weirstreams/weir/internal/engine/serving"
	"github.com/weirstreams/weir/internal/errorpolicy"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/stream"
)

// App runs a topology as one member of a consumer group.
type App struct {
	config    Config
	plan      *graph.Plan
	inventory stream.Inventory

	used  atomic.Bool
	state atomic.Int32
	// workers is set once, when they run.
	workers atomic.Pointer[[]*worker]
	// globals is set once, if there are global tables.
	globals atomic.Pointer[globaltable.Tables]
	// idleLimit is how long no record may come, or 0; outputs is nil if any number of them is fine. RunUntil sets both.
	idleLimit time.Duration
	outputs   *outbox.Limit
	// untilSources ends the run when all sources are at their ends.
	untilSources bool
	// hooks and meter are set while Run runs. meter is nil without Config.MeterProvider.
	hooks *hooks
	meter *meter
	// databases and cluster are set once, when they are open.
	databases atomic.Pointer[databases]
	cluster   atomic.Pointer[broker.Cluster]
	// failure is the error of Run, if it has returned one.
	failure atomic.Pointer[error]
	pauses  pauses
	// recent has the last events, and watchedUntil is when workers stop to count for Inspect, in nanoseconds since 1970.
	recent       recent
	watchedUntil atomic.Int64
	drain        drain
	// stores are those of the group, for package query.
	stores *serving.Stores
	// settling are the jobs that watchLimits has given to workers.
	settling sync.WaitGroup
}

// New returns an App that is ready to Run. It checks the topology and the configuration, and talks to nobody. The error
// is a weir.ErrConfiguration, and a *stream.ValidationError if the topology is at fault.
func New(topology *stream.Topology, config Config) (*App, error) {
	if err := topology.Validate(); err != nil {
		return nil, err
	}
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	plan := graph.NewPlan(topology.Graph(), config.Group)
	plan.SetNames(config.Prefix, config.topicName)
	if errorpolicy.WritesLetters(config.Errors) {
		plan.DeadLetters = config.topicName(errorpolicy.Topic(config.Errors, config.Group))
	}
	return &App{
		config: config, plan: plan, inventory: topology.Inventory(), drain: newDrain(), stores: serving.NewStores(plan, config.Membership.Endpoint),
	}, nil
}

func init() {
	serving.Of = func(app any) *serving.Stores { return app.(*App).stores }
}

// Run joins the group and processes records until ctx ends, the process is told to stop (SIGINT or SIGTERM), or
// something fails. It then finishes the running records, checkpoints, and leaves the group. It can be called once.
//
// It returns nil if it was stopped, and otherwise the one error that ended it. Nothing since the last checkpoint counts after an
// error. It is a [*weir.ProcessingError] for a record that could not be processed. The causes that a program can test for
// with errors.Is are weir.ErrUnavailable, weir.ErrUnauthorized, weir.ErrFenced, weir.ErrUnknownTopic, weir.ErrTopicSettings,
// weir.ErrLostInput, weir.ErrLostState, weir.ErrNoOffset, weir.ErrCorruptState, weir.ErrDefinitionChanged, codec.ErrUnavailable and, if another process holds the state
// directory, weir.ErrLocked.
func (a *App) Run(ctx context.Context) error {
	if a.used.Swap(true) {
		return errors.New("run: an App runs once: make another one")
	}
	a.hooks = startHooks(a.config.Logger)
	defer a.hooks.stop()
	a.enter(Starting)
	defer close(a.drain.ended)
	defer a.enter(Stopped)
	if !a.config.IgnoreSignals {
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
		context.AfterFunc(ctx, stop) // a second signal ends the process
	}
	err := a.run(ctx)
	if State(a.state.Load()) == Starting && ctx.Err() != nil &&
		(errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)) || errors.Is(err, weir.ErrUnavailable)) {
		return nil // stopped while it was starting
	}
	if err != nil {
		a.failure.Store(&err)
	}
	return err
}

// open connects to the cluster. Config.Topics.Admin makes topics there, if it is set.
func (a *App) open(ctx context.Context) (broker.Cluster, error) {
	cluster, err := a.connect(ctx)
	if admin := a.config.Topics.Admin; err == nil && admin != nil {
		return administered{cluster, admin}, nil
	}
	return cluster, err
}

// connect connects to the cluster, and waits for it as long as Config.BrokerTimeout allows.
func (a *App) connect(ctx context.Context) (broker.Cluster, error) {
	cluster, err := saramabroker.Open(ctx, saramabroker.Config{
		Brokers: a.config.Connection.Brokers, ClientID: a.plan.Group, OpenTimeout: a.config.BrokerTimeout,
		Logger: a.config.Logger, Tune: a.config.tune,
	})
	if errors.Is(err, weir.ErrUnavailable) && ctx.Err() == nil {
		err = fmt.Errorf("no broker has answered within Config.BrokerTimeout (%v): %w", a.config.BrokerTimeout, err)
	}
	return cluster, err
}

func (a *App) topicOptions() provision.Options {
	return provision.Options{
		Create: a.config.Topics.Create, Replication: a.config.Topics.Replication, MaxRecordBytes: a.config.Topics.MaxRecordBytes,
		DeadLetters: a.config.Errors.DeadLetters, Partly: a.config.Topics.Admin != nil, Logger: a.config.Logger,
	}
}

func (a *App) run(ctx context.Context) (err error) {
	log := a.config.Logger
	cluster, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer a.close("the connection to the cluster", &err, cluster.Close)
	a.cluster.Store(&cluster)
	if a.meter, err = a.newMeter(); err != nil {
		return err
	}
	defer a.close("metrics", &err, a.meter.stop)

	starting, started := a.whileReachable(ctx, cluster)
	defer started()
	options := a.topicOptions()
	options.Patience = topicPatience
	upgrade := &upgrade{app: a, cluster: patientCluster{cluster}}
	options.Review, options.Approved = upgrade.review, upgrade.approved
	if err := a.awaitTopics(starting); err != nil {
		return err
	}
	topics, err := provision.Prepare(starting, patientCluster{cluster}, a.plan, options)
	if err != nil {
		return err
	}
	a.stores.Begin(topics.Partitions)
	state, err := a.openState(starting)
	if err != nil {
		return err
	}
	defer a.close("state", &err, state.close)
	a.databases.Store(state)

	if err := a.fenceFormer(starting, cluster, state); err != nil {
		return err
	}
	tables, err := a.startGlobals(starting, cluster, topics.Partitions)
	if err != nil {
		return err
	}
	defer func() { _ = tables.stop() }() // supervise has told why it ended
	closeSinks, err := a.plan.Graph.ConnectExternals(ctx)
	defer a.close("sinks", &err, func() error {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
		defer cancel()
		return errors.Join(closeSinks(bounded)...)
	})
	if err != nil {
		return err
	}
	group, err := patiently(starting, func() (broker.Group, error) {
		return cluster.NewGroup(broker.GroupConfig{
			Group: a.plan.Group, Topics: a.plan.Units(), InstanceID: a.config.Membership.InstanceID, Warm: state.warm, Fingerprint: a.inventory.Fingerprint(),
			Endpoint: a.config.Membership.Endpoint, OnOwners: a.stores.Assigned,
			SessionTimeout: a.config.Membership.SessionTimeout, RebalanceTimeout: a.config.Membership.RebalanceTimeout,
		})
	})
	if err != nil {
		return err
	}
	started() // supervise looks after the cluster from now on
	// The work goes on after ctx has ended, until it is finished or ShutdownTimeout is over.
	work, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer giveUp(nil)

	defer console.Start(a.plan.Graph.Tables)()
	purging, stopPurging := context.WithCancel(work)
	purger := startPurger(purging, cluster, log)
	defer func() {
		stopPurging()
		<-purger.done
	}()
	workers, err := a.startWorkers(work, cluster, group, state, tables, topics, purger, upgrade)
	if err == nil {
		a.workers.Store(&workers)
		// A killed member keeps its partitions for the session timeout, and nothing else is logged meanwhile.
		log.Info("joining the group", "group", a.plan.Group, "workers", len(workers), "topics", a.plan.InputTopics(), "session_timeout", a.config.Membership.SessionTimeout)
		err = a.supervise(ctx, work, giveUp, cluster, group, workers, tables)
	}
	a.enter(Stopping)
	deadline := time.AfterFunc(a.config.ShutdownTimeout, func() {
		giveUp(fmt.Errorf("stop: not finished within ShutdownTimeout (%v)", a.config.ShutdownTimeout))
	})
	defer deadline.Stop()
	if err != nil {
		giveUp(err) // functions that still run need not finish
	}
	for _, w := range workers {
		w.stop(err == nil)
	}
	for _, w := range workers {
		if stopErr := w.wait(); err == nil {
			err = stopErr
		}
	}
	a.settling.Wait()
	if work.Err() != nil && errors.Is(err, context.Canceled) {
		err = context.Cause(work) // says why it was given up
	}
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	if failed := group.Leave(leave); failed != nil { // everything is committed or given up by now, so that is no failure
		log.Warn("could not leave the group, which waits for the session to end", "timeout", a.config.Membership.SessionTimeout, "error", failed)
	}
	if err == nil {
		log.Info("stopped", "group", a.plan.Group)
	}
	return err
}

// topicPatience is how long a topic of the user may be unknown to the cluster.
const topicPatience = 2 * time.Second

// leaveTimeout bounds optional work at the end: the group notices a member that is gone anyway.
const leaveTimeout = 5 * time.Second

// close closes something at the end of run. Its error is the result only if there was none before, and is logged
// otherwise.
func (a *App) close(what string, result *error, f func() error) {
	err := f()
	switch {
	case err == nil:
	case *result == nil:
		*result = fmt.Errorf("close %s: %w", what, err)
	default:
		a.config.Logger.Warn("closing failed", "what", what, "error", err)
	}
}

// supervise hands the events of the group to the workers until ctx ends, which is no error, or something fails. It gives
// up work if the cluster is away for too long: workers may wait for it.
func (a *App) supervise(
	ctx, work context.Context, giveUp context.CancelCauseFunc, cluster broker.Cluster, group broker.Group, workers []*worker, tables *globals,
) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var watcher sync.WaitGroup
	defer watcher.Wait()
	defer cancel(nil)
	watcher.Go(func() {
		if err := a.watchBrokers(ctx, cluster); err != nil {
			giveUp(err)
			cancel(err)
		}
	})
	watcher.Go(func() {
		select {
		case <-tables.failed():
			cancel(tables.err)
		case <-ctx.Done():
		}
	})
	watcher.Go(func() { a.watchLimits(ctx, work, cluster, workers, func() { cancel(nil) }) })
	watcher.Go(func() { a.watchDrain(ctx, work, cluster, workers, func() { cancel(nil) }) })
	for _, w := range workers {
		go func() {
			<-w.done
			if w.err != nil {
				cancel(w.err)
			}
		}()
	}
	tick := time.NewTicker(progressInterval)
	defer tick.Stop()
	progress := newProgress(a.config.Logger)
	assignment := assignment.New(a.plan, len(workers), func(jobs map[int]func(*engine.Worker) error) error {
		return each(workers, jobs)
	})
	for ctx.Err() == nil {
		event, err := group.Poll(ctx, time.Second)
		if event == nil && ctx.Err() != nil {
			break
		}
		if err != nil {
			return err // which names the group
		}
		if event != nil {
			a.config.Logger.Info("partitions "+event.Kind.String(), "partitions", event.Partitions)
			began := time.Now()
			err := assignment.Handle(work, event)
			a.rebalanced(event, time.Since(began), err)
			if err != nil {
				return err
			}
			if event.Kind == broker.Assigned && State(a.state.Load()) == Starting {
				a.enter(Running)
				a.config.Logger.Info("running", "group", a.plan.Group)
			}
		}
		select {
		case <-tick.C:
			progress.report(a.Status())
		default:
		}
	}
	if work.Err() != nil {
		return context.Cause(work)
	}
	select {
	case <-tables.failed():
		return tables.err
	default:
	}
	for _, w := range workers {
		select {
		case <-w.done:
			if w.err != nil {
				return w.err
			}
		default:
		}
	}
	return nil
}

// whileReachable returns a context that ends with ctx, or when the whole cluster has been out of reach for too long. The
// returned function ends it in any case, and may be called again.
func (a *App) whileReachable(ctx context.Context, cluster broker.Cluster) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		if err := a.watchBrokers(ctx, cluster); err != nil {
			cancel(err)
		}
	})
	return ctx, func() {
		cancel(nil)
		watcher.Wait()
	}
}

// watchBrokers returns an error when the whole cluster has been out of reach for too long, and nil when ctx ends.
func (a *App) watchBrokers(ctx context.Context, cluster broker.Cluster) error {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		if err := a.checkReachable(cluster); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// watchInterval is how often somebody looks whether brokers answer.
const watchInterval = 500 * time.Millisecond

// checkReachable returns an error if the whole cluster has been out of reach for too long.
func (a *App) checkReachable(cluster broker.Cluster) error {
	since, out := cluster.Unreachable()
	if limit := a.config.BrokerTimeout; !out || limit < 0 || time.Since(since) < limit {
		return nil
	}
	return fmt.Errorf("%w for %v, which is longer than Config.BrokerTimeout allows", weir.ErrUnavailable, time.Since(since).Round(time.Second))
}

// startWorkers starts the workers. Those that it returns have to be stopped even if there is an error.
func (a *App) startWorkers(
	work context.Context, cluster broker.Cluster, group broker.Group, state *databases, tables *globals, topics *provision.Topics, purger *purger,
	upgrade *upgrade,
) ([]*worker, error) {
	config := engine.Config{
		ExactlyOnce:        a.config.Guarantee == ExactlyOnce,
		RevokeTimeout:      a.config.Membership.RebalanceTimeout / 2,
		LostInput:          engine.LostInput(a.config.Topics.OnLostInput),
		CheckpointInterval: a.config.Checkpoint.Interval,
		CheckpointRecords:  a.config.Checkpoint.Records,
		CheckpointBytes:    a.config.Checkpoint.Bytes,
		CacheBytes:         a.cacheBytes(topics.Partitions),
		IdleTimeout:        a.config.IdleTimeout,
		MaxBufferedRecords: a.config.Buffers.MaxRecords,
		MaxBufferedBytes:   a.config.Buffers.MaxBytes,
		AlignTimeout:       a.config.Buffers.AlignTimeout,
		CodecTimeout:       a.config.CodecTimeout,
		OffsetReset:        engine.OffsetReset(a.config.Topics.OffsetReset),
		Errors:             a.config.Errors,
		Globals:            tables.tables(),
		OnProcessed:        a.config.OnProcessed,
		Pauses:             &a.pauses.parts,
		Served:             a.stores.Tasks,
		Tracing:            a.config.Tracing.settings(a.plan.Group),
		Outputs:            a.outputs,
		OnReformat:         upgrade.reformat,
		OnFailure:          a.recent.failure,
		OnDropped:          a.recent.dropped,
		Watched:            a.watched,
		OpenBackend:        state.open,
		DestroyBackend:     state.destroy,
		PurgeInterval:      a.config.Topics.PurgeInterval,
		CreateTopics:       a.config.Topics.Create,
		Replication:        a.config.Topics.Replication,
		Compressed:         a.config.Topics.Compression != "" && a.config.Topics.Compression != "none",
		Linger:             linger,
		Clock:              clock.System,
		Logger:             a.config.Logger,
	}
	if !a.config.Topics.KeepProcessed {
		config.Purge = purger.add
	}
	var workers []*worker
	for i := range a.config.Workers {
		fetcher, err := cluster.NewFetcher(broker.FetcherConfig{OnError: a.onConsumer()})
		if err != nil {
			return workers, err
		}
		meter := a.meter.of(i)
		config := config
		a.listen(&config, i, meter)
		newProducer := func() (broker.Producer, error) {
			return broker.NewFencedProducer(work, cluster, broker.ProducerConfig{
				Compression:        a.config.Topics.Compression,
				DeliveryTimeout:    broker.DeliveryTimeout(a.config.BrokerTimeout),
				TransactionalID:    a.transactionalID(state, i),
				Group:              a.plan.Group,
				TransactionTimeout: a.config.Checkpoint.TransactionTimeout,
				OnAcknowledged:     meter.onAcknowledged(),
				OnError:            a.onProducer(),
			})
		}
		producer, err := newProducer()
		if err != nil {
			return workers, errors.Join(err, fetcher.Close())
		}
		w := engine.NewWorker(config, a.plan, engine.Connections{
			Cluster: patientCluster{cluster}, Fetcher: fetcher, Producer: producer, Group: group, NewProducer: newProducer,
		}, topics)
		workers = append(workers, startWorker(work, w, fetcher.Wake))
	}
	return workers, nil
}

// linger is how long output waits for more while there is more to process.
const linger = 50 * time.Millisecond

// minCacheBytes is the least cache of one store of one task.
const minCacheBytes = 1 << 20

// cacheBytes returns the share of CacheBytes of one store of one task, if this process ran all tasks.
func (a *App) cacheBytes(partitions map[string]int32) int64 {
	var stores int64
	for _, part := range a.plan.SubTopologies {
		for _, s := range part.Stores {
			n := partitions[s.Changelog]
			if s.Changelog == "" {
				for _, source := range part.Sources {
					n = max(n, partitions[a.plan.Topic(source)])
				}
			}
			stores += int64(n)
		}
	}
	return max(minCacheBytes, a.config.State.CacheBytes/max(1, stores))
}
