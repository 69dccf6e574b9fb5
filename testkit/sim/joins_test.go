package sim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit/sim"
)

// pairOf makes an output of two orders, of which one may be missing.
func pairOf(faulty func() error, l, r *order) order {
	var o order
	if l != nil {
		o.ID = l.ID * 1000
		o.Shop = l.Shop
	}
	if r != nil {
		o.ID += r.ID
		o.Amount = r.Amount
	}
	return check(faulty, o)
}

func asOfJoin(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	left, right := t.From(orders), t.From(returns)
	d := join.AsOf{}.Grace(40 * time.Millisecond)
	left.LeftJoinAsOf(right, d, func(l order, r *order) order { return pairOf(faulty, &l, r) }).To(out)
	left.JoinAsOfRecord(right, d.Name("kept").KeepDuplicates().Tolerance(10*time.Millisecond),
		func(_ context.Context, l weir.Record[string, order], r join.Matched[order]) (line, error) {
			return line{ID: l.Value.ID*1000 + r.Value.ID, Origin: l.Origin.Topic, Offset: l.Origin.Offset}, nil
		}).To(lines)
	return t
}

func nearestJoin(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	left, right := t.From(orders), t.From(returns)
	d := join.AsOf{}.Grace(40 * time.Millisecond).Tolerance(8 * time.Millisecond)
	left.LeftJoinAsOf(right, d.Nearest(), func(l order, r *order) order { return pairOf(faulty, &l, r) }).To(out)
	left.JoinAsOf(right, d.Forward().Name("forward"), func(l, r order) line { return line{ID: l.ID*1000 + r.ID} }).To(lines)
	return t
}

// waitingAsOfJoins have records that wait by the clock, for longer than the world goes on, so that the results do not depend on the time.
func waitingAsOfJoins(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	left, right := t.From(orders), t.From(returns)
	d := join.AsOf{}.Grace(40 * time.Millisecond).Wait(6 * time.Hour)
	joined := left.LeftJoinAsOf(right, d.Tolerance(10*time.Millisecond), func(l order, r *order) order { return pairOf(faulty, &l, r) })
	joined.To(out)
	left.JoinAsOf(right, d.Nearest().Name("nearest").MaxPerKey(3, join.SettleOldest), func(l, r order) line { return line{ID: l.ID*1000 + r.ID} }).To(lines)
	return t
}

func intervalJoin(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	left := t.From(orders).GroupBy("shop", func(o order) string { return o.Shop })
	right := t.From(returns).GroupBy("shop", func(o order) string { return o.Shop })
	d := join.Within(5*time.Millisecond, 3*time.Millisecond).Grace(20 * time.Millisecond)
	left.OuterJoinInterval(right, d.UnmatchedWhenFinal(), func(l, r *order) order { return pairOf(faulty, l, r) }).To(out)
	left.LeftJoinInterval(right, d.Name("left"), func(l order, r *order) line { return line{ID: pairOf(faulty, &l, r).ID} }).To(lines)
	return t
}

func selfJoin(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	s := t.From(orders)
	s.JoinInterval(s, join.Within(4*time.Millisecond, 0).Grace(10*time.Millisecond), func(l, r order) order { return pairOf(faulty, &l, &r) }).To(out)
	return t
}

// tables joins two tables, and looks rows of the result up.
func tables(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	left, right := t.From(orders), t.From(returns)
	sold := stream.TableOf(left, "sold")
	returned := stream.TableOf(right, "returned")
	sold.OuterJoin(returned, func(l, r *order) order { return pairOf(faulty, l, r) }).To(out)
	left.LeftJoinTable(sold.Join(returned, func(l, r order) line { return line{ID: l.ID*1000 + r.ID} }), func(o order, l *line) line {
		if l == nil {
			return line{Offset: int64(o.ID)}
		}
		return line{ID: l.ID, Offset: int64(o.ID)}
	}).To(lines)
	return t
}

