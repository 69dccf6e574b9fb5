package testkit

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/console"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/internal/engine/assignment"
	"github.com/weirstreams/weir/internal/engine/globaltable"
	"github.com/weirstreams/weir/internal/engine/provision"
	"github.com/weirstreams/weir/internal/errorpolicy"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// Config configures a Driver. The zero value is right for most tests.
type Config struct {
	// Partitions is the number of partitions of every topic that does not ask for a number of its own. 0 means 1.
	Partitions int32
	// Workers is how many workers share the tasks. 0 means 1. They take turns; there are no goroutines.
	Workers int
	// Start is the first time of the clock. Only Advance moves the clock then, and records that are more than MaxFutureSkew
	// ahead of it are taken for those of a wrong clock by windows, states that expire and timers. The zero time means
	// 2026-01-01 UTC and a clock that follows the records: it never says less than the latest time, up to the year 2100, of the sent
	// records.
	Start time.Time
	// CheckpointInterval is the longest time between checkpoints. 0 means 5 s.
	CheckpointInterval time.Duration
	// CheckpointRecords is the greatest number of records between checkpoints. 0 means any number.
	CheckpointRecords int
	// ExactlyOnce makes checkpoints transactions. A checkpoint then follows each Send, so that output and
	// its consequences can be seen.
	ExactlyOnce bool
	// IdleTimeout is that of runtime.Config: Advance lets windows close.
	IdleTimeout time.Duration
	// Errors decides about records that cannot be processed, as in runtime.Config. The default is to end with an error. Dead letters
	// are read with Driver.DeadLetters.
	Errors weir.ErrorPolicy
}

// Driver runs one topology. It is used by one goroutine, that of the test.
type Driver struct {
	tb         testing.TB
	config     Config
	follow     bool // whether the clock follows the records that are sent
	plan       *graph.Plan
	clock      *clock.Virtual
	broker     *simbroker.Broker
	topics     *provision.Topics
	partitions map[string]int32 // of topics
	backends   map[string]state.Backend

	group      broker.Group
	globals    *globaltable.Tables
	workers    []*engine.Worker
	assignment *assignment.Assignment
	closeSinks func(context.Context) []error
	failed     error
	together   bool // whether records are only written
	reads      int  // how many reads of sources are left
	// screen shows the tables of the topology, by the clock of the test.
	screen *console.Screen
}

const (
	groupName = "test"
	// forever keeps the member in its group however far the clock is moved.
	forever = 100 * 365 * 24 * time.Hour
)

