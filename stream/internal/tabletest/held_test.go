package tabletest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// counts is a stream of values that are state: one map for each key, which every record changes.
func counts(s stream.Stream[string, string]) stream.Stream[string, map[string]int] {
	return s.MapState(store.NewCell[map[string]int]("counts"), func(c *store.Cell[map[string]int], v string) map[string]int {
		count, ok := c.Get()
		if !ok {
			count = map[string]int{}
		}
		count[v]++
		c.Set(count)
		return count
	})
}

// Joins and tables keep values as they were when they came, also those that are state and change afterwards.
func TestKeptValuesDoNotChangeWithTheStateThatTheyCameFrom(t *testing.T) {
	type counted = map[string]int
	leftText := func(l counted, r *string) string { return fmt.Sprint(l, *r) }
	rightText := func(l string, r *counted) string { return fmt.Sprint(*r, l) }
	asOf := join.AsOf{}.Grace(time.Hour)
	for _, test := range []struct {
		name  string
		build func(changing stream.Stream[string, counted], other stream.Stream[string, string]) stream.Stream[string, string]
		other []int64 // times of the records of the other stream, which come last; the others are of 1000 and 1001
		want  []string
	}{
		{"left values of an as-of join that wait", func(c stream.Stream[string, counted], o stream.Stream[string, string]) stream.Stream[string, string] {
			return c.LeftJoinAsOf(o, asOf.Forward().Tolerance(time.Second), leftText)
		}, []int64{1500}, []string{"map[a:1]x", "map[a:2]x"}},
		{"left values of an as-of join that wait by the clock", func(c stream.Stream[string, counted], o stream.Stream[string, string]) stream.Stream[string, string] {
			return c.LeftJoinAsOf(o, asOf.Forward().Tolerance(time.Second).Wait(time.Minute), leftText)
		}, []int64{1500}, []string{"map[a:1]x", "map[a:2]x"}},
		{"right values of an as-of join", func(c stream.Stream[string, counted], o stream.Stream[string, string]) stream.Stream[string, string] {
			return o.LeftJoinAsOf(c, asOf, rightText)
		}, []int64{1000, 1001}, []string{"map[a:1]x", "map[a:2]x"}},
		{"left values of an interval join", func(c stream.Stream[string, counted], o stream.Stream[string, string]) stream.Stream[string, string] {
			return c.JoinInterval(o, join.Within(time.Second, time.Second), func(l counted, r string) string { return leftText(l, &r) })
		}, []int64{1500}, []string{"map[a:1]x", "map[a:2]x"}},
		{"right values of an interval join", func(c stream.Stream[string, counted], o stream.Stream[string, string]) stream.Stream[string, string] {
			return o.JoinInterval(c, join.Within(time.Second, time.Second), func(l string, r counted) string { return rightText(l, &r) })
		}, []int64{1500}, []string{"map[a:1]x", "map[a:2]x"}},
		{"rows of a table", func(c stream.Stream[string, counted], o stream.Stream[string, string]) stream.Stream[string, string] {
			odd := c.Filter(func(l counted) bool { return l["a"]%2 == 1 })
			return o.LeftJoinTable(stream.TableOf(odd, "odd"), rightText)
		}, []int64{1500}, []string{"map[a:1]x"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			topology := stream.NewTopology()
			test.build(counts(topology.From(pages)), topology.From(words)).To(cities)
			d := testkit.New(t, topology, testkit.Config{})
			for _, at := range []int64{1000, 1001} {
				d.Input(pages).Send("k", "a", time.UnixMilli(at))
			}
			for _, at := range test.other {
				d.Input(words).Send("k", "x", time.UnixMilli(at))
			}
			d.Output(cities).ExpectValues(test.want...)
		})
	}
}
