// Package globaltable loads the global tables of a process and keeps them up to date.
package globaltable

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/engine/guard"
	"github.com/weirstreams/weir/internal/engine/offsets"
	"github.com/weirstreams/weir/internal/errorpolicy"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// Config are the settings of Globals.
type Config struct {
	Clock  clock.Clock
	Logger *slog.Logger
	// Policy decides about records that could not be made rows.
	Policy *errorpolicy.Policy
	// Letters writes dead letters. nil means that the policy has no topic for them.
	Letters LetterWriter
}

// Tables keeps the global tables of a process: it reads all partitions of their topics, committed records only, and the tasks
// of all workers look rows up at the same time.
//
// A process begins to work when Loaded says that the tables hold all that was in the topics when Begin was called.
//
// All methods but Table and Status are called by one goroutine. After an error Globals is of no more use: Close it.
type Tables struct {
	config  Config
	plan    *graph.Plan
	cluster broker.Cluster
	fetcher broker.Fetcher
	tables  []*table // in the order of declaration

	// heard is when the last batch came while the tables are loaded, or when the cluster was last asked why none does.
	heard time.Time
	// looked is when partitions that are new were last looked for.
	looked time.Time

	board board
}

// table is a global table and where its topic is read.
type table struct {
	node  *graph.Node
	topic string
	rows  operator.GlobalTable
	input operator.Input
	env   operator.Env
	log   *slog.Logger
	// partitions are in their order.
	partitions []partition
	loaded     bool
	gone       bool // the topic, as the log has said

	// batch are the records that are being made rows, and context is that of the step.
	batch   []broker.Record
	context context.Context

	began                            time.Time
	records, bytes, skipped, letters int64
}

type partition struct {
	// position is the next offset to read, end that of the topic as last seen, target that of the topic when reading began.
	position, end, target int64
}

// New returns the global tables of a plan. partitions holds the number of partitions of their
// topics. Globals closes the fetcher.
func New(config Config, plan *graph.Plan, cluster broker.Cluster, fetcher broker.Fetcher, partitions map[string]int32) *Tables {
	g := &Tables{config: config, plan: plan, cluster: cluster, fetcher: fetcher}
	for _, n := range plan.Globals {
		topic := plan.Topic(n)
		t := &table{node: n, topic: topic, rows: n.Global.New(), partitions: make([]partition, partitions[topic])}
		t.log = config.Logger.With(slog.String("global_table", topic))
		t.env = operator.Env{Logger: t.log, Now: config.Clock.Now, Origin: weir.Origin{Topic: topic}}
		if config.Policy.WatchesDrops() {
			t.env.OnDrop = func(d operator.DroppedRecord) error { return g.drop(t, d) }
		}
		t.input = t.rows.Input(&t.env, n.ID, topic)
		g.tables = append(g.tables, t)
	}
	return g
}

// Table returns the table of a node. Any goroutine may call it.
func (g *Tables) Table(n *graph.Node) operator.GlobalTable {
	return g.tables[slices.Index(g.plan.Globals, n)].rows
}

// Begin looks up where the topics begin and end, and starts reading.
func (g *Tables) Begin(ctx context.Context) error {
	now := g.config.Clock.Now()
	g.heard, g.looked = now, now
	defer g.publish()
	for _, t := range g.tables {
		t.env.Context, t.began = context.WithoutCancel(ctx), now
		tps := t.all()
		// The ends are not the high watermarks: records of open transactions are not waited for.
		earliest, ends, err := offsets.Bounds(ctx, g.cluster, tps...)
		if err != nil {
			return t.failed(err)
		}
		for i, tp := range tps {
			t.partitions[i] = partition{position: earliest[tp], end: ends[tp], target: ends[tp]}
			g.fetcher.Start(tp, earliest[tp])
		}
		t.log.Info("reading a global table", "partitions", len(tps), "remaining", t.remaining())
		t.check(now)
	}
	return nil
}

// Loaded reports whether all tables hold the records that were in the topics when reading began.
func (g *Tables) Loaded() bool {
	return !slices.ContainsFunc(g.tables, func(t *table) bool { return !t.loaded })
}

