package sim_test

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/weirstreams/weir/testkit/sim"
)

// checkRunning is the model of sums per key, which are forgotten now and then, of the input of some tasks. change returns the value
// that is added up for a record, and false if it is dropped.
func checkRunning(o sim.Outcome, from, to string, merged bool, change func(in input) (order, bool)) error {
	var want [][]string
	for _, task := range inputsOf(o, from) {
		var lines []string
		sums := map[string]int{}
		for _, r := range task {
			value, ok := change(r)
			if !ok {
				continue
			}
			sum := sums[r.key] + value.Amount
			if sums[r.key] = sum; value.Amount%10 == 0 {
				delete(sums, r.key)
			}
			lines = append(lines, output(r.key, line{value.ID, sum, fmt.Sprint(r.Topic, r.Partition), r.Offset}, r.at))
		}
		want = append(want, lines)
	}
	return compareOutput(o, to, want, merged)
}

func unchanged(r input) (order, bool) { return r.order, true }

// checkTables is the model of the topology "tables": rows are never deleted.
func checkTables(o sim.Outcome) error {
	var joined, lookedUp [][]string
	for _, task := range inputsOf(o, "orders") {
		var ofJoin, ofLookup []string
		sold, returned := map[string]*input{}, map[string]*input{}
		for _, r := range task {
			if r.Topic == "orders" {
				sold[r.key] = &r
			} else {
				returned[r.key] = &r
			}
			left, right := sold[r.key], returned[r.key]
			ofJoin = append(ofJoin, output(r.key, pair(left, right), r.at))
			if r.Topic != "orders" {
				continue
			}
			l := line{Offset: int64(r.ID)}
			if right != nil {
				l.ID = 1000*left.ID + right.ID
			}
			ofLookup = append(ofLookup, output(r.key, l, r.at))
		}
		joined, lookedUp = append(joined, ofJoin), append(lookedUp, ofLookup)
	}
	if err := compareOutput(o, "out", joined, true); err != nil {
		return err
	}
	return compareOutput(o, "lines", lookedUp, true)
}

// checkDuplicates is the model of the topology "duplicates".
func checkDuplicates(o sim.Outcome) error {
	var greatest, sums [][]string
	for _, task := range inputsOf(o, "orders") {
		var ofReduce, ofSum []string
		type id struct {
			key    string
			amount int
		}
		seen, best, total := map[id]expiring{}, map[string]order{}, map[string]int{}
		bestUntil := map[string]expiring{}
		var seenTime, bestTime lives
		for _, r := range task {
			at, this := int(r.at), id{r.key, r.Amount % 6}
			seenTime.record(at)
			if seenTime.get(seen[this]) != 0 {
				continue
			}
			seen[this] = expiring{1, seenTime.until(at, 20)}
			bestTime.record(at)
			b, next := best[r.key], r.order
			if bestTime.get(bestUntil[r.key]) != 0 && next.Amount <= b.Amount {
				next = order{b.ID, b.Shop, b.Amount - 1}
			}
			best[r.key], bestUntil[r.key] = next, expiring{1, bestTime.until(at, 30)}
			total[r.key] += r.Amount
			ofReduce = append(ofReduce, output(r.key, next, r.at))
			ofSum = append(ofSum, output(r.key, line{0, total[r.key], fmt.Sprint(r.Topic, r.Partition), r.Offset}, r.at))
		}
		greatest, sums = append(greatest, ofReduce), append(sums, ofSum)
	}
	if err := compareOutput(o, "out", greatest, false); err != nil {
		return err
	}
	return compareOutput(o, "lines", sums, false)
}

// The repartition topics in front of the tables of the topology "foreign-key join".
const (
	soldTopic     = "repartition__sim--orders--sold"
	returnedTopic = "repartition__sim--repartition.returns.shop--returned"
)

// versions are the rows that each key of a table has had, the present one last; nil is a deleted row.
type versions map[string][]*order

