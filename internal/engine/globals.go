package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// Globals keeps the global tables of a process: it reads all partitions of their topics, committed records only, and the tasks
// of all workers look rows up at the same time.
//
// A process begins to work when Loaded says that the tables hold all that was in the topics when Begin was called.
//
// All methods but Table and Status are called by one goroutine. After an error Globals is of no more use: Close it.
type Globals struct {
	config  Config
	plan    *graph.Plan
	cluster broker.Cluster
	fetcher broker.Fetcher
	tables  []*globalTable // in the order of declaration

	// heard is when the last batch came while the tables are loaded, or when the cluster was last asked why none does.
	heard time.Time
	// looked is when partitions that are new were last looked for.
	looked time.Time

	board globalBoard
}

// globalTable is a global table and where its topic is read.
type globalTable struct {
	node  *graph.Node
	topic string
	rows  operator.GlobalTable
	input operator.Input
	env   operator.Env
	log   *slog.Logger
	// partitions are in their order.
	partitions []globalPartition
	loaded     bool
	gone       bool // the topic, as the log has said

	began                   time.Time
	records, bytes, skipped int64
}

type globalPartition struct {
	// position is the next offset to read, end that of the topic as last seen, target that of the topic when reading began.
	position, end, target int64
}

// newPartitionsInterval is how often partitions are looked for that the topics of global tables have got.
const newPartitionsInterval = time.Minute

// NewGlobals returns the global tables of a plan. partitions holds the number of partitions of their
// topics. Globals closes the fetcher.
func NewGlobals(config Config, plan *graph.Plan, cluster broker.Cluster, fetcher broker.Fetcher, partitions map[string]int32) *Globals {
	g := &Globals{config: config, plan: plan, cluster: cluster, fetcher: fetcher}
	for _, n := range plan.Globals {
		topic := plan.Topic(n)
		t := &globalTable{node: n, topic: topic, rows: n.Global.New(), partitions: make([]globalPartition, partitions[topic])}
		t.log = config.Logger.With(slog.String("global_table", topic))
		t.env = operator.Env{Logger: t.log, Now: config.Clock.Now, Origin: weir.Origin{Topic: topic}}
		t.input = t.rows.Input(&t.env, n.ID, topic)
		g.tables = append(g.tables, t)
	}
	return g
}

// Table returns the table of a node. Any goroutine may call it.
func (g *Globals) Table(n *graph.Node) operator.GlobalTable {
	return g.tables[slices.Index(g.plan.Globals, n)].rows
}

// Begin looks up where the topics begin and end, and starts reading.
func (g *Globals) Begin(ctx context.Context) error {
	now := g.config.Clock.Now()
	g.heard, g.looked = now, now
	defer g.publish()
	for _, t := range g.tables {
		t.env.Context, t.began = context.WithoutCancel(ctx), now
		tps := t.all()
		earliest, err := g.cluster.Offsets(ctx, broker.Earliest, tps...)
		if err != nil {
			return t.failed(err)
		}
		// Not the high watermark: records of open transactions are not waited for.
		ends, err := g.cluster.Offsets(ctx, broker.End, tps...)
		if err != nil {
			return t.failed(err)
		}
		for i, tp := range tps {
			t.partitions[i] = globalPartition{position: earliest[tp], end: ends[tp], target: ends[tp]}
			g.fetcher.Start(tp, earliest[tp])
		}
		t.log.Info("reading a global table", "partitions", len(tps), "remaining", t.remaining())
		t.check(now)
	}
	return nil
}

// Loaded reports whether all tables hold the records that were in the topics when reading began.
func (g *Globals) Loaded() bool {
	return !slices.ContainsFunc(g.tables, func(t *globalTable) bool { return !t.loaded })
}

// Step reads a batch, or waits for at most wait for one to come, and reports whether there was one. Fetcher.Wake ends the
// waiting.
func (g *Globals) Step(ctx context.Context, wait time.Duration) (worked bool, err error) {
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
		return true, g.table(replaced.Topic).failed(fmt.Errorf("%w; start again to read it anew", err))
	case err != nil:
		return false, fmt.Errorf("global tables: %w", err)
	}
	if batch != nil {
		defer batch.Release()
		return true, g.apply(batch)
	}
	if now := g.config.Clock.Now(); !g.Loaded() && now.Sub(g.heard) >= stallCheck {
		g.heard = now
		if err := g.askForEnds(ctx); err != nil {
			return false, err
		}
	}
	return false, g.lookForPartitions(ctx)
}

// table returns the table that reads a topic.
func (g *Globals) table(topic string) *globalTable {
	return g.tables[slices.IndexFunc(g.tables, func(t *globalTable) bool { return t.topic == topic })]
}

