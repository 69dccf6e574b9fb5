package testkit

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/weirstreams/weir"
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
	tb.Cleanup(func() {
		if d.failed == nil {
			d.stop()
		} else {
			d.abandon()
		}
	})
	d.start()
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

// Advance moves the clock, and lets due events happen: timers, windows that close with IdleTimeout, retries, calls and sinks that have asked
// for time. Of windows behind windows, each stage closes with an Advance of its own: event time goes on by one IdleTimeout
// after the results of the stage before.
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
