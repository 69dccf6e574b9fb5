package row_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

var (
	trades = stream.NewTopic("trades", codec.String(), row.JSON())
	quotes = stream.NewTopic("quotes", codec.String(), row.JSON())
	priced = stream.NewTopic("priced", codec.String(), row.JSON())
)

// pricing sends a trade that comes after a quote, and prints what a join makes of them.
func pricing(t *stream.Topology) {
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		send := func(topic stream.Topic[string, row.Row], second int64, text string) {
			r, err := row.Parse(text)
			if err != nil {
				fmt.Println(err)
			}
			if err := d.Input(topic).TrySendRecords(testkit.Record[string, row.Row]{Key: "ACME", Value: r, Time: time.Unix(second, 0)}); err != nil {
				fmt.Println("error:", errors.Unwrap(err))
			}
		}
		send(quotes, 1, `{"bid": 99, "source": "feed"}`)
		send(trades, 2, `{"source": "desk", "size": 10}`)
		for _, r := range d.Output(priced).Read() {
			fmt.Println(r.Value)
		}
	})
	_ = err // an error of the topology was printed
}

func ExampleMergeKeepLeft() {
	t := stream.NewTopology()
	t.From(trades).JoinAsOf(t.From(quotes), join.AsOf{}.Grace(time.Hour), row.MergeKeepLeft).To(priced)

	pricing(t)
	// Output: {"bid":99,"source":"desk","size":10}
}

func ExampleMergeKeepRight() {
	t := stream.NewTopology()
	t.From(trades).LeftJoinAsOf(t.From(quotes), join.AsOf{}.Grace(time.Hour), row.MergeKeepRight).To(priced)

	pricing(t)
	// Output: {"source":"feed","size":10,"bid":99}
}

func ExampleMergeDistinct() {
	t := stream.NewTopology()
	t.From(trades).JoinAsOfRecord(t.From(quotes), join.AsOf{}.Grace(time.Hour), mergeMatch).To(priced)

	pricing(t)
	// Output: error: both sides of the join have source: rename or drop columns, or merge with MergeKeepLeft or MergeKeepRight
}

func mergeMatch(_ context.Context, trade weir.Record[string, row.Row], quote join.Matched[row.Row]) (row.Row, error) {
	return row.MergeDistinct(trade.Value, quote.Value)
}

// EX-44, J-6: null counts as a row without columns; what is kept of the right side comes first if the left one counts.
func TestRowsAreMerged(t *testing.T) {
	for _, c := range []struct{ left, right, keepLeft, keepRight, duplicates string }{
		{`{"a":1,"b":2}`, `{"b":3,"c":4}`, `{"b":2,"c":4,"a":1}`, `{"a":1,"b":3,"c":4}`, "[b]"},
		{`{"z":1,"a":2}`, `{"a":null,"z":4,"c":5}`, `{"a":2,"z":1,"c":5}`, `{"z":4,"a":null,"c":5}`, "[a z]"},
		{`{"a":1}`, `{"b":2}`, `{"b":2,"a":1}`, `{"a":1,"b":2}`, ""},
		{`{"a":1}`, `null`, `{"a":1}`, `{"a":1}`, ""},
		{`null`, `{"b":2}`, `{"b":2}`, `{"b":2}`, ""},
		{`null`, `null`, `{}`, `{}`, ""},
	} {
		parse := func(text string) row.Row {
			if text == "null" {
				return row.Row{}
			}
			r, err := row.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		left, right := parse(c.left), parse(c.right)
		before := [2]string{left.String(), right.String()}
		pointer := func(r row.Row) *row.Row {
			if r.IsNil() {
				return nil
			}
			return &r
		}
		for i, got := range []row.Row{
			row.MergeKeepLeft(left, right), row.MergeKeepLeft(left, pointer(right)), row.MergeKeepLeft(pointer(left), pointer(right)),
			row.MergeKeepRight(left, right), row.MergeKeepRight(pointer(left), right), row.MergeKeepRight(pointer(left), pointer(right)),
		} {
			want := c.keepLeft
			if i >= 3 {
				want = c.keepRight
			}
			if got.String() != want {
				t.Errorf("%s and %s: %s, want %s", c.left, c.right, got, want)
			}
		}
		got, err := row.MergeDistinct(left, pointer(right))
		var duplicates *row.DuplicateColumnsError
		if c.duplicates == "" {
			if err != nil || got.String() != c.keepRight {
				t.Errorf("%s and %s: %s, %v", c.left, c.right, got, err)
			}
		} else if !errors.As(err, &duplicates) || fmt.Sprint(duplicates.Columns) != c.duplicates {
			t.Errorf("%s and %s: %v, want %s", c.left, c.right, err, c.duplicates)
		}
		if diff := cmp.Diff(before, [2]string{left.String(), right.String()}); diff != "" {
			t.Errorf("the sides have changed (-want +got):\n%s", diff)
		}
	}
}

// The functions fit all joins: this has only to compile, and to be valid.
func TestMergesFitAllJoins(t *testing.T) {
	topology := stream.NewTopology()
	l, r := topology.From(trades), topology.From(quotes)
	asOf, interval := join.AsOf{}.Grace(time.Hour), join.Within(time.Second, time.Second)
	for i, s := range []stream.Stream[string, row.Row]{
		l.JoinAsOf(r, asOf.Name("a"), row.MergeKeepLeft), l.LeftJoinAsOf(r, asOf.Name("b"), row.MergeKeepRight),
		l.JoinAsOfRecord(r, asOf.Name("c"), mergeMatch),
		l.JoinInterval(r, interval.Name("e"), row.MergeKeepLeft), l.LeftJoinInterval(r, interval.Name("f"), row.MergeKeepLeft),
		l.RightJoinInterval(r, interval.Name("g"), row.MergeKeepLeft), l.OuterJoinInterval(r, interval.Name("h"), row.MergeKeepRight),
	} {
		s.To(stream.NewTopic(fmt.Sprint("out-", i), codec.String(), row.JSON()))
	}
	left, right := stream.TableOf(l, "left"), stream.TableOf(r, "right")
	l.JoinTable(right, row.MergeKeepLeft).Peek(func(row.Row) {})
	l.LeftJoinTable(right, row.MergeKeepRight).Peek(func(row.Row) {})
	left.Join(right, row.MergeKeepLeft).Stream().Peek(func(row.Row) {})
	left.LeftJoin(right, row.MergeKeepRight).Stream().Peek(func(row.Row) {})
	left.OuterJoin(right, row.MergeKeepRight).Stream().Peek(func(row.Row) {})
	if err := topology.Validate(); err != nil {
		t.Error(err)
	}
}

// The cost of a merge is the memory of its row.
func BenchmarkMergeKeepLeft(b *testing.B) {
	left := row.New(row.F("a", 1), row.F("b", 2), row.F("c", 3))
	right := row.New(row.F("c", 4), row.F("d", 5), row.F("e", 6))
	b.ReportAllocs()
	for b.Loop() {
		row.MergeKeepLeft(left, &right)
	}
}
