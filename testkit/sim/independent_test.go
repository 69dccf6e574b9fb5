package sim_test

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirstreams/weir/testkit/sim"
)

// The reference model of package sim is made of the operators that it tests: it does not see what they do wrong without faults.
// The models of the files independent_*_test.go share no code with them. Each keeps all records that its task has processed, and
// computes everything anew from the rules in the documentation.
var independent = map[string]func(sim.Outcome) error{
	"tumbling by partition": checkWindows(map[string]windowModel{
		"texts":      {kind: aligned, size: 10, step: 10, byPartition: true, result: idsAndSum},
		"more_texts": {kind: aligned, size: 7, step: 7, grace: 4, byPartition: true, current: true, result: meanAmount},
	}),
	"hopping": checkWindows(map[string]windowModel{
		"texts":       {kind: aligned, size: 10, step: 4, grace: 3, result: idsAndSum},
		"more_texts":  {kind: aligned, size: 12, step: 5, byPartition: true, result: idsAndSum},
		"other_texts": {kind: aligned, size: 9, step: 3, current: true, result: latestAmount},
	}),
	"sliding": checkWindows(map[string]windowModel{
		"texts":      {kind: slidingWindow, size: 8, grace: 3, result: idsAndSum},
		"more_texts": {kind: slidingWindow, size: 5, current: true, result: greatestAmount},
	}),
	"sliding by partition": checkWindows(map[string]windowModel{
		"texts":      {kind: slidingWindow, size: 8, grace: 3, byPartition: true, result: idsAndSum},
		"more_texts": {kind: slidingWindow, size: 5, byPartition: true, current: true, result: processedLast},
	}),
	"sessions": checkWindows(map[string]windowModel{
		"texts":      {kind: sessionWindow, size: 4, grace: 5, result: idsAndSum},
		"more_texts": {kind: sessionWindow, size: 6, current: true, result: firstAmount},
	}),
	"sessions by partition": checkWindows(map[string]windowModel{
		"texts":      {kind: sessionWindow, size: 4, byPartition: true, result: idsAndSum},
		"more_texts": {kind: sessionWindow, size: 2, grace: 9, byPartition: true, result: deviation},
	}),
	"early results": checkWindows(map[string]windowModel{
		"texts":      {kind: aligned, size: 20, step: 20, grace: 3, everyRecords: 3, result: idsAndSum},
		"more_texts": {kind: aligned, size: 20, step: 8, everyMillis: 5, result: sumAmount},
		"other_texts": {
			kind: sessionWindow, size: 6, byPartition: true, result: sumAmount,
			when: func(in []input) bool { return sumOf(in)%3 == 0 },
		},
	}),
	"closed by triggers": checkWindows(map[string]windowModel{
		"texts": {
			kind: aligned, size: 30, step: 30, result: idsAndSum,
			closeAfter: func(in []input) bool { return len(fmt.Sprint(idsAndSum(in))) > 12 },
		},
		"more_texts": {
			kind: aligned, size: 25, step: 10, byPartition: true, result: sumAmount,
			closeBefore: func(in []input, next input) bool { return sumOf(in)+next.Amount > 150 },
		},
	}),
	"suppressed": checkWindows(map[string]windowModel{
		"texts":      {kind: aligned, size: 20, step: 20, grace: 5, current: true, heldBack: true, result: idsAndSum},
		"more_texts": {kind: aligned, size: 20, step: 8, byPartition: true, current: true, heldBack: true, result: idsAndSum},
		"other_texts": {
			from: "repartition__sim--repartition.orders.shop--parity",
			kind: aligned, size: 15, step: 15, current: true, heldBack: true, result: idsAndSum,
		},
	}),
	"count windows": checkWindows(map[string]windowModel{
		"texts":       {kind: counted, count: 4, every: 4, result: idsAndSum},
		"more_texts":  {kind: counted, count: 5, every: 2, result: idsAndSum},
		"other_texts": {kind: counted, count: 3, every: 1, current: true, result: lastAmount},
	}),
	"as-of join":               bothChecks(checkOrder("returns", "orders"), checkAsOfJoin),
	"nearest join":             bothChecks(checkOrder("returns", "orders"), checkNearestJoin),
	"as-of joins by the clock": bothChecks(checkOrder("returns", "orders"), checkWaitingAsOfJoins),
	"interval join":            checkIntervalJoin,
	"self join":                checkSelfJoin,
	"cell": func(o sim.Outcome) error {
		return checkRunning(o, "orders", "lines", false, unchanged)
	},
	"merged with state": func(o sim.Outcome) error {
		return checkRunning(o, "orders", "lines", true, func(r input) (order, bool) {
			if r.Topic == "returns" {
				return order{-r.ID, r.Shop, -r.Amount}, true
			}
			return r.order, true
		})
	},
	"tables":                checkTables,
	"foreign-key join":      checkForeignKeyJoin,
	"global table":          checkGlobalTable,
	"lookup join":           checkLookupJoin,
	"buffered lookup joins": checkBufferedLookupJoins,
	"stores":                checkStores,
	"duplicates":            checkDuplicates,
	"timers":                checkTimers,
	"clocks":                checkClocks,
	"skipping":              checkSkipping,
	"letters":               checkLetters,
}