// New starts a topology. A mistake in it fails the test. The application is stopped when the test ends.
func New(tb testing.TB, topology *stream.Topology, config Config) *Driver {
	tb.Helper()
	d := &Driver{tb: tb, config: config, backends: map[string]state.Backend{}}
	if d.config.Partitions == 0 {
		d.config.Partitions = 1
	}
	if d.config.Workers == 0 {
		d.config.Workers = 1
	}
	if d.config.CheckpointInterval == 0 {
		d.config.CheckpointInterval = 5 * time.Second
	}
	if d.config.Start.IsZero() {
		d.follow = true
		d.config.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if err := topology.Validate(); err != nil {
		tb.Fatal(err)
	}
	errorpolicy.Check("Config.Errors", config.Errors, tb.Fatalf)
	d.plan = graph.NewPlan(topology.Graph(), groupName)
	if errorpolicy.WritesLetters(config.Errors) {
		d.plan.DeadLetters = errorpolicy.Topic(config.Errors, groupName)
	}
	d.clock = clock.NewVirtual(d.config.Start)
	d.screen = console.NewScreen(d.plan.Graph.Tables)
	d.broker = simbroker.New(d.clock)
	d.broker.DeliverOnSend = true
	d.createTopics()
	var err error
	d.topics, err = provision.Prepare(tb.Context(), d.broker, d.plan, provision.Options{DeadLetters: config.Errors.DeadLetters, Replication: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	d.partitions = d.topics.Partitions
	d.start()
	tb.Cleanup(func() {
		if d.failed == nil {
			d.stop()
		} else {
			d.abandon()
		}
	})
	return d
}

// createTopics makes the topics that the user declared, with the settings of their declaration: they refuse the records that Kafka would refuse.
func (d *Driver) createTopics() {
	d.tb.Helper()
	for _, n := range d.plan.Graph.Nodes {
		partitions, config, ok := n.Declared()
		if !ok {
			continue
		}
		if partitions == 0 {
			partitions = d.config.Partitions
		}
		spec := broker.TopicSpec{Name: d.plan.Topic(n), Partitions: partitions, Replication: -1, Config: config}
		if err := d.broker.CreateTopics(d.tb.Context(), spec); err != nil {
			d.tb.Fatal(err)
		}
	}
}

// start starts a process: it joins the group and opens the tasks.
func (d *Driver) start() {
	d.tb.Helper()
	config := engine.Config{
		ExactlyOnce:        d.config.ExactlyOnce,
		RevokeTimeout:      time.Minute,
		CheckpointInterval: d.config.CheckpointInterval,
		CheckpointRecords:  d.config.CheckpointRecords,
		CheckpointBytes:    64 << 20,
		CacheBytes:         1 << 20,
		IdleTimeout:        d.config.IdleTimeout,
		Errors:             d.config.Errors,
		OpenBackend: func(dir string) (state.Backend, error) {
			b := d.backends[dir]
			if b == nil {
				b = state.NewMemory()
				d.backends[dir] = b
			}
			return b, nil
		},
		DestroyBackend: func(dir string) error { delete(d.backends, dir); return nil },
		OnLate:         d.logLate,
		MayRead:        d.mayRead,
		CreateTopics:   true,
		Sequential:     true,
		Replication:    -1,
		Partitions:     d.config.Partitions,
		Clock:          d.clock,
		Logger:         slog.New(slog.NewTextHandler(logWriter{d.tb}, nil)),
	}
	d.startGlobals(&config)
	var err error
	d.group, err = d.broker.NewGroup(broker.GroupConfig{
		Group: groupName, Topics: d.plan.Units(), SessionTimeout: forever, RebalanceTimeout: forever,
		InstanceID: "testkit", // so that the next process takes over at once

	})
	if err != nil {
		d.tb.Fatal(err)
	}
	if d.closeSinks, err = d.plan.Graph.ConnectExternals(d.tb.Context()); err != nil {
		d.tb.Fatal(err)
	}
	d.workers = make([]*engine.Worker, d.config.Workers)
	for i := range d.workers {
		c := engine.Connections{Cluster: d.broker, Group: d.group}
		if c.Fetcher, err = d.broker.NewFetcher(broker.FetcherConfig{}); err != nil {
			d.tb.Fatal(err)
		}
		c.NewProducer = func() (broker.Producer, error) {
			if !d.config.ExactlyOnce {
				return d.broker.NewProducer(broker.ProducerConfig{})
			}
			return d.broker.NewProducer(broker.ProducerConfig{
				TransactionalID: fmt.Sprintf("%s-%d", groupName, i), TransactionTimeout: forever,
			})
		}
		if c.Producer, err = c.NewProducer(); err != nil {
			d.tb.Fatal(err)
		}
		d.workers[i] = engine.NewWorker(config, d.plan, c, d.topics)
	}
	d.assignment = assignment.New(d.plan, len(d.workers), func(jobs map[int]func(*engine.Worker) error) error {
		for i, w := range d.workers { // in order, to be deterministic
			if job := jobs[i]; job != nil {
				if err := job(w); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err := d.run(); err != nil {
		d.tb.Fatal(err)
	}
}

// startGlobals loads the global tables.
func (d *Driver) startGlobals(config *engine.Config) {
	d.tb.Helper()
	d.globals = nil
	if len(d.plan.Globals) == 0 {
		return
	}
	fetcher, err := d.broker.NewFetcher(broker.FetcherConfig{})
	if err != nil {
		d.tb.Fatal(err)
	}
	d.globals = globaltable.New(config.ForGlobals(d.plan, d.globalLetters()), d.plan, d.broker, fetcher, d.partitions)
	config.Globals = d.globals
	if err := d.globals.Begin(context.Background()); err != nil {
		d.tb.Fatal(err)
	}
	if _, err := d.readGlobals(); err != nil {
		d.tb.Fatal(err)
	}
}

// globalLetters returns the writer of the dead letters of global tables, or nil if there is no topic for them.
func (d *Driver) globalLetters() globaltable.LetterWriter {
	if d.plan.DeadLetters == "" {
		return nil
	}
	return &globaltable.Letters{
		Topic: d.plan.DeadLetters, Group: groupName, Spring: d.config.Errors.DeadLetters.SpringHeaders, Cluster: d.broker, Clock: d.clock,
		NewProducer: func() (broker.Producer, error) { return d.broker.NewProducer(broker.ProducerConfig{}) },
	}
}

// readGlobals brings the global tables up to date, and reports whether anything was read.
func (d *Driver) readGlobals() (read bool, err error) {
	for worked := d.globals != nil; worked && err == nil; read = read || worked {
		worked, err = d.globals.Step(context.Background(), 0)
	}
	return read, err
}

// run works until there is nothing left to do. Global tables are brought up to date before each step of a worker. Within
// TryTogether it does nothing.
func (d *Driver) run() error {
	if d.failed != nil || d.together {
		return d.failed
	}
	defer func() { d.screen.Tick(d.clock.Now()) }()
	ctx := context.Background()
	for busy := true; busy; {
		busy = false
		event, err := d.group.Poll(ctx, 0)
		if err == nil && event != nil {
			busy = true
			err = d.assignment.Handle(ctx, event)
		}
		for _, w := range d.workers {
			if err == nil {
				var read bool
				read, err = d.readGlobals()
				busy = busy || read
			}
			if err == nil {
				var worked bool
				worked, err = w.Step(ctx, 0)
				busy = busy || worked
			}
		}
		if !busy && err == nil {
			busy, err = d.land(ctx)
		}
		if !busy && err == nil && d.config.ExactlyOnce {
			busy, err = d.commit(ctx)
		}
		if err != nil {
			d.failed = err
			return err
		}
	}
	return nil
}

// land waits for the calls of asynchronous operators, and reports whether there was one.
func (d *Driver) land(ctx context.Context) (landed bool, err error) {
	for _, w := range d.workers {
		if err == nil {
			var some bool
			some, err = w.Land(ctx)
			landed = landed || some
		}
	}
	return landed, err
}

// commit checkpoints the workers that have something to check in, and reports whether there was one.
func (d *Driver) commit(ctx context.Context) (committed bool, err error) {
	for _, w := range d.workers {
		if err == nil && w.Dirty() {
			var made bool
			made, err = w.TryCheckpoint(ctx)
			committed = committed || made
		}
	}
	return committed, err
}

// stop ends the process gracefully.
func (d *Driver) stop() {
	d.tb.Helper()
	defer func() { d.screen.Flush(d.clock.Now()) }()
	ctx := context.Background()
	for _, w := range d.workers {
		if err := w.Close(ctx); err != nil {
			d.tb.Errorf("stop: %v", err)
		}
	}
	if err := d.group.Leave(ctx); err != nil {
		d.tb.Errorf("stop: %v", err)
	}
	for _, err := range d.closeSinks(ctx) {
		d.tb.Errorf("stop: %v", err)
	}
	d.closeGlobals()
}

// abandon ends the process as a crash does.
func (d *Driver) abandon() {
	d.tb.Helper()
	for _, w := range d.workers {
		if err := w.Abandon(); err != nil {
			d.tb.Errorf("crash: %v", err)
		}
	}
	d.broker.Kill(d.group)
	for _, err := range d.closeSinks(context.Background()) {
		d.tb.Errorf("crash: %v", err)
	}
	d.closeGlobals()
}

func (d *Driver) closeGlobals() {
	d.tb.Helper()
	if d.globals == nil {
		return
	}
	if err := d.globals.Close(); err != nil {
		d.tb.Errorf("close global tables: %v", err)
	}
}

// Restart stops the application as a deployment does, after a checkpoint, and starts it with the state that it left.
func (d *Driver) Restart() {
	d.tb.Helper()
	d.stop()
	d.start()
}

// Loss chooses the loss of a crash.
type Loss bool

const (
	// KeepState leaves the state directory as the last checkpoint left it.
	KeepState Loss = false
	// LoseState takes the state directory too: everything is restored from the changelogs.
	LoseState Loss = true
)

// Crash ends the application without a checkpoint, as kill -9 does, and starts it anew. Records since the
// last checkpoint are processed again: output appears twice. A Driver that has failed goes on.
func (d *Driver) Crash(loss Loss) {
	d.tb.Helper()
	d.abandon()
	d.failed = nil
	if loss == LoseState {
		clear(d.backends)
	}
	d.start()
}

// lastFollowed is the last time that the clock follows. Later ones are those of a broken clock, and the group of the driver
// would not outlive the leap.
var lastFollowed = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

// reach moves the clock to a time, if it says less.
func (d *Driver) reach(millis int64) {
	if at := time.UnixMilli(millis); at.After(d.clock.Now()) && !at.After(lastFollowed) {
		d.clock.Advance(at.Sub(d.clock.Now()))
	}
}

// logLate shows a record that an operator does not use because of its time, and that the test did not ask for with OnLate.
func (d *Driver) logLate(r operator.LateRecord) {
	d.tb.Helper()
	n := d.plan.Graph.Nodes[r.Node]
	d.tb.Logf("record dropped: topic %q partition %d offset %d: key %v, value %v, time %s (%d ms): %s (%s), store %q: %s",
		r.Origin.Topic, r.Origin.Partition, r.Origin.Offset, r.Key, r.Value, time.UnixMilli(r.Millis).UTC().Format(time.RFC3339Nano), r.Millis,
		n, n.Site, r.Store, r.Reason)
}

// Advance moves the clock, and lets due events happen.
func (d *Driver) Advance(by time.Duration) {
	d.tb.Helper()
	d.clock.Advance(by)
	if err := d.run(); err != nil {
		d.tb.Fatal(err)
	}
}

// Checkpoint checkpoints now.
func (d *Driver) Checkpoint() {
	d.tb.Helper()
	for _, w := range d.workers {
		if _, err := w.TryCheckpoint(context.Background()); err != nil {
			d.tb.Fatal(err)
		}
	}
}

// Now returns the time of the clock.
func (d *Driver) Now() time.Time { return d.clock.Now() }

// Task is the state of a task.
type Task struct {
	// Name is the stream id and the partition.
	Name string
	// Processed, Skipped, Late and NullKeys count records since the application was started: those that were read,
	// those that failed and were skipped, and those that a stateful operator could not use.
	Processed, Skipped, Late, NullKeys int64
	// Ignored is the number of messages that a codec passed over.
	Ignored int64
	// Restored is the number of changelog records that were applied.
	Restored int64
}

// Tasks returns the states of the tasks.
func (d *Driver) Tasks() []Task {
	var tasks []Task
	for _, w := range d.workers {
		for _, s := range w.Status() {
			tasks = append(tasks, Task{
				Name: s.Name, Processed: s.Processed, Skipped: s.Skipped, Late: s.Late, NullKeys: s.NullKeys, Restored: s.Restored, Ignored: s.Ignored,
			})
		}
	}
	return tasks
}

// Cell returns the state that a cell holds for a key, encoded with codec.For, and whether there is any.
func (d *Driver) Cell[S, K any](cell *store.CellHandle[S], key K) (S, bool) {
	d.tb.Helper()
	encoded, err := codec.For[K]().Append(nil, &codec.Context{Topic: cell.Name(), Part: codec.Key}, key)
	if err != nil {
		d.tb.Fatal(err)
	}
	for _, w := range d.workers {
		for _, s := range w.Stores(cell.Name()) {
			c, ok := s.(*state.Cell[S])
			if !ok {
				d.tb.Fatalf("store %q is a %T", cell.Name(), s)
			}
			if err := c.Place(encoded); err != nil {
				d.tb.Fatal(err)
			}
			if value, ok := c.Get(); ok {
				return value, true
			}
		}
	}
	var none S
	return none, false
}

// Topics returns the names of all topics, internal ones included, sorted.
func (d *Driver) Topics() []string { return d.broker.TopicNames() }

// logWriter sends the log to that of the test.
type logWriter struct{ tb testing.TB }

func (w logWriter) Write(line []byte) (int, error) {
	w.tb.Helper()
	w.tb.Log(string(bytes.TrimRight(line, "\n")))
	return len(line), nil
}
