package sim_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirstreams/weir/testkit/sim"
)

// checkNames is the model of topologies that look up the name of a shop, and those with a name once more behind a repartition.
func checkNames(o sim.Outcome, name func(shop string) (string, bool)) error {
	var want [][]string
	for _, task := range inputsOf(o, "orders") {
		var lines []string
		for _, r := range task {
			named, ok := name(r.Shop)
			if !ok {
				named = "nowhere"
			}
			lines = append(lines, output(r.key, order{r.ID, named, r.Amount}, r.at))
		}
		want = append(want, lines)
	}
	if err := compareOutput(o, "out", want, false); err != nil {
		return err
	}
	return checkRunning(o, "repartition__sim--orders--name", "lines", false, func(r input) (order, bool) {
		named, ok := name(strings.TrimPrefix(r.Shop, "name of "))
		return order{r.ID, named, r.Amount}, ok
	})
}

func checkLookupJoin(o sim.Outcome) error {
	return checkNames(o, func(shop string) (string, bool) { return "name of " + shop, !strings.HasSuffix(shop, "1") })
}

// checkGlobalTable finds the rows in the topic of the table: the names do not change.
func checkGlobalTable(o sim.Outcome) error {
	rows := map[string]*order{}
	for _, partition := range o.Read(directory.Name()) {
		for _, r := range partition {
			rows[string(r.Key)] = nil
			if r.Value == nil {
				continue
			}
			var row order
			if err := json.Unmarshal(r.Value, &row); err != nil {
				return err
			}
			rows[string(r.Key)] = &row
		}
	}
	return checkNames(o, func(shop string) (string, bool) {
		if row := rows[shop]; row != nil {
			return row.Shop, true
		}
		return "", false
	})
}

// compareSets compares a topic with what all tasks should have written, in any order. merged is that of compareOutput.
func compareSets(o sim.Outcome, topic string, want []string, merged bool) error {
	var got []string
	for _, partition := range o.Read(topic) {
		for _, r := range partition {
			got = append(got, fmt.Sprintf("%s: %s @%d", r.Key, r.Value, r.Millis))
		}
	}
	if !o.ExactlyOnce {
		got, want = first(got), first(want)
		if merged {
			got = slices.DeleteFunc(got, func(line string) bool { return !slices.Contains(want, line) })
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		return fmt.Errorf("%s: output differs, apart from its order (-want +got):\n%s", topic, diff)
	}
	return nil
}

// checkBufferedLookupJoins is the model of the topology "buffered lookup joins": every third amount has no row, ever. The order of
// the output is that of the clock. Of one key, the records without a row come in the order of their arrival.
func checkBufferedLookupJoins(o sim.Outcome) error {
	const between = "repartition__sim--orders--amount"
	joined := func(r order) order {
		if r.Amount%3 == 0 {
			return order{r.ID, r.Shop + ", no name", r.Amount + 1}
		}
		return order{r.ID, r.Shop + ", " + fmt.Sprint("amount ", r.Amount), r.Amount + 2}
	}
	stage := func(from, to string, key func(in input, out order) string) error {
		var want []string
		for _, task := range inputsOf(o, from) {
			for _, r := range task {
				result := joined(r.order)
				l := output(key(r, result), result, r.at)
				want = append(want, l)
			}
		}
		return compareSets(o, to, want, false)
	}
	err := stage("orders", between, func(_ input, out order) string { return fmt.Sprint(out.Amount % 5) })
	if err != nil {
		return err
	}
	if err := stage(between, "out", func(in input, _ order) string { return in.key }); err != nil {
		return err
	}
	if !o.ExactlyOnce {
		return nil
	}
	// In the second stage all that waits of a key comes of one task, in the order of its input.
	place := map[int]int{}
	for _, task := range inputsOf(o, between) {
		for i, r := range task {
			place[r.ID] = i
		}
	}
	reached := map[string]int{}
	for _, partition := range o.Read("out") {
		for _, r := range partition {
			var row order
			if err := json.Unmarshal(r.Value, &row); err != nil {
				return err
			}
			if !strings.HasSuffix(row.Shop, ", no name") {
				continue
			}
			if at, ok := reached[string(r.Key)]; ok && place[row.ID] < at {
				return fmt.Errorf("out: of the records of key %s that waited, %d comes too late", r.Key, row.ID)
			}
			reached[string(r.Key)] = place[row.ID]
		}
	}
	return nil
}

// checkClocks is the model of the topology "clocks": every timer that was set, and neither moved nor cancelled since, has fired.
func checkClocks(o sim.Outcome) error {
	start := clockStart.UnixMilli()
	var want []string
	for _, topic := range []string{"orders", "repartition__sim--orders--shop"} {
		for _, task := range inputsOf(o, topic) {
			type id struct{ key, name string }
			late := map[id]int64{}
			fires := func(key, name string, at int64) { want = append(want, output(key, line{Origin: name}, at)) }
			for _, r := range task {
				n, name := int64(r.Amount), fmt.Sprint("late ", r.Amount%3)
				switch n % 4 {
				case 0:
					delete(late, id{r.key, name})
				case 2:
					at := start + 3000*n
					fires(r.key, fmt.Sprint("soon ", r.Offset), at)
					if at%2000 == 0 {
						fires(r.key, fmt.Sprint("again ", r.Offset), at+5000)
					}
				default:
					late[id{r.key, name}] = start + 6*3600*1000 + 1000*n
				}
				if n%3 == 0 {
					want = append(want, output(r.key, line{r.ID, r.Amount, fmt.Sprint(r.Topic, r.Partition), r.Offset}, r.at))
				}
			}
			for timer, at := range late {
				fires(timer.key, timer.name, at)
			}
		}
	}
	return compareSets(o, "lines", want, false)
}
