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
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/stream"
)

// heldCalls are calls of asynchronous operators that return when the test wants it.
type heldCalls struct {
	pending []func()
	// choose returns which of n calls returns next.
	choose func(n int) int
	waited int
}

func newHeldCalls(choose func(n int) int) *heldCalls { return &heldCalls{choose: choose} }

func (h *heldCalls) Start(f func()) { h.pending = append(h.pending, f) }

func (h *heldCalls) Wait(ctx context.Context) error {
	h.waited++
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !h.one() {
		return errors.New("no call is pending")
	}
	return nil
}

// one lets a call return.
func (h *heldCalls) one() bool {
	if len(h.pending) == 0 {
		return false
	}
	i := h.choose(len(h.pending))
	f := h.pending[i]
	h.pending = slices.Delete(h.pending, i, i+1)
	f()
	return true
}

func lastCall(n int) int { return n - 1 }

// called writes what a function makes of the orders, with n calls at a time.
func called(n int, f func(context.Context, order) (order, error)) *stream.Topology {
	t := stream.NewTopology()
	t.From(orders).MapAsync(f, stream.AsyncOptions{Concurrency: n, Retry: weir.Retry{Attempts: 1}}).
		MapRecord(func(_ context.Context, r weir.Record[string, order]) (totalLine, error) {
			return totalLine{r.Value.Shop, r.Origin.Partition, r.Origin.Offset, r.Value.Amount}, nil
		}).To(totals)
	return t
}

func same(_ context.Context, o order) (order, error) { return o, nil }

func TestNothingIsCommittedOfRecordsInFlight(t *testing.T) {
	c := newCluster(t, called(3, same), 1)
	calls := newHeldCalls(lastCall)
	c.config.Calls = calls
	for i := range 20 {
		c.order("north", i, int64(i))
	}
	p := c.mustStart(memoryDisk{})
	if n := len(calls.pending); n != 3 {
		t.Fatalf("%d calls are in flight, want 3", n)
	}
	c.clock.Advance(2 * interval)
	p.mustRun()
	in := broker.TopicPartition{Topic: orders.Name()}
	if got := c.broker.Committed(groupName)[in]; got != 0 || calls.waited > 0 {
		t.Fatalf("offset %d is committed with calls in flight, after %d waits", got, calls.waited)
	}
	// Those behind do not leave before the first one, and no further record is taken: a checkpoint is due.
	for range 11 {
		calls.one()
		p.mustRun()
	}
	if got := len(c.written()); got > 12 {
		t.Errorf("%d results were written of 12 records that may be held", got)
	}
	for calls.one() {
		p.mustRun()
	}
	p.mustRun()
	if got := c.broker.Committed(groupName)[in]; got < 12 {
		t.Errorf("offset %d is committed, and all calls have returned", got)
	}
	p.mustClose() // waits for the rest
	want := make([]int, 20)
	for i := range want {
		want[i] = i
	}
	if diff := gocmp.Diff(want, c.written()); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if got := c.broker.Committed(groupName)[in]; got != 20 {
		t.Errorf("offset %d is committed in the end", got)
	}
}

func TestASlowCallStopsItsTaskAndNoOtherOne(t *testing.T) {
	c := newCluster(t, called(2, same), 2)
	c.broker.DeliverOnSend = true
	calls := newHeldCalls(func(n int) int { return n - 1 })
	c.config.Calls = calls
	p := c.mustStart(memoryDisk{})
	c.order("north", 0, 0) // of the first customer; the next ones are of other partitions
	p.mustRun()
	slow := calls.pending[0]
	calls.pending = nil
	for i := range 200 {
		c.order("north", 1+i, int64(i))
	}
	for {
		p.mustRun()
		if !calls.one() {
			break
		}
	}
	slowPartition := int32(-1)
	in := map[int32]int64{}
	for n := range int32(2) {
		tp := broker.TopicPartition{Topic: orders.Name(), Partition: n}
		in[n] = int64(len(c.broker.Read(tp, 0)))
		for _, r := range c.broker.Read(tp, 0) {
			if c.decodeOrder(r.Value).ID == 0 {
				slowPartition = n
			}
		}
	}
	written := map[int32]int64{}
	for n := range int32(2) {
		tp := broker.TopicPartition{Topic: totals.Name(), Partition: n}
		written[n] = int64(len(c.broker.Read(tp, 0)))
	}
	other := 1 - slowPartition
	if written[slowPartition] != 0 || written[other] != in[other] {
		t.Fatalf("%v results of %v records, while the first call of partition %d has not returned", written, in, slowPartition)
	}
	calls.pending = append(calls.pending, slow)
	for calls.one() {
		p.mustRun()
	}
	p.mustClose()
	for n := range int32(2) {
		if got := int64(len(c.broker.Read(broker.TopicPartition{Topic: totals.Name(), Partition: n}, 0))); got != in[n] {
			t.Errorf("partition %d: %d results of %d records", n, got, in[n])
		}
	}
}

