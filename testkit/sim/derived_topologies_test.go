package sim_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit/sim"
	"github.com/weirstreams/weir/window"
)

// derived are topologies with tables that are made of others, and with versioned stores. They are not among the others: the seeds of those would mean other topologies.
var derived = []topologyOf{
	{name: "groups of a table", build: groupsOfTable, inputs: []string{"orders"}, check: checkGroupsOfTable},
	{name: "groups of a table and crashes", build: groupsOfTable, inputs: []string{"orders"}, check: checkGroupsAfterCrashes},
	{name: "versions", build: versionsOfOrders, inputs: []string{"orders"}, check: checkVersions},
	{name: "cogroup", build: cogroupOfOrders, inputs: []string{"orders", "returns"}, check: checkCogroup},
	{name: "versioned table", build: versionedReturns, inputs: []string{"orders", "returns"}, check: checkVersionedTable},
}

// crashes are the faults that leave no process behind that writes for tasks it has lost.
const crashes = sim.Crash | sim.DiskLoss | sim.DiskError | sim.Compaction | sim.SlowPartition | sim.UserError

func derivedSimulation(seed uint64) (*sim.Simulation, topologyOf) {
	t := derived[seed%uint64(len(derived))]
	s := &sim.Simulation{Inputs: inputs(t.inputs), Faults: sim.AllFaults}
	if t.name == "groups of a table and crashes" {
		s.Faults = crashes
	}
	s.Topology = t.build(s.Faulty)
	s.Check = func(o sim.Outcome) error {
		if err := t.check(o); err != nil {
			return fmt.Errorf("independent model: %w", err)
		}
		return nil
	}
	return s, t
}

// groupsOfTable adds up the rows of shops, and then the shops with equal numbers of rows: what is a group in one step is a row in the next.
func groupsOfTable(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	sold := rowsThatGo(t.From(orders), "sold").
		Filter(func(_ string, o *order) bool { return o.Amount%7 != 0 }).
		Map(func(_ string, o *order) order { return check(faulty, order{o.ID, o.Shop, o.Amount + 1}) })
	shops := sold.GroupBy("shop", func(_ string, o order) string { return o.Shop }).Aggregate("shops", window.Combine2(
		window.Count[order](), window.Sum(func(o order) int { return o.Amount }),
		func(n int64, sum int) line { return line{ID: int(n), Total: sum} }))
	shops.To(lines)
	shops.GroupBy("count", func(_ string, l line) string { return fmt.Sprint(l.ID) }).
		Aggregate("counts", window.Sum(func(l line) int { return check(faulty, l.Total) })).
		Map(func(_ string, sum int) line { return line{Total: sum} }).To(closed)
	return t
}

// groupMessage is a message of a topic of grouped rows: the amount of the row, unless it has left the group.
type groupMessage struct {
	group, row string
	amount     *int
	at         int64
}

// groupMessages decodes what the tasks that read a topic of grouped rows have processed. amount is that of an encoded row.
func groupMessages(o sim.Outcome, topic string, amount func(data []byte) int) [][]groupMessage {
	var tasks [][]groupMessage
	for _, task := range o.Processed(topic) {
		var messages []groupMessage
		for _, r := range task {
			there, data := r.Value[0] == 1, r.Value[1:]
			length, n := binary.Uvarint(data)
			m := groupMessage{group: string(r.Key), row: string(data[n : n+int(length)]), at: r.Millis}
			if there {
				l := amount(data[n+int(length):])
				m.amount = &l
			}
			messages = append(messages, m)
		}
		tasks = append(tasks, messages)
	}
	if len(tasks) == 0 {
		panic("no task reads " + topic)
	}
	return tasks
}

// decoded decodes JSON.
func decoded[T any](data []byte) (v T) {
	if err := json.Unmarshal(data, &v); err != nil {
		panic(err)
	}
	return v
}

