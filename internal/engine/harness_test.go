package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/internal/engine/assignment"
	"github.com/weirstreams/weir/internal/engine/provision"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/murmur2"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

// The pipeline of these tests: orders are grouped by shop, which takes them through a repartition topic; there a cell
// adds up each shop's amounts, and a window those of 10 ms. Every output says which record of the repartition topic it
// comes of, so that it can be compared with a fold over that topic.

type order struct {
	ID     int
	Shop   string
	Amount int
}

type totalLine struct {
	Shop      string
	Partition int32
	Offset    int64
	Total     int
}

type windowLine struct {
	Shop      string
	Partition int32
	Offset    int64
	Start     int64
	Sum       int
}

const (
	groupName       = "g"
	repartition     = "repartition__g--orders--shop"
	totalChangelog  = "changelog__g--repartition.orders.shop--total"
	windowName      = "tumbling_window_10"
	windowChangelog = "changelog__g--repartition.orders.shop--" + windowName
	interval        = 5 * time.Second
	session         = 30 * time.Second
)

var (
	orders  = stream.NewTopic("orders", codec.String(), codec.JSON[order]())
	totals  = stream.NewTopic("totals", codec.String(), codec.JSON[totalLine]())
	windows = stream.NewTopic("windows", codec.String(), codec.JSON[windowLine]())
)

// begin is what the clock says first.
var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

var total = store.NewCell[int]("total")

func sumUp(_ context.Context, c *store.Cell[int], r weir.Record[string, order]) (totalLine, error) {
	n, _ := c.Get()
	c.Set(n + r.Value.Amount)
	return totalLine{r.Key, r.Origin.Partition, r.Origin.Offset, n + r.Value.Amount}, nil
}

func pipeline() *stream.Topology {
	return pipelineOf(func(s stream.Stream[string, order]) stream.Stream[string, order] { return s })
}

// pipelineOf is the pipeline with something that hands on the orders as they are.
func pipelineOf(first func(stream.Stream[string, order]) stream.Stream[string, order]) *stream.Topology {
	t := stream.NewTopology()
	shops := first(t.From(orders)).GroupBy("shop", func(o order) string { return o.Shop })
	shops.MapStateRecord(total, sumUp).To(totals)
	shops.Window(window.Tumbling(10 * time.Millisecond)).
		Aggregate(window.Sum(func(o order) int { return o.Amount })).
		Final().
		MapRecord(func(_ context.Context, r weir.Record[string, window.Result[int]]) (windowLine, error) {
			return windowLine{r.Key, r.Origin.Partition, r.Origin.Offset, r.Value.StartMillis, r.Value.Value}, nil
		}).To(windows)
	return t
}

// cluster is a Kafka cluster, its clock, and what the processes have on their disks.
type cluster struct {
	t          testing.TB
	clock      *clock.Virtual
	broker     *simbroker.Broker
	plan       *graph.Plan
	topics     *provision.Topics
	partitions map[string]int32 // of topics
	config     engine.Config
	workers    int

	// onCall is asked about the calls of all processes. An error or a panic is the end of the process that calls.
	onCall func(simbroker.Op) error
	// wrap stands between the workers and the producers that they get, if it is not nil.
	wrap func(broker.Producer) broker.Producer
	// running is the process that runs, failed whether it has met an error of onCall.
	running *process
	starts  []startLine
	ids     int
	// wrapFetcher, if not nil, puts something around the fetchers of workers.
	wrapFetcher func(broker.Fetcher) broker.Fetcher
}

// startLine is where topics stood when a process was started.
type startLine struct {
	committed map[broker.TopicPartition]int64
	written   map[broker.TopicPartition]int64
}

func newCluster(t testing.TB, topology *stream.Topology, partitions int32, edit ...func(*broker.TopicSpec)) *cluster {
	t.Helper()
	if err := topology.Validate(); err != nil {
		t.Fatal(err)
	}
	virtual := clock.NewVirtual(begin)
	c := &cluster{
		t: t, clock: virtual, broker: simbroker.New(virtual), plan: graph.NewPlan(topology.Graph(), groupName), workers: 1,
		config: engine.Config{
			CheckpointInterval: interval, CheckpointBytes: 64 << 20, CacheBytes: 1 << 20,
			Clock: virtual, Logger: slog.New(slog.DiscardHandler),
		},
	}
	for _, name := range []string{orders.Name(), totals.Name(), windows.Name()} {
		spec := broker.TopicSpec{Name: name, Partitions: partitions, Replication: -1}
		for _, f := range edit {
			f(&spec)
		}
		if err := c.broker.CreateTopic(spec); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	c.topics, err = provision.Prepare(context.Background(), c.broker, c.plan, provision.Options{Logger: c.config.Logger})
	if err != nil {
		t.Fatal(err)
	}
	c.partitions = c.topics.Partitions
	c.broker.OnCall = c.hook
	return c
}

// errCrash ends a process.
var errCrash = errors.New("crash")

func (c *cluster) hook(op simbroker.Op) error {
	p := c.running
	if p != nil && p.dead {
		return errCrash
	}
	if c.onCall == nil {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			p.dead = true
			panic(r)
		}
	}()
	err := c.onCall(op)
	if err != nil && p != nil {
		p.dead = true
	}
	return err
}

// process is one process of the group. Its disk outlives it.
type process struct {
	cluster    *cluster
	group      broker.Group
	workers    []*engine.Worker
	assignment *assignment.Assignment
	disk       disk
	// dead is set when a call has failed: nothing that the process does reaches the cluster any more.
	dead bool
}