// foreignKeyJoin joins orders, which come and go, with the latest return of their shop, and those with it once more: both tables
// lie behind an internal topic.
func foreignKeyJoin(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	sold := rowsThatGo(t.From(orders), "sold")
	returned := rowsThatGo(t.From(returns).GroupBy("shop", func(o order) string { return o.Shop }), "returned")
	joined := sold.LeftJoinForeignKey("shop", returned,
		func(o *order) (string, bool) { return o.Shop, o.Amount%6 != 0 },
		func(l *order, r **order) order {
			if r == nil {
				return pairOf(faulty, l, nil)
			}
			return pairOf(faulty, l, *r)
		})
	joined.To(out)
	joined.JoinForeignKey("neighbour", returned,
		func(o order) (string, bool) { return fmt.Sprint("shop ", o.ID%4), true },
		func(l order, r *order) line { return line{ID: l.ID, Total: r.ID} }).To(lines)
	return t
}

// rowsThatGo is a table of which some rows are deleted.
func rowsThatGo(s stream.Stream[string, order], name string) stream.Table[string, *order] {
	return stream.TableOf(s.Map(func(o order) *order {
		if o.Amount%5 == 0 {
			return nil
		}
		return &o
	}).GroupByKey(name), name)
}

// foreignKeySelfJoin joins the orders of customers with those of others.
func foreignKeySelfJoin(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	sold := stream.TableOf(t.From(orders), "sold")
	sold.JoinForeignKey("other", sold,
		func(o order) (string, bool) { return fmt.Sprint("customer ", o.Amount%4), o.Amount%3 != 0 },
		func(l, r order) order { return pairOf(faulty, &l, &r) }).To(out)
	return t
}

// checkForeignKeySelfJoin finds the join of the final tables in the output: exactly once as the last result of each key, at least
// once among the results, of which older ones may have been repeated.
func checkForeignKeySelfJoin(o sim.Outcome) error {
	rows := map[string]order{}
	for _, partition := range o.Read("orders") {
		for _, r := range partition {
			var row order
			if err := json.Unmarshal(r.Value, &row); err != nil {
				return err
			}
			rows[string(r.Key)] = row
		}
	}
	results := map[string][]int{} // 0 is none
	for _, partition := range o.Read("out") {
		for _, r := range partition {
			var result order
			if r.Value != nil {
				if err := json.Unmarshal(r.Value, &result); err != nil {
					return err
				}
			}
			results[string(r.Key)] = append(results[string(r.Key)], result.ID)
		}
	}
	for key, row := range rows {
		want := 0
		if other, ok := rows[fmt.Sprint("customer ", row.Amount%4)]; ok && row.Amount%3 != 0 {
			want = 1000*row.ID + other.ID
		}
		got := append([]int{0}, results[key]...)
		if got[len(got)-1] != want && (o.ExactlyOnce || !slices.Contains(got, want)) {
			return fmt.Errorf("the result of %s in the end is %d, and not %d: all were %v", key, got[len(got)-1], want, got)
		}
	}
	return nil
}

var directory = stream.NewTopic("shops", codec.String(), codec.JSON[order]())

// globalTable looks up shops of orders, before a repartition and behind it. Of a row it uses what never changes.
func globalTable(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	table := t.GlobalTable(directory)
	named := t.From(orders).LeftJoinGlobal(table, func(o order) string { return o.Shop }, func(o order, shop *order) order {
		if shop == nil {
			return check(faulty, order{o.ID, "nowhere", o.Amount})
		}
		return order{o.ID, shop.Shop, o.Amount}
	})
	named.To(out)
	again := named.GroupBy("name", func(o order) string { return o.Shop }).
		JoinGlobal(table, func(o order) string { return strings.TrimPrefix(o.Shop, "name of ") }, func(o, shop order) order {
			return check(faulty, order{o.ID, shop.Shop, o.Amount})
		})
	running(again, total, faulty).To(lines)
	return t
}