// checkGroupsOfTable computes the results from the messages of the groups and, exactly once, the last ones from the last rows.
func checkGroupsOfTable(o sim.Outcome) error {
	type group map[string]int // amounts by row
	total := func(g group) (sum int) {
		for _, amount := range g {
			sum += amount
		}
		return sum
	}
	for _, step := range []struct {
		topic, out string
		amount     func(data []byte) int
		result     func(group) line
	}{
		{
			"repartition__sim--repartition.orders.sold--shop", "lines",
			func(data []byte) int { return decoded[order](data).Amount },
			func(g group) line { return line{ID: len(g), Total: total(g)} },
		},
		{
			"repartition__sim--repartition.repartition.orders.sold.shop--count", "closed",
			func(data []byte) int { return decoded[line](data).Total },
			func(g group) line { return line{Total: total(g)} },
		},
	} {
		var want [][]string
		for _, task := range groupMessages(o, step.topic, step.amount) {
			groups := map[string]group{}
			var results []string
			for _, m := range task {
				g := groups[m.group]
				if g == nil {
					g = group{}
					groups[m.group] = g
				}
				before := len(g)
				delete(g, m.row)
				if m.amount != nil {
					g[m.row] = *m.amount
				}
				switch {
				case len(g) > 0 && (m.amount != nil || len(g) < before):
					results = append(results, output(m.group, step.result(g), m.at))
				case len(g) < before:
					results = append(results, output(m.group, "", m.at))
				}
			}
			want = append(want, results)
		}
		if err := compareOutput(o, step.out, want, false); err != nil {
			return err
		}
	}
	if !o.ExactlyOnce { // a process that has lost its tasks may write an older message behind a newer one
		return nil
	}
	return checkGroupsOfRows(o)
}

// checkGroupsAfterCrashes also computes the last results from the last rows, under both guarantees.
func checkGroupsAfterCrashes(o sim.Outcome) error {
	return errors.Join(checkGroupsOfTable(o), checkGroupsOfRows(o))
}

// checkGroupsOfRows computes the last results from the last rows.
func checkGroupsOfRows(o sim.Outcome) error {
	rows := map[string]order{}
	for _, partition := range o.Read("orders") {
		for _, r := range partition {
			rows[string(r.Key)] = decoded[order](r.Value)
		}
	}
	shops, counts := map[string]line{}, map[string]line{}
	for _, row := range rows {
		if row.Amount%5 != 0 && row.Amount%7 != 0 {
			shops[row.Shop] = line{ID: shops[row.Shop].ID + 1, Total: shops[row.Shop].Total + row.Amount + 1}
		}
	}
	for _, l := range shops {
		count := fmt.Sprint(l.ID)
		counts[count] = line{Total: counts[count].Total + l.Total}
	}
	for topic, want := range map[string]map[string]line{"lines": shops, "closed": counts} {
		last := map[string][]byte{}
		for _, partition := range o.Read(topic) {
			for _, r := range partition {
				last[string(r.Key)] = r.Value
			}
		}
		for group, value := range last {
			if l, ok := want[group]; ok != (value != nil) || ok && decoded[line](value) != l {
				return fmt.Errorf("%s: the last result of %q is %q, and its rows make %+v (there are any: %v)", topic, group, value, l, ok)
			}
			delete(want, group)
		}
		if len(want) > 0 {
			return fmt.Errorf("%s: no results of the groups %v", topic, want)
		}
	}
	return nil
}

const keptVersions = 30 // milliseconds

var rates = store.NewVersioned[int]("versions", keptVersions*time.Millisecond)

// versionsOfOrders puts the amounts of orders at times around their own, deletes some, and looks at former ones.
func versionsOfOrders(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	t.From(orders).MapStateRecord(rates, func(_ context.Context, v *store.Versioned[int], r weir.Record[string, order]) (line, error) {
		n := r.Value.Amount
		at := r.Time().Add(time.Duration(n%40-30) * time.Millisecond)
		put := n%4 > 0 && v.Put(n, at) || n%4 == 0 && v.Delete(at)
		latest, _ := v.Get()
		former, _ := v.AsOf(r.Time().Add(-time.Duration(n%25) * time.Millisecond))
		return check(faulty, line{ID: latest, Total: former, Origin: fmt.Sprint(put)}), nil
	}).To(lines)
	return t
}

// asOf returns the version of a time, 0 if it was deleted or is gone.
func asOf(versions map[int]int, at int, now lives) (value int) {
	for _, time := range slices.Sorted(maps.Keys(versions)) {
		switch {
		case time <= at:
			value = versions[time]
		case time+keptVersions <= now.reached:
			return 0
		default:
			return value
		}
	}
	return value
}

// checkVersions keeps all versions of each key, and computes the results from them.
func checkVersions(o sim.Outcome) error {
	var want [][]string
	for _, task := range inputsOf(o, "orders") {
		all := map[string]map[int]int{}
		var now lives
		var results []string
		for _, r := range task {
			n, at := r.Amount, int(r.at)
			now.record(at)
			now.until(at, 0)
			if all[r.key] == nil {
				all[r.key] = map[int]int{}
			}
			time := at + n%40 - 30
			put := time >= now.reached-keptVersions
			if put && n%4 > 0 {
				all[r.key][time] = n
			} else if put {
				all[r.key][time] = 0
			}
			results = append(results, output(r.key, line{ID: asOf(all[r.key], forever, now), Total: asOf(all[r.key], at-n%25, now), Origin: fmt.Sprint(put)}, r.at))
		}
		want = append(want, results)
	}
	return compareOutput(o, "lines", want, false)
}

