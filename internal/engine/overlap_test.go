package engine_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// slowSink is a batching sink that writes while its tasks go on, when the test lets a call return.
type slowSink struct {
	calls   *heldCalls
	fail    func(amounts []int) error // may be nil
	written []int
}

func (s *slowSink) sink() sink.Sink[string, order] {
	return sink.Batch(func(ctx context.Context, records []weir.Record[string, order]) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var amounts []int
		for i := range records {
			amounts = append(amounts, records[i].Value.Amount)
		}
		if s.fail != nil {
			if err := s.fail(amounts); err != nil {
				return err
			}
		}
		s.written = append(s.written, amounts...)
		return nil
	}, sink.BatchOptions{})
}

// newSlowCluster returns a cluster with a topology that writes to a slow sink.
func newSlowCluster(t *testing.T, partitions int32, build func(t *stream.Topology, to sink.Sink[string, order])) (*cluster, *slowSink) {
	t.Helper()
	s := &slowSink{calls: newHeldCalls(lastCall)}
	topology := stream.NewTopology()
	build(topology, s.sink())
	c := newCluster(t, topology, partitions)
	c.config.Calls, c.config.Sequential, c.config.RevokeTimeout = s.calls, true, time.Minute
	return c, s
}

func ordersTo(t *stream.Topology, to sink.Sink[string, order]) { t.From(orders).Sink("slow", to) }

// more appends orders with consecutive amounts from first on.
func (c *cluster) more(first, n int) {
	c.t.Helper()
	for i := range n {
		c.order("north", first+i, 0)
	}
}

// overInterval lets a checkpoint be due, and the process run until there is nothing to do.
func (p *process) overInterval() {
	p.cluster.t.Helper()
	p.cluster.clock.Advance(2 * interval)
	p.mustRun()
}

func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

var firstOrders = broker.TopicPartition{Topic: orders.Name()}

func TestATaskGoesOnWhileItsSinkIsWrittenForACheckpoint(t *testing.T) {
	c, s := newSlowCluster(t, 1, ordersTo)
	p := c.mustStart(memoryDisk{})
	committed := func() int64 { return c.broker.Committed(groupName)[firstOrders] }
	c.more(0, 3)
	p.mustRun()
	p.overInterval()
	if n := len(s.calls.pending); n != 1 || committed() != 0 || s.calls.waited > 0 {
		t.Fatalf("%d writes, offset %d is committed, %d waits", n, committed(), s.calls.waited)
	}
	c.more(3, 2)
	p.overInterval()
	p.overInterval() // the next checkpoint waits, and nobody for it
	if n := p.status()[0].Processed; n != 5 || committed() != 0 || len(s.calls.pending) != 1 || s.calls.waited > 0 {
		t.Fatalf("%d records processed, offset %d committed, %d writes and %d waits during the first write", n, committed(), len(s.calls.pending), s.calls.waited)
	}
	if !p.workers[0].Dirty() {
		t.Error("the worker says that everything is committed")
	}
	for want := int64(3); want <= 5; want += 2 {
		s.calls.one()
		p.mustRun()
		if got := committed(); got != want || len(s.written) != int(want) {
			t.Fatalf("offset %d is committed after the write of %v, want %d", got, s.written, want)
		}
	}
	if p.workers[0].Dirty() || s.calls.waited > 0 {
		t.Errorf("dirty %t, %d waits", p.workers[0].Dirty(), s.calls.waited)
	}
	p.mustClose()
}

