package sim_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

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
	d := join.Grace(40 * time.Millisecond)
	left.LeftJoinAsOf(right, d, func(l order, r *order) order { return pairOf(faulty, &l, r) }).To(out)
	left.JoinAsOfRecord(right, d.Name("kept").KeepDuplicates().Tolerance(10*time.Millisecond),
		func(l stream.Record[string, order], r stream.Matched[order]) line {
			return line{ID: l.Value.ID*1000 + r.Value.ID, Origin: l.Origin.Topic, Offset: l.Origin.Offset}
		}).To(lines)
	return t
}

func nearestJoin(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	left, right := t.From(orders), t.From(returns)
	d := join.Grace(40 * time.Millisecond).Tolerance(8 * time.Millisecond)
	left.LeftJoinAsOf(right, d.Nearest(), func(l order, r *order) order { return pairOf(faulty, &l, r) }).To(out)
	left.JoinAsOf(right, d.Forward().Name("forward"), func(l, r order) line { return line{ID: l.ID*1000 + r.ID} }).To(lines)
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
	sold := left.Table("sold")
	returned := right.Table("returned")
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
	return s.Map(func(o order) *order {
		if o.Amount%5 == 0 {
			return nil
		}
		return &o
	}).GroupByKey(name).Table(name)
}

// foreignKeySelfJoin joins the orders of customers with those of others.
func foreignKeySelfJoin(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	sold := t.From(orders).Table("sold")
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