// lookupJoin looks up the names of shops, before a repartition and behind it. Some shops have none. Whoever knows the names does
// not always answer, or not in time, and sometimes fails.
func lookupJoin(faulty func() error) *stream.Topology {
	failures, away := 0, 0
	names := join.Cached(join.LookupFunc[string, string](func(_ context.Context, shops []string, found []*string) error {
		if away > 0 {
			away--
			return &weir.RetryLaterError{}
		}
		if err := faulty(); err != nil {
			switch failures++; failures % 4 {
			case 0:
				return err
			case 2:
				return context.DeadlineExceeded
			}
			away = 12
			return &weir.RetryLaterError{Err: err}
		}
		for i, shop := range shops {
			if !strings.HasSuffix(shop, "1") {
				name := "name of " + shop
				found[i] = &name
			}
		}
		return nil
	}), join.CacheConfig{Size: 2, Now: func() time.Time { return time.Time{} }})
	t := stream.NewTopology()
	named := t.From(orders).LeftJoinLookup(names, func(o order) string { return o.Shop }, func(o order, name *string) order {
		if name == nil {
			return check(faulty, order{o.ID, "nowhere", o.Amount})
		}
		return order{o.ID, *name, o.Amount}
	})
	named.To(out)
	again := named.GroupBy("name", func(o order) string { return o.Shop }).
		JoinLookup(names, func(o order) string { return strings.TrimPrefix(o.Shop, "name of ") }, func(o order, name string) order {
			return check(faulty, order{o.ID, name, o.Amount})
		})
	running(again, total, faulty).To(lines)
	return t
}

// shopRows makes rows of some shops. Each has a name from the start; the rest of the row changes, before processes run and
// later. Some shops never have a row, some lose it before, and rows that nobody asks for come and go all the time.
func shopRows(r *rand.Rand, keys int) sim.Input {
	in := sim.Input{Topic: directory.Name()}
	var kept []string
	set := func(key string, row *order) {
		record := sim.Record{Key: []byte(key)}
		if row != nil {
			var err error
			if record.Value, err = json.Marshal(row); err != nil {
				panic(err)
			}
		}
		in.Records = append(in.Records, record)
	}
	version := 0
	row := func(key string) *order {
		version++
		return &order{ID: version, Shop: "name of " + key, Amount: r.IntN(100)}
	}
	for i := range keys {
		key := fmt.Sprint("shop ", i)
		what := r.IntN(4)
		if what > 0 {
			set(key, row(key))
		}
		switch what {
		case 1:
			set(key, nil)
		case 2, 3:
			kept = append(kept, key)
		}
	}
	for range r.IntN(60) {
		key := fmt.Sprint("nobody's ", r.IntN(5))
		if len(kept) > 0 && r.IntN(2) == 0 {
			key = kept[r.IntN(len(kept))]
		}
		switch {
		case strings.HasPrefix(key, "nobody") && r.IntN(3) == 0:
			set(key, nil)
		default:
			set(key, row(key))
		}
		if r.IntN(2) == 0 || in.Later > 0 {
			in.Later++
		}
	}
	return in
}

// bufferedLookupJoins has records that wait for rows that never come, and so for the clock, in two tasks behind each other. All of
// a key that wait are looked up again with each record that has a row, to no avail: what comes of it depends on no time.
func bufferedLookupJoins(faulty func() error) *stream.Topology {
	lookup := join.LookupFunc[int, string](func(_ context.Context, amounts []int, found []*string) error {
		if err := faulty(); err != nil {
			return &weir.RetryLaterError{Err: err}
		}
		for i, amount := range amounts {
			if amount%3 != 0 {
				name := fmt.Sprint("amount ", amount)
				found[i] = &name
			}
		}
		return nil
	})
	joined := func(o order, name *string) order {
		if name == nil {
			return order{o.ID, o.Shop + ", no name", o.Amount + 1}
		}
		return order{o.ID, o.Shop + ", " + *name, o.Amount + 2}
	}
	amount := func(o order) int { return o.Amount }
	t := stream.NewTopology()
	t.From(orders).
		LeftJoinLookup(join.Buffered(lookup, 700*time.Millisecond).Name("first"), amount, joined).
		GroupBy("amount", func(o order) string { return fmt.Sprint(o.Amount % 5) }).
		LeftJoinLookup(join.Buffered(lookup, 3*time.Second).Name("second"), amount, joined).
		To(out)
	return t
}