// The time is that of a bubble. 64 calls at a time have a rate of 64 times that of one after the other; checkpoints, which wait for the calls in
// flight, may take a part of it.
func Test64CallsOf5msAtATimeAre50TimesFasterThanOneAfterTheOther(t *testing.T) {
	const call, records, least = 5 * time.Millisecond, 6400, 50
	for _, unordered := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			topology := stream.NewTopology()
			topology.From(orders).MapAsync(func(_ context.Context, o order) (totalLine, error) {
				time.Sleep(call)
				return totalLine{Offset: int64(o.ID), Total: o.Amount}, nil
			}, stream.AsyncOptions{Concurrency: 64, Unordered: unordered}).To(totals)
			c := newCluster(t, topology, 1)
			c.config.Clock, c.config.CheckpointInterval = clock.System, 200*time.Millisecond
			p := c.mustStart(memoryDisk{})
			for i := range records {
				c.order("north", i, int64(i))
			}
			in := broker.TopicPartition{Topic: orders.Name()}
			began := time.Now()
			for c.broker.Committed(groupName)[in] < records && time.Since(began) < records*call {
				p.mustRun()
				time.Sleep(call / 10) // until some calls have returned
			}
			took := time.Since(began)
			if rate := float64(records*call) / float64(took); rate < least {
				t.Errorf("unordered %t: %d calls took %v, which is %.1f times faster than one after the other, want %d times", unordered, records, took, rate, least)
			}
			if got := len(c.written()); got != records {
				t.Errorf("unordered %t: %d results of %d records", unordered, got, records)
			}
			p.mustClose()
		})
	}
}

func TestAFailedCallIsSkippedByThePolicyWithItsPanic(t *testing.T) {
	c := newCluster(t, called(4, func(_ context.Context, o order) (order, error) {
		switch o.Amount {
		case 3:
			return o, errors.New("refused")
		case 5:
			panic("no such order")
		}
		return o, nil
	}), 1)
	c.config.Calls = newHeldCalls(lastCall)
	var skipped []*weir.ProcessingError
	c.config.Errors.Decide = func(err *weir.FailedRecord) weir.ErrorAction {
		skipped = append(skipped, err.ProcessingError)
		return weir.Skip
	}
	for i := range 8 {
		c.order("north", i, int64(i))
	}
	p := c.mustStart(memoryDisk{})
	p.mustClose()
	if diff := gocmp.Diff([]int{0, 1, 2, 4, 6, 7}, c.written()); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if len(skipped) != 2 {
		t.Fatalf("skipped %v", skipped)
	}
	refused, panicked := skipped[0], skipped[1]
	if refused.Offset != 3 || refused.Stack != nil || refused.Err.Error() != "refused" {
		t.Errorf("the first error is %v", refused)
	}
	if panicked.Offset != 5 || panicked.Stack == nil || panicked.Err.Error() != "no such order" {
		t.Errorf("the second error is %v", panicked)
	}
}

// A service that is away makes the worker wait, and no record is lost or called for again that has an answer.
func TestACallThatAsksForTimeHoldsTheInputBack(t *testing.T) {
	for _, exactlyOnce := range []bool{false, true} {
		away, answered := true, map[int]int{}
		c := newCluster(t, called(2, func(_ context.Context, o order) (order, error) {
			if away && o.Amount == 2 {
				return o, &weir.RetryLaterError{RetryAfter: time.Minute}
			}
			answered[o.Amount]++
			return o, nil
		}), 1)
		c.config.ExactlyOnce, c.config.Calls = exactlyOnce, newHeldCalls(lastCall)
		p := c.mustStart(memoryDisk{})
		for i := range 5 {
			c.order("north", i, int64(i))
		}
		calls := c.config.Calls.(*heldCalls)
		for calls.one() {
			p.mustRun()
		}
		away = false
		c.clock.Advance(30 * time.Second)
		p.mustRun()
		if answered[2] != 0 {
			t.Errorf("called again before the time")
		}
		c.clock.Advance(31 * time.Second)
		p.mustRun()
		p.mustClose()
		if diff := gocmp.Diff([]int{0, 1, 2, 3, 4}, c.written()); diff != "" {
			t.Errorf("exactly once %t (-want +got):\n%s", exactlyOnce, diff)
		}
		if diff := gocmp.Diff(map[int]int{0: 1, 1: 1, 2: 1, 3: 1, 4: 1}, answered); diff != "" {
			t.Errorf("exactly once %t, calls (-want +got):\n%s", exactlyOnce, diff)
		}
	}
}

// A transaction that is aborted takes the calls with it: late results count for nothing.
func TestResultsOfCallsBeforeARewindDoNotCount(t *testing.T) {
	c := newCluster(t, called(3, same), 2)
	calls := newHeldCalls(lastCall)
	c.config.ExactlyOnce, c.config.Calls = true, calls
	p := c.mustStart(memoryDisk{})
	for i := range 40 {
		c.order("north", i, int64(i))
	}
	p.mustRun()
	calls.one()
	p.mustRun()
	late := slices.Clone(calls.pending)
	calls.pending = nil
	if len(late) < 4 {
		t.Fatalf("%d calls are in flight", len(late))
	}
	// The other task goes back to the checkpoint before with the one that is lost.
	if err := p.workers[0].DropTasks(t.Context(), []engine.TaskID{{Partition: 1}}); err != nil {
		t.Fatal(err)
	}
	for _, f := range late {
		f()
		p.mustRun()
	}
	for calls.one() {
		p.mustRun()
	}
	p.mustClose()
	var want []int
	for _, r := range c.broker.Read(broker.TopicPartition{Topic: orders.Name()}, 0) {
		want = append(want, c.decodeOrder(r.Value).Amount)
	}
	if diff := gocmp.Diff(want, c.written()); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

// As TestRandomRunsLoseNothing, with calls that return at any time.
func TestRandomRunsWithCallsLoseNothing(t *testing.T) {
	longtest.Seeds(t, longtest.Cases(25, 120), func(t *testing.T, seed uint64) { randomRun(t, seed, true) })
}

// pipelineWithCalls puts calls into the pipeline.
func pipelineWithCalls(unordered bool, concurrency int) *stream.Topology {
	return pipelineOf(func(s stream.Stream[string, order]) stream.Stream[string, order] {
		return s.MapAsync(same, stream.AsyncOptions{Concurrency: concurrency, Unordered: unordered})
	})
}