// The time is that of a bubble: 15 ms for a batch of 1,000 records or fewer, and 20 us for a record in front of the sink.
func TestASlowSinkCostsATaskNoTimeAtCheckpoints(t *testing.T) {
	const records, perRecord, perBatch = 25_000, 20 * time.Microsecond, 15 * time.Millisecond
	run := func(t *testing.T, waits bool) (took time.Duration) {
		topology := stream.NewTopology()
		topology.From(orders).Peek(func(order) { time.Sleep(perRecord) }).
			Sink("slow", sink.Batch(func(context.Context, []weir.Record[string, order]) error {
				time.Sleep(perBatch)
				return nil
			}, sink.BatchOptions{}))
		c := newCluster(t, topology, 1)
		c.config.Clock, c.config.CheckpointInterval = clock.System, 50*time.Millisecond
		c.config.Sequential = waits // a checkpoint then is whole, as for tasks with state
		p := c.mustStart(memoryDisk{})
		c.more(0, records)
		began := time.Now()
		p.mustRun()
		took = time.Since(began)
		if got := p.status()[0].Processed; got != records {
			t.Errorf("%d of %d records are processed", got, records)
		}
		p.mustClose()
		return took
	}
	synctest.Test(t, func(t *testing.T) {
		whole, beside := run(t, true), run(t, false)
		t.Logf("%v with whole checkpoints, %v with those beside the task, %v for the function alone", whole, beside, records*perRecord)
		if most := records*perRecord + 4*perBatch; beside > most || whole < most { // some batches: which goroutine goes on first is not fixed
			t.Errorf("%d records take %v, want %v at most; %v with whole checkpoints", records, beside, most, whole)
		}
	})
}

func TestAStopWaitsForTheSinksOfACheckpoint(t *testing.T) {
	c, s := newSlowCluster(t, 2, ordersTo)
	p := c.mustStart(memoryDisk{})
	c.more(0, 10)
	p.mustRun()
	p.overInterval()
	c.more(10, 10)
	p.mustRun()
	if len(s.calls.pending) != 2 {
		t.Fatalf("%d writes", len(s.calls.pending))
	}
	// One task goes, as in a rebalance, then the process.
	if err := p.workers[0].RemoveTasks(t.Context(), []engine.TaskID{{Partition: 1}}); err != nil {
		t.Fatal(err)
	}
	second := broker.TopicPartition{Topic: orders.Name(), Partition: 1}
	if got, want := c.broker.Committed(groupName)[second], int64(len(c.broker.Read(second, 0))); got != want {
		t.Errorf("offset %d of %d is committed of the task that is gone", got, want)
	}
	c.more(20, 5)
	p.mustRun()
	p.overInterval()
	p.mustClose()
	if got, want := c.broker.Committed(groupName)[firstOrders], int64(len(c.broker.Read(firstOrders, 0))); got != want {
		t.Errorf("offset %d of %d is committed in the end", got, want)
	}
}

// Offsets of a checkpoint that was overtaken by the loss of a task, or by a crash, are not committed: the records are written again.
func TestRecordsOfACheckpointThatWasGivenUpAreWrittenAgain(t *testing.T) {
	c, s := newSlowCluster(t, 2, ordersTo)
	d := memoryDisk{}
	p := c.mustStart(d)
	c.more(0, 10)
	p.mustRun()
	p.overInterval()
	if err := p.workers[0].DropTasks(t.Context(), []engine.TaskID{{Partition: 1}}); err != nil {
		t.Fatal(err)
	}
	p.mustRun()
	if got := c.broker.Committed(groupName); got[firstOrders] != 0 {
		t.Errorf("%v is committed, and no write has returned", got)
	}
	p.abandon() // which ends the contexts of the writes
	if len(s.written) > 0 {
		t.Errorf("%v was written", s.written)
	}
	p = c.mustStart(d)
	p.mustClose()
	slices.Sort(s.written)
	if diff := gocmp.Diff(upTo(10), s.written); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
}