// apply makes rows of the records of a batch.
func (g *Globals) apply(b *broker.Batch) error {
	g.heard = g.config.Clock.Now()
	t := g.table(b.Topic)
	t.env.Origin.Partition = b.Partition
	for from := 0; from < len(b.Records); {
		done, failure := g.process(t, b.Records[from:])
		from += done
		if failure == nil {
			break
		}
		if operator.IsFatal(failure.Err) || g.config.decide(failure) != Skip {
			return failure
		}
		t.skipped++
		from++
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
func (g *Globals) process(t *globalTable, records []broker.Record) (done int, failure *weir.ProcessingError) {
	wrong := func(err error) *weir.ProcessingError {
		return &weir.ProcessingError{Origin: t.env.Origin, Node: t.node.String(), Site: t.node.Site, Err: err}
	}
	defer func() {
		if p := recover(); p != nil {
			failure = panicked(p, wrong)
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
func (t *globalTable) check(now time.Time) {
	if !t.loaded && t.remaining() == 0 {
		t.loaded = true
		t.log.Info("global table loaded", "rows", t.rows.Len(), "records", t.records, "bytes", t.bytes, "took", now.Sub(t.began))
	}
}

// outOfRange handles an error of the fetcher about a partition. Records that retention has removed before the table was loaded are
// none that belong to it. Later, a table that goes on would be one that no start finds.
func (g *Globals) outOfRange(out *broker.OffsetOutOfRangeError) error {
	t := g.table(out.Topic)
	p := &t.partitions[out.Partition]
	if t.loaded || out.Offset > out.End {
		return t.failed(fmt.Errorf("%w: records were removed before they were read, or the topic was made anew; start again to read it anew", out))
	}
	t.log.Warn("records were removed while a global table was read; going on with what is left", "error", out)
	p.position = out.Earliest
	g.fetcher.Start(out.TopicPartition, p.position)
	t.check(g.config.Clock.Now())
	return nil
}

// askForEnds asks the cluster whether the ends that the tables wait for still exist.
func (g *Globals) askForEnds(ctx context.Context) error {
	for _, t := range g.tables {
		if t.loaded {
			continue
		}
		tps := t.all()
		ends, err := g.cluster.Offsets(ctx, broker.End, tps...)
		switch {
		case errors.Is(err, weir.ErrUnavailable):
			continue
		case err != nil:
			return t.failed(err)
		}
		for i, tp := range tps {
			p := &t.partitions[i]
			p.end, p.target = ends[tp], min(p.target, ends[tp])
		}
		t.check(g.heard)
	}
	return nil
}

// lookForPartitions begins to read partitions that were added to topics.
func (g *Globals) lookForPartitions(ctx context.Context) error {
	now := g.config.Clock.Now()
	if now.Sub(g.looked) < newPartitionsInterval {
		return nil
	}
	g.looked = now
	for _, t := range g.tables {
		infos, err := g.cluster.Topics(ctx, t.topic)
		if errors.Is(err, weir.ErrUnavailable) {
			return nil
		}
		if err != nil {
			return t.failed(err)
		}
		info, ok := infos[t.topic]
		if !ok && !t.gone {
			t.log.Warn("the topic of a global table does not exist any more; the table stays as it is")
		}
		t.gone = !ok
		for n := int32(len(t.partitions)); n < info.Partitions; n++ {
			t.log.Info("the topic of a global table has got another partition", "partition", n)
			t.partitions = append(t.partitions, globalPartition{})
			g.fetcher.Start(broker.TopicPartition{Topic: t.topic, Partition: n}, 0)
		}
	}
	return nil
}

// all returns the partitions of the table's topic.
func (t *globalTable) all() []broker.TopicPartition {
	tps := make([]broker.TopicPartition, len(t.partitions))
	for i := range tps {
		tps[i] = broker.TopicPartition{Topic: t.topic, Partition: int32(i)}
	}
	return tps
}

// remaining returns how many offsets are to be read until the table is loaded.
func (t *globalTable) remaining() (n int64) {
	for _, p := range t.partitions {
		n += max(0, p.target-p.position)
	}
	return n
}

func (t *globalTable) failed(err error) error {
	return fmt.Errorf("global table %q (%s): %w", t.topic, t.node.Site, err)
}

// Close ends reading. The tables stay.
func (g *Globals) Close() error { return g.fetcher.Close() }

// GlobalStatus is the state of a global table.
type GlobalStatus struct {
	Topic string
	// Loading is true until the table holds the records that were in the topic when reading began. Began is when that was.
	Loading bool
	Began   time.Time
	// Rows is how many rows the table has.
	Rows int64
	// Records is how many records were read, Bytes the size of their keys and values, and Remaining roughly how many are left
	// until the table is loaded.
	Records, Bytes, Remaining int64
	// Skipped is how many records failed and were skipped, Ignored those that a codec passed over, NullKeys those without a key.
	Skipped, Ignored, NullKeys int64
	// Lag is the number of offsets between the position and the last seen end of the topic.
	Lag int64
}

// globalBoard is where Globals leaves its status for other goroutines.
type globalBoard struct {
	mu     sync.Mutex // guards tables
	tables []GlobalStatus
}

// publish updates the status. It is called after each batch.
func (g *Globals) publish() {
	g.board.mu.Lock()
	defer g.board.mu.Unlock()
	g.board.tables = g.board.tables[:0]
	for _, t := range g.tables {
		s := GlobalStatus{
			Topic: t.topic, Loading: !t.loaded, Began: t.began, Rows: int64(t.rows.Len()), Records: t.records, Bytes: t.bytes,
			Remaining: t.remaining(), Skipped: t.skipped, Ignored: t.env.Ignored, NullKeys: t.env.NullKeys,
		}
		for _, p := range t.partitions {
			s.Lag += max(0, p.end-p.position)
		}
		g.board.tables = append(g.board.tables, s)
	}
}

// Status returns the status of the tables, in the order of their declaration. Any goroutine may call it.
func (g *Globals) Status() []GlobalStatus {
	g.board.mu.Lock()
	defer g.board.mu.Unlock()
	return slices.Clone(g.board.tables)
}