// cogroupOfOrders keeps one account for the orders and the returns of a key, which some orders close.
func cogroupOfOrders(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	fold := func(sign int) func(*line, order) *line {
		return func(account *line, o order) *line {
			if o.Amount%5 == 0 && sign > 0 {
				return check[*line](faulty, nil)
			}
			if account == nil {
				account = &line{}
			}
			return check(faulty, &line{ID: account.ID + 1, Total: account.Total + sign*o.Amount})
		}
	}
	stream.Cogroup("accounts", stream.Fold(t.From(orders), fold(1)), stream.Fold(t.From(returns), fold(-1))).
		Map(func(_ string, account *line) line { return *account }).To(lines)
	return t
}

// checkCogroup folds the records of both topics.
func checkCogroup(o sim.Outcome) error {
	var want [][]string
	for _, task := range inputsOf(o, "orders") {
		accounts := map[string]line{}
		var results []string
		for _, r := range task {
			account, ok := accounts[r.key]
			switch {
			case r.Topic == "returns":
				account.Total -= r.Amount
			case r.Amount%5 != 0:
				account.Total += r.Amount
			default:
				delete(accounts, r.key)
				if ok {
					results = append(results, output(r.key, "", r.at))
				}
				continue
			}
			account.ID++
			accounts[r.key] = account
			results = append(results, output(r.key, account, r.at))
		}
		want = append(want, results)
	}
	return compareOutput(o, "lines", want, true)
}

var pastReturns = store.NewVersioned[*order]("past", keptVersions*time.Millisecond)

// versionedReturns joins orders with the returns of their time. Some returns delete the row.
func versionedReturns(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	returned := stream.VersionedTableOf(t.From(returns).Map(func(o order) *order {
		if o.Amount%5 == 0 {
			return nil
		}
		return &o
	}), pastReturns)
	returned.Map(func(_ string, o *order) line { return check(faulty, line{ID: o.ID, Total: o.Amount}) }).To(closed)
	t.From(orders).LeftJoinTable(returned.Map(func(_ string, o *order) int { return o.Amount }), func(o order, amount *int) line {
		l := line{ID: o.ID}
		if amount != nil {
			l.Total = *amount
		}
		return check(faulty, l)
	}).To(lines)
	return t
}

// checkVersionedTable keeps all returns by their times.
func checkVersionedTable(o sim.Outcome) error {
	var joined, changed [][]string
	for _, task := range inputsOf(o, "orders") {
		past := map[string]map[int]int{}
		var now lives
		var ofJoin, ofTable []string
		for _, r := range task {
			at := int(r.at)
			if r.Topic == "orders" {
				ofJoin = append(ofJoin, output(r.key, line{ID: r.ID, Total: asOf(past[r.key], at, now)}, r.at))
				continue
			}
			now.record(at)
			now.until(at, 0)
			if at < now.reached-keptVersions {
				continue
			}
			if past[r.key] == nil {
				past[r.key] = map[int]int{}
			}
			latest, is := asOf(past[r.key], forever, now), r.Amount
			if r.Amount%5 == 0 {
				is = 0
			}
			newest := !slices.ContainsFunc(slices.Collect(maps.Keys(past[r.key])), func(time int) bool { return time > at })
			past[r.key][at] = is
			switch {
			case newest && is != 0:
				ofTable = append(ofTable, output(r.key, line{ID: r.ID, Total: is}, r.at))
			case newest && latest != 0:
				ofTable = append(ofTable, output(r.key, "", r.at))
			}
		}
		joined, changed = append(joined, ofJoin), append(changed, ofTable)
	}
	return errors.Join(compareOutput(o, "lines", joined, true), compareOutput(o, "closed", changed, true))
}

// Tables that are made of others are what their rows say: for seeds that are the same every time, and for fresh ones, for a third of -duration.
func TestDerivedTablesOfSeeds(t *testing.T) {
	runSeeds(t, func(seed uint64) (*sim.Simulation, string) {
		s, topology := derivedSimulation(seed)
		return s, topology.name
	}, *fixed/5, *duration/3)
}