func TestAnErrorOfASinkBesideItsTaskComesOutOfTheCheckpoint(t *testing.T) {
	broken := errors.New("broken")
	for name, fails := range map[string]error{
		"any": broken, "push back": &weir.RetryLaterError{RetryAfter: 10 * time.Second, Err: broken}, "refusal": sink.RecordErrors{{Index: 1, Err: broken}},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := newSlowCluster(t, 1, ordersTo)
			c.config.Errors.Decide = func(r *weir.FailedRecord) weir.ErrorAction {
				if r.Offset != 1 || !errors.Is(r, broken) {
					t.Errorf("the policy is asked about %v", r)
				}
				return weir.Skip
			}
			s.fail = func([]int) error { s.fail = nil; return fails }
			p := c.mustStart(memoryDisk{})
			c.more(0, 3)
			p.mustRun()
			p.overInterval()
			c.more(3, 2)
			p.mustRun()
			s.calls.one()
			err := p.run()
			got := c.broker.Committed(groupName)[firstOrders]
			switch name {
			case "any":
				if !errors.Is(err, broken) || got != 0 {
					t.Errorf("%v, and offset %d is committed", err, got)
				}
				return
			case "push back":
				if err != nil || got != 0 || !p.workers[0].Dirty() {
					t.Errorf("%v, and offset %d is committed before the time", err, got)
				}
				c.clock.Advance(11 * time.Second)
				p.mustRun()
			}
			if got := c.broker.Committed(groupName)[firstOrders]; err != nil || got != 5 || p.workers[0].Dirty() {
				t.Errorf("%v, and offset %d of 5 is committed", err, got)
			}
			p.mustClose()
			want := upTo(5)
			if name == "refusal" {
				want = want[3:] // the sink says that it has taken the others of its batch
			}
			if diff := gocmp.Diff(want, s.written); diff != "" {
				t.Errorf("written (-want +got):\n%s", diff)
			}
		})
	}
}

// The offsets of a checkpoint stand for the output too.
func TestOutputIsAcknowledgedBeforeACheckpointBesideItsTaskIsCommitted(t *testing.T) {
	c, s := newSlowCluster(t, 1, func(t *stream.Topology, to sink.Sink[string, order]) {
		in := t.From(orders)
		in.Sink("slow", to)
		in.MapRecord(func(_ context.Context, r weir.Record[string, order]) (totalLine, error) {
			return totalLine{Offset: r.Origin.Offset, Total: r.Value.Amount}, nil
		}).To(totals)
	})
	c.config.Linger = time.Hour // output waits for a checkpoint, or for the end of the input
	p := c.mustStart(memoryDisk{})
	c.onCall = func(op simbroker.Op) error {
		if op.Kind == simbroker.OpCommit {
			if got := c.written(); len(got) < 3 {
				t.Errorf("offsets are committed when %v is written", got)
			}
		}
		return nil
	}
	c.more(0, 3)
	p.mustRun()
	p.overInterval()
	s.calls.one()
	p.mustRun()
	if got := c.broker.Committed(groupName)[firstOrders]; got != 3 || s.calls.waited > 0 {
		t.Errorf("offset %d is committed, after %d waits", got, s.calls.waited)
	}
	p.mustClose()
}

// State would run ahead of the offsets, and a transaction has them in it.
func TestACheckpointWithStateOrInATransactionWaitsForItsSinks(t *testing.T) {
	behindState := func(t *stream.Topology, to sink.Sink[string, order]) {
		t.From(orders).MapStateRecord(total, func(_ context.Context, sum *store.Cell[int], r weir.Record[string, order]) (order, error) {
			n, _ := sum.Get()
			sum.Set(n + r.Value.Amount)
			return r.Value, nil
		}).Sink("slow", to)
	}
	for _, w := range []struct {
		name        string
		exactlyOnce bool
		build       func(*stream.Topology, sink.Sink[string, order])
	}{{"state", false, behindState}, {"a transaction", true, ordersTo}} {
		t.Run(w.name, func(t *testing.T) {
			c, s := newSlowCluster(t, 1, w.build)
			c.config.ExactlyOnce = w.exactlyOnce
			p := c.mustStart(memoryDisk{})
			c.more(0, 3)
			p.mustRun()
			p.overInterval()
			if got := c.broker.Committed(groupName)[firstOrders]; got != 3 || len(s.calls.pending) > 0 {
				t.Errorf("offset %d is committed by the checkpoint, and %d writes are in flight", got, len(s.calls.pending))
			}
			p.mustClose()
			if diff := gocmp.Diff(upTo(3), s.written); diff != "" {
				t.Errorf("written (-want +got):\n%s", diff)
			}
		})
	}
}