// Step reads a batch, or waits for at most wait for one to come, and reports whether there was one. Fetcher.Wake ends the
// waiting.
func (g *Tables) Step(ctx context.Context, wait time.Duration) (worked bool, err error) {
	defer g.publish()
	batch, err := g.fetcher.Poll(ctx, wait)
	var out *broker.OffsetOutOfRangeError
	var replaced *broker.TopicReplacedError
	switch {
	case ctx.Err() != nil:
		if batch != nil {
			batch.Release()
		}
		return false, context.Cause(ctx)
	case errors.As(err, &out):
		return true, g.outOfRange(out)
	case errors.As(err, &replaced):
		return true, g.tableOf(replaced.Topic).failed(fmt.Errorf("%w; start again to read it anew", err))
	case err != nil:
		return false, fmt.Errorf("global tables: %w", err)
	}
	if batch != nil {
		defer batch.Release()
		return true, g.apply(ctx, batch)
	}
	if now := g.config.Clock.Now(); !g.Loaded() && now.Sub(g.heard) >= endCheck {
		g.heard = now
		if err := g.askForEnds(ctx); err != nil {
			return false, err
		}
	}
	return false, g.lookForPartitions(ctx)
}

// tableOf returns the table that reads a topic.
func (g *Tables) tableOf(topic string) *table {
	return g.tables[slices.IndexFunc(g.tables, func(t *table) bool { return t.topic == topic })]
}

// apply makes rows of the records of a batch.
func (g *Tables) apply(ctx context.Context, b *broker.Batch) error {
	g.heard = g.config.Clock.Now()
	t := g.tableOf(b.Topic)
	t.env.Origin.Partition = b.Partition
	defer func() { t.batch, t.context = nil, nil }()
	for from, attempt := 0, 1; from < len(b.Records); {
		t.batch, t.context = b.Records[from:], ctx
		done, failure := g.process(t, b.Records[from:])
		if done > 0 {
			from, attempt = from+done, 1
		}
		if failure == nil {
			break
		}
		again, err := g.judge(ctx, t, &b.Records[from], failure, attempt)
		if err != nil {
			return err
		}
		if again {
			attempt++
			continue
		}
		t.skipped++
		from, attempt = from+1, 1
	}
	t.records += int64(len(b.Records))
	for i := range b.Records {
		t.bytes += int64(len(b.Records[i].Key) + len(b.Records[i].Value))
	}
	p := &t.partitions[b.Partition]
	p.position, p.end = b.NextOffset, b.EndOffset
	t.check(g.heard)
	return nil
}

// process makes rows of records until one fails, and returns how many it has done.
func (g *Tables) process(t *table, records []broker.Record) (done int, failure *weir.ProcessingError) {
	wrong := func(err error) *weir.ProcessingError { return t.node.Failure(t.env.Origin, err) }
	defer func() {
		if p := recover(); p != nil {
			failure = guard.Panicked(p, wrong)
		}
	}()
	for done = range records {
		r := &records[done]
		t.env.Origin.Offset, t.env.Origin.Size, t.env.Origin.LeaderEpoch = r.Offset, len(r.Value), r.LeaderEpoch
		if err := t.input.Process(&records[done]); err != nil {
			return done, wrong(err)
		}
	}
	return len(records), nil
}

// check notes when a table is loaded.
func (t *table) check(now time.Time) {
	if !t.loaded && t.remaining() == 0 {
		t.loaded = true
		t.log.Info("global table loaded", "rows", t.rows.Len(), "records", t.records, "bytes", t.bytes, "took", now.Sub(t.began))
	}
}

// all returns the partitions of the table's topic.
func (t *table) all() []broker.TopicPartition {
	tps := make([]broker.TopicPartition, len(t.partitions))
	for i := range tps {
		tps[i] = broker.TopicPartition{Topic: t.topic, Partition: int32(i)}
	}
	return tps
}

// remaining returns how many offsets are to be read until the table is loaded.
func (t *table) remaining() (n int64) {
	for _, p := range t.partitions {
		n += max(0, p.target-p.position)
	}
	return n
}

func (t *table) failed(err error) error {
	return fmt.Errorf("global table %q (%s): %w", t.topic, t.node.Site, err)
}

// Close ends reading. The tables stay.
func (g *Tables) Close() error {
	err := g.fetcher.Close()
	if g.config.Letters != nil {
		err = errors.Join(err, g.config.Letters.Close())
	}
	return err
}