func versionsOf(o sim.Outcome, topic string) versions {
	rows := versions{}
	for _, task := range o.Processed(topic) {
		for _, r := range task {
			if r.Topic != topic {
				continue
			}
			var row *order
			if r.Value != nil {
				if err := json.Unmarshal(r.Value, &row); err != nil {
					panic(err)
				}
			}
			rows[string(r.Key)] = append(rows[string(r.Key)], row)
		}
	}
	return rows
}

func (v versions) last(key string) *order {
	if all := v[key]; len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}

// place returns which version of a key has an ID, or -1.
func (v versions) place(key string, id int) int {
	return slices.IndexFunc(v[key], func(row *order) bool { return row != nil && row.ID == id })
}

// checkForeignKeyJoin is the model of the topology "foreign-key join": each result is that of rows that were there at some time,
// those of one key never go back in time, and the last one is that of the rows that are there in the end. At least once,
// results may be repeated in another order.
func checkForeignKeyJoin(o sim.Outcome) error {
	sold, returned := versionsOf(o, soldTopic), versionsOf(o, returnedTopic)
	foreign := func(left *order) string {
		if left.Amount%6 == 0 {
			return ""
		}
		return left.Shop
	}
	joined := map[string]order{}
	for key := range sold {
		left := sold.last(key)
		if left == nil {
			continue
		}
		row := order{ID: 1000 * left.ID, Shop: left.Shop}
		if right := returned.last(foreign(left)); right != nil {
			row.ID, row.Amount = row.ID+right.ID, right.Amount
		}
		joined[key] = row
	}
	results := map[string][]*order{}
	for _, partition := range o.Read("out") {
		for _, r := range partition {
			var row *order
			if r.Value != nil {
				if err := json.Unmarshal(r.Value, &row); err != nil {
					return err
				}
			}
			results[string(r.Key)] = append(results[string(r.Key)], row)
		}
	}
	for key, rows := range results {
		reachedLeft, reachedRight := -1, -1
		for _, row := range rows {
			if row == nil {
				continue
			}
			l, r := sold.place(key, row.ID/1000), -1
			if l < 0 || row.Shop != sold[key][l].Shop {
				return fmt.Errorf("out: the result %+v of %q has no left row", *row, key)
			}
			if id := row.ID % 1000; id != 0 {
				shop := foreign(sold[key][l])
				if r = returned.place(shop, id); r < 0 || row.Amount != returned[shop][r].Amount {
					return fmt.Errorf("out: the result %+v of %q has no right row of %q", *row, key, shop)
				}
			}
			if l > reachedLeft {
				reachedLeft, reachedRight = l, -1
			}
			if o.ExactlyOnce && (l < reachedLeft || r >= 0 && r < reachedRight) {
				return fmt.Errorf("out: the results of %q go back in time at %+v", key, *row)
			}
			reachedRight = max(reachedRight, r)
		}
	}
	same := func(got *order, want order, ok bool) bool {
		return got == nil && !ok || got != nil && ok && *got == want
	}
	for key := range sold {
		want, ok := joined[key]
		got := append([]*order{nil}, results[key]...)
		if last := got[len(got)-1]; !same(last, want, ok) && (o.ExactlyOnce || !slices.ContainsFunc(got, func(row *order) bool { return same(row, want, ok) })) {
			return fmt.Errorf("out: the result of %q in the end is %+v, and not %+v (there is one: %v)", key, last, want, ok)
		}
	}
	neighbours := map[string][]line{}
	for _, partition := range o.Read("lines") {
		for _, r := range partition {
			var l line
			if r.Value != nil {
				if err := json.Unmarshal(r.Value, &l); err != nil {
					return err
				}
			}
			neighbours[string(r.Key)] = append(neighbours[string(r.Key)], l)
		}
	}
	for key := range sold {
		var want line
		if row, ok := joined[key]; ok {
			if right := returned.last(fmt.Sprint("shop ", row.ID%4)); right != nil {
				want = line{ID: row.ID, Total: right.ID}
			}
		}
		got := append([]line{{}}, neighbours[key]...)
		if last := got[len(got)-1]; last != want && (o.ExactlyOnce || !slices.Contains(got, want)) {
			return fmt.Errorf("lines: the result of %q in the end is %+v, and not %+v", key, last, want)
		}
	}
	return nil
}