// start starts a process, or returns the error that kept it from starting. The crash of a call during the start comes
// back as errCrash.
func (c *cluster) start(d disk, instance string) (p *process, err error) {
	p = &process{cluster: c, disk: d}
	line := startLine{committed: c.broker.Committed(groupName), written: map[broker.TopicPartition]int64{}}
	for _, topic := range []string{totals.Name(), windows.Name()} {
		for n := range c.partitions[topic] {
			tp := broker.TopicPartition{Topic: topic, Partition: n}
			line.written[tp] = int64(len(c.broker.Read(tp, 0)))
		}
	}
	c.starts = append(c.starts, line)
	err = p.do(func() error {
		config := c.config
		config.OpenBackend, config.DestroyBackend = d.open, d.destroy
		var err error
		p.group, err = c.broker.NewGroup(broker.GroupConfig{
			Group: groupName, Topics: c.plan.Units(), SessionTimeout: session, InstanceID: instance,
		})
		if err != nil {
			return err
		}
		for i := range c.workers {
			connections := engine.Connections{Cluster: c.broker, Group: p.group}
			if connections.Fetcher, err = c.broker.NewFetcher(broker.FetcherConfig{}); err != nil {
				return err
			}
			if c.wrapFetcher != nil {
				connections.Fetcher = c.wrapFetcher(connections.Fetcher)
			}
			var producer broker.ProducerConfig
			if config.ExactlyOnce {
				producer.TransactionalID = fmt.Sprintf("%s-%s-%d", groupName, instance, i)
			}
			connections.NewProducer = func() (broker.Producer, error) {
				made, err := c.broker.NewProducer(producer)
				if err == nil && c.wrap != nil {
					made = c.wrap(made)
				}
				return made, err
			}
			if connections.Producer, err = connections.NewProducer(); err != nil {
				return err
			}
			p.workers = append(p.workers, engine.NewWorker(config, c.plan, connections, c.topics))
		}
		p.assignment = assignment.New(c.plan, len(p.workers), func(jobs map[int]func(*engine.Worker) error) error {
			for i, w := range p.workers {
				if job := jobs[i]; job != nil {
					if err := job(w); err != nil {
						return err
					}
				}
			}
			return nil
		})
		return nil
	})
	return p, err
}

// do runs f as a part of the process. If a call crashes, or f fails, the process is over.
func (p *process) do(f func() error) (err error) {
	p.cluster.running = p
	defer func() {
		if r := recover(); r != nil {
			if e, ok := r.(error); !ok || !errors.Is(e, errCrash) {
				panic(r)
			}
			err = errCrash
		}
		if err == nil && p.dead {
			err = errCrash // of a call whose error goes to nobody
		}
		if err != nil {
			p.abandon()
		}
		p.cluster.running = nil
	}()
	return f()
}

func (p *process) abandon() {
	p.dead = true
	if p.group != nil {
		p.cluster.broker.Kill(p.group)
	}
	p.disk.crash()
	for _, w := range p.workers {
		_ = w.Abandon() // the databases are closed already
	}
}

// step lets the process do one thing, and reports whether there was one.
func (p *process) step() (busy bool, err error) {
	err = p.do(func() error {
		event, err := p.group.Poll(context.Background(), 0)
		if err == nil && event != nil {
			busy = true
			err = p.assignment.Handle(context.Background(), event)
		}
		for _, w := range p.workers {
			if err != nil {
				return err
			}
			var worked bool
			worked, err = w.Step(context.Background(), 0)
			busy = busy || worked
		}
		return err
	})
	return busy, err
}

// run steps until there is nothing to do.
func (p *process) run() error {
	for {
		busy, err := p.step()
		if err != nil || !busy {
			return err
		}
	}
}

// close stops the process in order.
func (p *process) close() error {
	err := p.do(func() error {
		for _, w := range p.workers {
			if err := w.Close(context.Background()); err != nil {
				return err
			}
		}
		return p.group.Leave(context.Background())
	})
	p.dead = true
	return err
}

func (p *process) status() []engine.TaskStatus {
	var all []engine.TaskStatus
	for _, w := range p.workers {
		all = append(all, w.Status()...)
	}
	return all
}

// mustStart starts a process and lets it run until there is nothing to do.
func (c *cluster) mustStart(d disk) *process {
	c.t.Helper()
	p, err := c.start(d, "static")
	if err == nil {
		err = p.run()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

func (p *process) mustRun() {
	p.cluster.t.Helper()
	if err := p.run(); err != nil {
		p.cluster.t.Fatal(err)
	}
}

func (p *process) mustClose() {
	p.cluster.t.Helper()
	if err := p.close(); err != nil {
		p.cluster.t.Fatal(err)
	}
}

// order appends an order. Its key in the topic has nothing to do with the shop.
func (c *cluster) order(shop string, amount int, millis int64) {
	c.t.Helper()
	o := order{ID: c.ids, Shop: shop, Amount: amount}
	c.ids++
	value, err := json.Marshal(o)
	if err != nil {
		c.t.Fatal(err)
	}
	key := fmt.Appendf(nil, "customer %d", o.ID%5)
	tp := broker.TopicPartition{Topic: orders.Name(), Partition: murmur2.Partition(key, c.partitions[orders.Name()])}
	if err := c.broker.Append(tp, broker.Record{Key: key, Value: value, Millis: millis}); err != nil {
		c.t.Fatal(err)
	}
}
