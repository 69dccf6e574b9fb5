package sim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/weirstreams/weir/testkit/sim"
)

// The topologies of this file lose input.
func init() {
	topologies = append(topologies,
		topologyOf{name: "lost input", build: cell, inputs: []string{"orders"}, loses: true, check: checkLostInput},
		topologyOf{name: "truncated input", build: cell, inputs: []string{"orders"}, loses: true, truncates: true, check: checkLostInput})
}

// checkLostInput checks the sums of the topology "cell". Which of the lost records were processed is known from the output; at
// least once such a record may have been written, and its sum lost with the process. So there is a set of sums that are possible
// for each key.
func checkLostInput(o sim.Outcome) error {
	losses := o.Losses("orders")
	lines := o.Read("lines")
	for p, records := range o.Read("orders") {
		written := map[int][]int{} // sums by the ID of the record
		var order []int
		for _, r := range lines[p] {
			var l line
			if err := json.Unmarshal(r.Value, &l); err != nil {
				return err
			}
			if written[l.ID] == nil {
				order = append(order, l.ID)
			}
			written[l.ID] = append(written[l.ID], l.Total)
		}
		if err := checkSums(o.ExactlyOnce, records, losses[p], written, order); err != nil {
			return fmt.Errorf("orders, partition %d: %w", p, err)
		}
	}
	return nil
}

func checkSums(exactly bool, records []sim.Record, losses []sim.Loss, written map[int][]int, order []int) error {
	possible := map[string]map[int]bool{} // by key; no sum is 0
	place := map[int]int{}
	for i, r := range records {
		in := decodeOrder(r)
		place[in.ID] = i
		mayBeLost, mayBeEmptied := false, false
		for _, l := range losses {
			mayBeLost = mayBeLost || l.From <= i && i < l.To
			if l.Emptied && l.From <= i && i <= l.To {
				mayBeEmptied = true
			}
		}
		if mayBeEmptied {
			for _, sums := range possible {
				sums[0] = true
			}
		}
		sums := possible[string(r.Key)]
		if sums == nil {
			sums = map[int]bool{0: true}
		}
		totals := written[in.ID]
		switch {
		case len(totals) == 0 && !mayBeLost:
			return fmt.Errorf("record %d (%+v) was not processed, and not lost", i, in)
		case exactly && len(totals) > 1:
			return fmt.Errorf("record %d (%+v) has the results %v", i, in, totals)
		}
		after := map[int]bool{}
		for sum := range sums {
			// The output of the last checkpoint of a process may be lost with a topic that was made anew, at least once: see
			// standing in internal/engine.
			if slices.Contains(totals, sum+in.Amount) || mayBeLost && !exactly {
				after[next(sum, in)] = true
			}
		}
		if len(totals) > 0 && len(after) == 0 {
			return fmt.Errorf("record %d (%+v) has the results %v, and the sums before may be %v", i, in, totals, slices.Sorted(maps.Keys(sums)))
		}
		if mayBeLost && (!exactly || len(totals) == 0) {
			maps.Copy(after, sums)
		}
		if possible[string(r.Key)] = after; len(totals) == 0 && mayBeEmptied { // it was not processed because the state was emptied
			clear(possible)
		}
	}
	if exactly && !slices.IsSortedFunc(order, func(a, b int) int { return place[a] - place[b] }) {
		return fmt.Errorf("the results have the order %v", order)
	}
	return nil
}

// next returns the sum that is kept.
func next(sum int, in order) int {
	if in.Amount%10 == 0 {
		return 0
	}
	return sum + in.Amount
}

func decodeOrder(r sim.Record) (o order) {
	if err := json.Unmarshal(r.Value, &o); err != nil {
		panic(err)
	}
	return o
}
