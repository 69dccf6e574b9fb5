package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// namesOf is a lookup that answers a shop with its name, unless fail has an error.
func namesOf(fail func(shops []string) error) join.Lookup[string, string] {
	return join.LookupFunc[string, string](func(_ context.Context, shops []string, found []*string) error {
		if err := fail(shops); err != nil {
			return err
		}
		for i, shop := range shops {
			found[i] = &shop
		}
		return nil
	})
}

// named writes the orders of shops that a lookup knows.
func named(l join.Lookup[string, string]) *stream.Topology {
	t := stream.NewTopology()
	t.From(orders).JoinLookup(l, func(o order) string { return o.Shop }, func(o order, name string) totalLine {
		return totalLine{Shop: name, Total: o.Amount}
	}).To(totals)
	return t
}

// written returns the totals of all lines of partition 0, in order.
func (c *cluster) written() []int {
	c.t.Helper()
	var got []int
	for _, r := range c.broker.Read(broker.TopicPartition{Topic: totals.Name()}, 0) {
		var line totalLine
		if err := json.Unmarshal(r.Value, &line); err != nil {
			c.t.Fatal(err)
		}
		got = append(got, line.Total)
	}
	return got
}

// What is held does not change when an operator with state changes what it has handed on.
func TestALookupJoinHoldsWhatItWasGiven(t *testing.T) {
	topology := stream.NewTopology()
	sums := store.NewCell[*order]("sums")
	topology.From(orders).MapState(sums, func(c *store.Cell[*order], o order) *order {
		sum, ok := c.Get()
		if !ok {
			sum = &order{Shop: o.Shop}
		}
		sum.Amount += o.Amount
		c.Set(sum)
		return sum
	}).JoinLookup(namesOf(func([]string) error { return nil }), func(o *order) string { return o.Shop }, func(o *order, name string) totalLine {
		return totalLine{Shop: name, Total: o.Amount}
	}).To(totals)
	c := newCluster(t, topology, 1)
	for i := range 15 { // each key has three
		c.order("north", 1, int64(i))
	}
	p := c.mustStart(memoryDisk{})
	p.mustClose()
	if diff := gocmp.Diff([]int{1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3}, c.written()); diff != "" {
		t.Error(diff)
	}
}

// However many rebalances there are while a lookup is away, the run goes on, and every record counts.
func TestRebalancesDoNotEndARunWhoseLookupIsAway(t *testing.T) {
	for _, exactlyOnce := range []bool{false, true} {
		away := true
		c := newCluster(t, named(namesOf(func([]string) error {
			if away {
				return &weir.RetryLaterError{}
			}
			return nil
		})), 2)
		c.config.ExactlyOnce, c.config.RevokeTimeout = exactlyOnce, time.Minute
		first := c.mustStart(memoryDisk{})
		for i := range 40 {
			c.order("north", i, int64(i))
		}
		step := func(ps ...*process) {
			for range 20 {
				for _, p := range ps {
					if _, err := p.step(); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		for range 25 {
			second, err := c.start(memoryDisk{}, "")
			if err != nil {
				t.Fatal(err)
			}
			step(first, second)
			second.mustClose()
			c.clock.Advance(time.Second)
			step(first)
		}
		away = false
		c.clock.Advance(2 * time.Second)
		step(first)
		first.mustClose()
		n := 0
		for partition := range int32(2) {
			n += len(c.broker.Read(broker.TopicPartition{Topic: totals.Name(), Partition: partition}, 0))
		}
		if n != 40 {
			t.Errorf("exactly once %v: %d results for 40 records", exactlyOnce, n)
		}
	}
}

// A query that finds no answer while others do goes to the policy, and the rest goes on.
func TestAQueryThatFindsNoAnswerIsSkippedByThePolicy(t *testing.T) {
	c := newCluster(t, named(join.Cached(namesOf(func(shops []string) error {
		for _, s := range shops {
			if s == "hole" {
				return context.DeadlineExceeded
			}
		}
		return nil
	}), join.CacheConfig{})), 1)
	var skipped []*weir.ProcessingError
	c.config.Errors.Decide = func(err *weir.FailedRecord) weir.ErrorAction {
		skipped = append(skipped, err.ProcessingError)
		return weir.Skip
	}
	for i, shop := range []string{"a", "b", "hole", "c"} {
		c.order(shop, i, int64(i))
	}
	p := c.mustStart(memoryDisk{})
	for range 20 {
		c.clock.Advance(time.Second)
		p.mustRun()
	}
	p.mustClose()
	if diff := gocmp.Diff([]int{0, 1, 3}, c.written()); diff != "" {
		t.Error(diff)
	}
	if len(skipped) != 1 || skipped[0].Offset != 2 || !strings.Contains(skipped[0].Error(), "has not answered this query 3 times") {
		t.Errorf("got %v", skipped)
	}
	if stuck, ok := errors.AsType[*join.LookupTimeoutError](skipped[0]); !ok || stuck.Tries != 3 {
		t.Errorf("got %v", skipped[0])
	}
}

// The log says when input is held back, now and then for how long, and when it goes on.
func TestTheLogOfAnOutageIsShort(t *testing.T) {
	var log strings.Builder
	away := true
	c := newCluster(t, named(namesOf(func([]string) error {
		if away {
			return &weir.RetryLaterError{}
		}
		return nil
	})), 1)
	c.config.Logger = slog.New(slog.NewTextHandler(&log, nil))
	c.order("a", 7, 0)
	p := c.mustStart(memoryDisk{})
	for range 130 {
		c.clock.Advance(time.Second)
		p.mustRun()
	}
	away = false
	c.clock.Advance(time.Second)
	p.mustRun()
	p.mustClose()
	if held, on := strings.Count(log.String(), "input is held back"), strings.Count(log.String(), "input goes on"); held != 3 || on != 1 {
		t.Errorf("%d and %d lines, want 3 and 1:\n%s", held, on, log.String())
	}
	if diff := gocmp.Diff([]int{7}, c.written()); diff != "" {
		t.Error(diff)
	}
}
