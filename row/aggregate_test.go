package row_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

// aggregateRows adds rows at the times 0, 1, 2 and so on, cut into parts that are encoded, decoded and merged.
func aggregateRows[A, R any](t *testing.T, a window.Aggregator[row.Row, A, R], rows []row.Row, parts int) R {
	t.Helper()
	acc := a.Init()
	for p := range parts {
		part := a.Init()
		for i := p * len(rows) / parts; i < (p+1)*len(rows)/parts; i++ {
			a.(window.Orderer[A, row.Row]).AddInOrder(&part, rows[i], int64(i), int64(i))
		}
		a.(window.Merger[A]).Merge(&acc, part)
		data, err := a.Codec().Append(nil, &codec.Context{Part: codec.State}, acc)
		if err != nil {
			t.Fatal(err)
		}
		for cut := range data {
			_, _ = a.Codec().Decode(&codec.Context{Part: codec.State}, data[:cut]) // must not panic
		}
		if acc, err = a.Codec().Decode(&codec.Context{Part: codec.State}, data); err != nil {
			t.Fatal(err)
		}
	}
	return a.Result(&acc)
}

func parseRows(t *testing.T, texts ...string) (rows []row.Row) {
	t.Helper()
	for _, text := range texts {
		r, err := row.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	return rows
}

func TestAggregatesPassOverMissingColumnsAndNulls(t *testing.T) {
	x := row.Col("x")
	all := row.Aggregates(row.CountRows().As("rows"), x.Count(), x.Sum(), x.Mean(), x.Min(), x.Max(), x.First(), x.Last(), x.Earliest(), x.Latest())
	for _, c := range []struct {
		rows []string
		want string
	}{
		{
			[]string{`{}`, `{"x":null}`, `{"y":1}`},
			`{"rows":3,"count":0,"sum":0,"mean":null,"min":null,"max":null,"first":null,"last":null,"earliest":null,"latest":null}`,
		},
		{
			[]string{`{}`, `{"x":3}`, `{"x":null}`, `{"x":-1}`, `{"y":7}`, `{"x":1}`, `{}`},
			`{"rows":7,"count":3,"sum":3,"mean":1.0,"min":-1,"max":3,"first":3,"last":1,"earliest":3,"latest":1}`,
		},
		{
			[]string{`{"x":1}`, `{"x":0.5}`, `{"x":0}`},
			`{"rows":3,"count":3,"sum":1.5,"mean":0.5,"min":0,"max":1,"first":1,"last":0,"earliest":1,"latest":0}`,
		},
		{ // beyond 64 bits, and of floats that cancel
			[]string{`{"x":9223372036854775807}`, `{"x":9223372036854775807}`, `{"x":2}`},
			`{"rows":3,"count":3,"sum":1.8446744073709552e+19,"mean":6.148914691236517e+18,"min":2,"max":9223372036854775807,"first":9223372036854775807,"last":2,"earliest":9223372036854775807,"latest":2}`,
		},
		{
			[]string{`{"x":1e100}`, `{"x":1.0}`, `{"x":-1e100}`},
			`{"rows":3,"count":3,"sum":1.0,"mean":0.3333333333333333,"min":-1e+100,"max":1e+100,"first":1e+100,"last":-1e+100,"earliest":1e+100,"latest":-1e+100}`,
		},
	} {
		rows := parseRows(t, c.rows...)
		want := parseRows(t, c.want)[0]
		for parts := 1; parts <= len(rows); parts++ {
			if got := aggregateRows(t, all, rows, parts); !got.Equal(want) || strings.Join(got.Columns(), " ") != strings.Join(want.Columns(), " ") {
				t.Errorf("%v in %d parts:\ngot  %v\nwant %v", c.rows, parts, got, want)
			}
		}
	}
	texts := row.Aggregates(x.Count(), x.Min(), x.Max(), x.First(), x.Last())
	want := parseRows(t, `{"count":3,"min":"","max":"b","first":"a","last":""}`)[0]
	for parts := 1; parts <= 4; parts++ {
		if got := aggregateRows(t, texts, parseRows(t, `{"x":"a"}`, `{}`, `{"x":"b"}`, `{"x":""}`), parts); !got.Equal(want) {
			t.Errorf("texts in %d parts: got %v, want %v", parts, got, want)
		}
	}
	if got := aggregateRows(t, row.Col("a").Key("b").Sum(), parseRows(t, `{"a":{"b":1}}`, `{"a":{}}`, `{}`, `{"a":{"b":4}}`), 2); !got.Equal(row.Int(5)) {
		t.Errorf("the sum in nested rows is %v, want 5", got)
	}
	nan := []row.Row{row.New(row.F("x", 1.0)), row.New(row.F("x", math.NaN())), row.New(row.F("x", 2.0))}
	for parts := 1; parts <= 3; parts++ {
		for _, a := range []row.Aggregate{x.Min(), x.Max(), x.Sum(), x.Mean()} {
			if got, err := row.As[float64](aggregateRows(t, a, nan, parts)); err != nil || got == got {
				t.Errorf("%v in %d parts is %v, error %v, want NaN", a, parts, got, err)
			}
		}
	}
}

// EX-11: several aggregates in the windows of a stream, with the bounds of the window in the same row.
func TestAggregatesOfAStreamOfRows(t *testing.T) {
	in := stream.NewTopic("in", codec.String(), row.JSON())
	out := stream.NewTopic("out", codec.String(), row.JSON())
	lists := stream.NewTopic("lists", codec.String(), codec.JSON[window.Result[[]row.Value]]())
	x := row.Col("x")
	topology := stream.NewTopology()
	rows := topology.From(in)
	rows.Window(window.Tumbling(10 * time.Millisecond)).
		Aggregate(row.Aggregates(row.CountRows().As("n"), x.Sum().As("s"), x.Mean().As("m"), x.First().As("f"), x.Latest().As("l"))).
		Final().Map(row.WithBounds).To(out)
	rows.Window(window.Tumbling(10 * time.Millisecond).Name("lists")).Aggregate(x.Collect()).Final().To(lists)
	driver := testkit.New(t, topology, testkit.Config{})
	for _, r := range []struct {
		at   int64
		text string
	}{{1, `{"x":2}`}, {2, `{"x":null}`}, {5, `{"x":4}`}, {3, `{"x":6}`}, {4, `{}`}, {12, `{"x":1}`}} {
		driver.Input(in).Send("k", parseRows(t, r.text)[0], time.UnixMilli(r.at))
		driver.Restart()
	}
	if diff := cmp.Diff(`[{"n":5,"s":12,"m":4.0,"f":2,"l":4,"start":0,"end":10}]`, textOfRows(driver.Output(out).Values())); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	collected := driver.Output(lists).Values()
	if len(collected) != 1 || !row.List(collected[0].Value...).Equal(row.List(row.Int(2), row.Int(6), row.Int(4))) {
		t.Errorf("collected %v, want 2, 6, 4", collected)
	}
}

func textOfRows(rows []row.Row) string {
	texts := make([]string, len(rows))
	for i := range rows {
		texts[i] = rows[i].String()
	}
	return "[" + strings.Join(texts, ",") + "]"
}

func TestAggregatesRefuseValuesOfOtherKinds(t *testing.T) {
	x := row.Col("x")
	for _, c := range []struct {
		a    row.Aggregate
		rows []string
		want string
	}{
		{x.Sum(), []string{`{"x":"a"}`}, "sum of x: not defined for string"},
		{x.Mean(), []string{`{"x":true}`}, "mean of x: not defined for bool"},
		{x.Min(), []string{`{"x":1}`, `{"x":"a"}`}, "min of x: not defined for string and integer"},
		{x.Max(), []string{`{"x":"a"}`, `{"x":1.5}`}, "max of x: not defined for string and float"},
	} {
		func() {
			defer func() {
				if err, ok := recover().(error); !ok || err.Error() != c.want {
					t.Errorf("%v of %v: %v, want %q", c.a, c.rows, err, c.want)
				}
			}()
			aggregateRows(t, c.a, parseRows(t, c.rows...), 1)
		}()
	}
	for _, parts := range [][]row.Aggregate{nil, {x.Sum(), row.Col("y").Sum()}} {
		if err := row.Aggregates(parts...).(interface{ Validate() error }).Validate(); err == nil {
			t.Errorf("%v: no error", parts)
		}
	}
}