// checkOf returns all checks of a topology.
func checkOf(t topologyOf) func(sim.Outcome) error {
	model := independent[t.name]
	switch {
	case model == nil:
		return t.check
	case t.check != nil:
		panic(t.name + " has two checks")
	}
	return func(o sim.Outcome) error {
		if err := model(o); err != nil {
			return fmt.Errorf("independent model: %w", err)
		}
		return nil
	}
}

func bothChecks(a, b func(sim.Outcome) error) func(sim.Outcome) error {
	return func(o sim.Outcome) error {
		if err := a(o); err != nil {
			return err
		}
		return b(o)
	}
}

// checkOrder checks that the records of two topics were merged by their timestamps: of the first records of both that were not
// processed yet the earlier one is next, and of equal ones that of the first topic, the right side of the join.
func checkOrder(right, left string) func(sim.Outcome) error {
	return func(o sim.Outcome) error {
		if !o.InOrder {
			return nil
		}
		rights, lefts := o.Read(right), o.Read(left)
		for p, task := range o.Processed(left) {
			var merged []string
			for r, l := rights[p], lefts[p]; len(r)+len(l) > 0; {
				if len(l) == 0 || len(r) > 0 && r[0].Millis <= l[0].Millis {
					merged, r = append(merged, fmt.Sprintf("%s @%d: %s", right, r[0].Millis, r[0].Value)), r[1:]
				} else {
					merged, l = append(merged, fmt.Sprintf("%s @%d: %s", left, l[0].Millis, l[0].Value)), l[1:]
				}
			}
			var got []string
			for _, r := range task {
				got = append(got, fmt.Sprintf("%s @%d: %s", r.Topic, r.Millis, r.Value))
			}
			if diff := cmp.Diff(merged, got, cmpopts.EquateEmpty()); diff != "" {
				return fmt.Errorf("partition %d: input was processed in another order (-want +got):\n%s", p, diff)
			}
		}
		return nil
	}
}

// input is a record that a task has processed.
type input struct {
	order
	key    string
	at     int64
	origin string
	sim.Processed
}

// inputsOf decodes what the tasks that read a topic have processed.
func inputsOf(o sim.Outcome, topic string) [][]input {
	var tasks [][]input
	for _, task := range o.Processed(topic) {
		inputs := make([]input, len(task))
		for i, r := range task {
			inputs[i] = input{key: string(r.Key), at: r.Millis, Processed: r}
			inputs[i].origin = fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset)
			if err := json.Unmarshal(r.Value, &inputs[i].order); err != nil {
				panic(err)
			}
		}
		tasks = append(tasks, inputs)
	}
	if len(tasks) == 0 {
		panic("no task reads " + topic)
	}
	return tasks
}

// output writes down a record as compareOutput reads it.
func output(key string, value any, at int64) string {
	text, ok := value.(string)
	if !ok {
		data, err := json.Marshal(value)
		if err != nil {
			panic(err)
		}
		text = string(data)
	}
	return fmt.Sprintf("%s: %s @%d", key, text, at)
}

// compareOutput compares a topic with what each task should have written. A task writes the partition with its number, as keys
// stay what they were. merged says that the task has several inputs: at least once, these may have been merged in another order
// before work was done again.
func compareOutput(o sim.Outcome, topic string, want [][]string, merged bool) error {
	for p, records := range o.Read(topic) {
		got, wanted := []string{}, want[p]
		for _, r := range records {
			got = append(got, fmt.Sprintf("%s: %s @%d", r.Key, r.Value, r.Millis))
		}
		if !o.ExactlyOnce {
			got = first(got)
			unique := first(wanted)
			switch {
			case merged:
				got = slices.DeleteFunc(got, func(line string) bool { return !slices.Contains(wanted, line) })
				fallthrough
			case len(unique) < len(wanted): // repetitions cannot be told from records that are equal
				slices.Sort(got)
				slices.Sort(unique)
			}
			wanted = unique
		}
		if diff := cmp.Diff(wanted, got, cmpopts.EquateEmpty()); diff != "" {
			return fmt.Errorf("%s, partition %d: output differs (-want +got):\n%s", topic, p, diff)
		}
	}
	return nil
}

// first drops what is there again.
func first(lines []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		again := seen[line]
		seen[line] = true
		return again
	})
}
