package main

import (
	"fmt"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/window"
)

// check checks everything that is left behind by members that have stopped, and returns how many flights came to their
// airport more than once. The truth for the second part of the topology is what the first has written.
func (k *trial) check(stateDir string) (repeated int) {
	k.t.Helper()
	seen := make([]int, k.flights)
	want := newReference()
	k.read(k.repartition(), func(_ int32, r *broker.Record) {
		var f Flight
		k.unmarshal(r.Value, &f)
		if string(r.Key) != f.Origin {
			k.t.Fatalf("a flight from %s has come to %s", f.Origin, r.Key)
		}
		seen[f.Distance]++
		want.add(f, r.Millis)
	})
	skipped := 0
	for _, n := range seen {
		if n == 0 {
			skipped++
		}
		repeated += max(0, n-1)
	}
	if skipped > 0 {
		k.t.Errorf("%d of %d flights were skipped", skipped, k.flights)
	}
	k.checkState(want, stateDir)
	k.checkTotals(want)
	k.checkHours(want)
	return repeated
}

// checkTotals checks that the output has every total at least once, and nothing else. The newest total need not be the last
// one: what a zombie has written stays, and may lie behind what its successor has written (docs/guarantees.md).
func (k *trial) checkTotals(want *reference) {
	k.t.Helper()
	got := map[string]map[int]bool{}
	k.read(k.topics.Totals.Name(), func(_ int32, r *broker.Record) {
		var d Delays
		k.unmarshal(r.Value, &d)
		airport := string(r.Key)
		if n := len(want.totals[airport]); d.Flights < 1 || d.Flights > n || want.totals[airport][d.Flights-1] != d {
			k.t.Fatalf("%s: a total of %+v", airport, d)
		}
		if got[airport] == nil {
			got[airport] = map[int]bool{}
		}
		got[airport][d.Flights] = true
	})
	for airport, all := range want.totals {
		if len(got[airport]) != len(all) {
			k.t.Errorf("%s: %d totals of %d", airport, len(got[airport]), len(all))
		}
	}
}

// checkHours checks that the output has every hour that is over at least once, and nothing else.
func (k *trial) checkHours(want *reference) {
	k.t.Helper()
	got := map[string]map[int64]Delays{}
	for airport := range want.hours {
		got[airport] = map[int64]Delays{}
	}
	k.read(k.topics.Hours.Name(), func(_ int32, r *broker.Record) {
		var result window.Result[Delays]
		k.unmarshal(r.Value, &result)
		airport := string(r.Key)
		if so, ok := got[airport][result.StartMillis]; ok && so != result.Value {
			k.t.Errorf("%s at %v: %+v and %+v", airport, result.Start().UTC(), so, result.Value)
		}
		got[airport][result.StartMillis] = result.Value
	})
	if diff := cmp.Diff(want.hours, got); diff != "" {
		k.t.Errorf("hours (-want +got):\n%s", diff)
	}
}

// checkExact checks that everything that readers of committed records see is what a loop over the input comes to.
func (k *trial) checkExact(stateDir string) {
	k.t.Helper()
	want := newReference()
	fed, seen := make([]int, k.flights), make([]int, k.flights)
	where := make([]string, k.flights)
	k.read(k.topics.Flights.Name(), func(p int32, r *broker.Record) {
		var f Flight
		k.unmarshal(r.Value, &f)
		where[f.Distance] += fmt.Sprintf("input %d@%d ", p, r.Offset)
		fed[f.Distance]++
		want.add(f, r.Millis)
	})
	k.read(k.repartition(), func(p int32, r *broker.Record) {
		var f Flight
		k.unmarshal(r.Value, &f)
		where[f.Distance] += fmt.Sprintf("airport %d@%d ", p, r.Offset)
		seen[f.Distance]++
	})
	for i, n := range fed {
		if n != 1 {
			k.t.Errorf("flight %d was fed %d times: %s", i, n, where[i])
		}
	}
	for i, n := range seen {
		if n != fed[i] {
			k.t.Errorf("flight %d came %d times: %s", i, n, where[i])
		}
	}
	if k.t.Failed() {
		k.t.FailNow() // all else follows from it
	}
	k.checkState(want, stateDir)

	got := map[string][]Delays{}
	k.read(k.topics.Totals.Name(), func(_ int32, r *broker.Record) {
		var d Delays
		k.unmarshal(r.Value, &d)
		got[string(r.Key)] = append(got[string(r.Key)], d)
	})
	if diff := cmp.Diff(want.totals, got); diff != "" {
		k.t.Errorf("totals (-want +got):\n%s", diff)
	}
	hours := map[string]map[int64]Delays{}
	for airport := range want.hours {
		hours[airport] = map[int64]Delays{}
	}
	k.read(k.topics.Hours.Name(), func(_ int32, r *broker.Record) {
		var result window.Result[Delays]
		k.unmarshal(r.Value, &result)
		if _, ok := hours[string(r.Key)][result.StartMillis]; ok {
			k.t.Errorf("%s: the hour of %v twice", r.Key, result.Start().UTC())
		}
		hours[string(r.Key)][result.StartMillis] = result.Value
	})
	if diff := cmp.Diff(want.hours, hours); diff != "" {
		k.t.Errorf("hours (-want +got):\n%s", diff)
	}
	k.t.Logf("%d flights, %d airports, %d hours are right", k.flights, len(want.totals), want.closed())
}
