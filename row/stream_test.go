package row_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

var (
	rowsIn  = stream.NewTopic("in", codec.String(), row.JSON())
	rowsOut = stream.NewTopic("out", codec.String(), row.JSON())
	at      = time.UnixMilli(1_700_000_000_000).UTC()
)

type (
	rowStream = stream.Stream[string, row.Row]
	rowRecord = testkit.Record[string, row.Row]
)

// through runs records through what declare adds, and returns what comes out.
func through(t *testing.T, declare func(rowStream) rowStream, in ...rowRecord) ([]rowRecord, error) {
	t.Helper()
	topology := stream.NewTopology()
	declare(topology.From(rowsIn)).To(rowsOut)
	d := testkit.New(t, topology, testkit.Config{})
	out := d.Output(rowsOut)
	err := d.Input(rowsIn).TrySendRecords(in...)
	return out.Read(), err
}

func TestStreamsOfRowsKeepKeyTimeAndHeaders(t *testing.T) {
	headers := []weir.Header{{Key: "h", Value: []byte("1")}, {Key: "h", Value: nil}}
	for name, declare := range map[string]func(rowStream) rowStream{
		"select": func(s rowStream) rowStream { return s.MapWith(row.Select("a")) },
		"assign": func(s rowStream) rowStream { return s.MapWith(row.Assign("a", row.Col("a").Add(0))) },
		"drop":   func(s rowStream) rowStream { return s.MapWith(row.DropExisting("b")) },
		"fill":   func(s rowStream) rowStream { return s.MapWith(row.Fill(row.F("a", 0))) },
		"rename": func(s rowStream) rowStream { return s.MapWith(row.Rename("a", "b")).MapWith(row.Rename("b", "a")) },
		"where":  func(s rowStream) rowStream { return s.FilterWith(row.Where(row.Col("a").Gt(0))) },
	} {
		t.Run(name, func(t *testing.T) {
			in := []rowRecord{
				{Key: "k", Value: parse(t, `{"a":1}`), Time: at, Headers: headers},
				{KeyNull: true, Value: parse(t, `{"a":2}`), Time: at.Add(time.Second)},
			}
			got, err := through(t, declare, in...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(in, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNullValuesStayNullWhereThatIsNoError(t *testing.T) {
	tombstone := rowRecord{Key: "k", ValueNull: true, Time: at}
	got, err := through(t, func(s rowStream) rowStream {
		return s.MapWith(row.Fill(row.F("a", 1))).MapWith(row.DropExisting("b"))
	}, tombstone)
	if diff := cmp.Diff([]rowRecord{tombstone}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := through(t, func(s rowStream) rowStream { return s.MapWith(row.Select("a")) }, tombstone); err == nil {
		t.Error("columns of nothing are selected")
	}
}

func TestErrorsAndPanicsNameTheOperator(t *testing.T) {
	for name, c := range map[string]struct {
		declare func(rowStream) rowStream
		want    string
	}{
		"missing":   {func(s rowStream) rowStream { return s.MapWith(row.Select("x")) }, `map-1 (row/stream_test.go:`},
		"condition": {func(s rowStream) rowStream { return s.FilterWith(row.Where(row.Col("a").Gt("x"))) }, `filter-1 (row/stream_test.go:`},
		"panic": {func(s rowStream) rowStream {
			return s.MapWith(row.Assign("b", row.Col("a").Apply(func(int) int { panic("oh") })))
		}, `panic: oh`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := through(t, c.declare, rowRecord{Key: "k", Value: parse(t, `{"a":1}`), Time: at})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	var column *row.ColumnError
	_, err := through(t, func(s rowStream) rowStream { return s.MapWith(row.Select("x")) }, rowRecord{Key: "k", Value: parse(t, `{"a":1}`), Time: at})
	if !errors.As(err, &column) || column.Columns[0] != "a" {
		t.Errorf("%v is not about the column", err)
	}
}

// D-34, EX-55 as far as it is about results: a condition and a column of one stream, used on branches.
func TestEX55ConditionsAndColumnsAcrossBranches(t *testing.T) {
	condition := row.Where(row.Col("x").Gt(1))
	got, err := through(t, func(s rowStream) rowStream {
		a := s.FilterWith(condition)
		b := s.MapWith(row.Assign("z", row.Col("x").Add(1))).FilterWith(condition)
		return a.Merge(b)
	}, rowRecord{Key: "k", Value: parse(t, `{"x":1}`), Time: at}, rowRecord{Key: "k", Value: parse(t, `{"x":2}`), Time: at})
	if err != nil {
		t.Fatal(err)
	}
	want := []rowRecord{{Key: "k", Value: parse(t, `{"x":2}`), Time: at}, {Key: "k", Value: parse(t, `{"x":2,"z":3}`), Time: at}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// EX-3: what a branch changes the other does not see.
func TestEX3BranchesDoNotShareChanges(t *testing.T) {
	got, err := through(t, func(s rowStream) rowStream {
		return s.MapWith(row.Assign("a", 1)).Merge(s)
	}, rowRecord{Key: "k", Value: parse(t, `{}`), Time: at})
	want := []rowRecord{{Key: "k", Value: parse(t, `{"a":1}`), Time: at}, {Key: "k", Value: parse(t, `{}`), Time: at}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestRowsAreGroupedByAColumn(t *testing.T) {
	topology := stream.NewTopology()
	out := stream.NewTopic("customers", codec.Int64(), row.JSON())
	customer := row.Column[int64]("customer")
	topology.From(rowsIn).GroupByRecord("customer", func(ctx context.Context, r weir.Record[string, row.Row]) (int64, error) {
		return customer(ctx, r.Value)
	}).To(out)
	d := testkit.New(t, topology, testkit.Config{Partitions: 3})
	output := d.Output(out)
	d.Input(rowsIn).Send("k", parse(t, `{"customer":7,"n":1.0}`), at)
	output.Expect(testkit.Record[int64, row.Row]{Key: 7, Value: parse(t, `{"customer":7,"n":1.0}`), Time: at})
}
