package stream_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

// dash is a format of integers, written as text, in which "-" says null. Its type cannot hold a null.
type dash struct{}

func (dash) Append(dst []byte, _ *codec.Context, v int64) ([]byte, error) {
	if v == noNumber {
		return append(dst, '-'), nil
	}
	return strconv.AppendInt(dst, v, 10), nil
}

func (dash) Decode(_ *codec.Context, data []byte) (int64, error) {
	return strconv.ParseInt(string(data), 10, 64) // which fails for "-"
}

func (dash) IsNullEncoding(_ *codec.Context, data []byte) bool { return string(data) == "-" }

// noNumber is a number that dash writes as a null.
const noNumber = -1 << 63

// nullFormat is a format with a value and a null, as they lie on a topic.
type nullFormat[V any] struct {
	codec       codec.Codec[V]
	value, null string
}

// A null is a null, whatever the format and whatever the operator.
func TestNullOfAFormatIsNullEverywhere(t *testing.T) {
	checkNulls(t, "JSON of a pointer", nullFormat[*int64]{codec.JSON[*int64](), "7", "null"})
	checkNulls(t, "JSON of an integer", nullFormat[int64]{codec.JSON[int64](), "7", " null\n"})
	checkNulls(t, "JSON of a struct", nullFormat[struct{ A int }]{codec.JSON[struct{ A int }](), `{"A":1}`, "null"})
	checkNulls(t, "JSON of anything", nullFormat[any]{codec.JSON[any](), `{"a":1}`, "null"})
	checkNulls(t, "JSON of a map", nullFormat[map[string]int]{codec.JSON[map[string]int](), `{"a":1}`, "null"})
	checkNulls(t, "rows", nullFormat[row.Row]{row.JSON(), `{"a":1}`, "null"})
	checkNulls(t, "values of rows", nullFormat[row.Value]{codec.JSON[row.Value](), `{"a":1}`, "null"})
	checkNulls(t, "nullable", nullFormat[*int64]{codec.Nullable(codec.JSON[int64]()), "7", "null"})
	checkNulls(t, "a format of my own", nullFormat[int64]{dash{}, "7", "-"})
}

func checkNulls[V any](t *testing.T, name string, f nullFormat[V]) {
	t.Run(name, func(t *testing.T) {
		t.Run("aggregation", func(t *testing.T) { nullsAreNotCounted(t, f) })
		t.Run("table", func(t *testing.T) { nullsDeleteRows(t, f) })
		t.Run("as-of join", func(t *testing.T) { nullsEndMatches(t, f) })
		t.Run("output", func(t *testing.T) { nullsAreWrittenAsNull(t, f) })
		t.Run("keys", func(t *testing.T) { nullKeysArePassedOver(t, f) })
	})
}

func nullAt(ms int64) time.Time { return time.UnixMilli(1_700_000_000_000 + ms).UTC() }

// send writes texts to a topic, a millisecond apart; "nil" is a null record.
func send[V any](t *testing.T, in *testkit.Input[string, V], texts ...string) {
	t.Helper()
	for i, text := range texts {
		value := []byte(text)
		if text == "nil" {
			value = nil
		}
		if err := in.TrySendBytes([]byte("k"), value, nullAt(int64(i))); err != nil {
			t.Fatal(err)
		}
	}
}

func nullsAreNotCounted[V any](t *testing.T, f nullFormat[V]) {
	in := stream.NewTopic("in", codec.String(), f.codec)
	windows, totals, reduced := stream.NewTopic("windows", codec.String(), codec.Int64()),
		stream.NewTopic("totals", codec.String(), codec.Int64()), stream.NewTopic("reduced", codec.String(), codec.Int64())
	topology := stream.NewTopology()
	s := topology.From(in)
	s.Window(window.TumblingCount(2)).Aggregate(window.Count[V]()).Final().
		Map(func(r window.Result[int64]) int64 { return r.Value }).To(windows)
	s.Aggregate("total", window.Count[V]()).To(totals)
	calls := int64(0)
	s.Reduce(store.NewCell("last", store.WithCodec(f.codec)), func(_, v V) V { calls++; return v }).Map(func(V) int64 { return calls }).To(reduced)
	d := testkit.New(t, topology)
	send(t, d.Input(in), f.value, f.null, "nil", f.value)
	d.Output(windows).ExpectValues(1, 1)
	d.Output(totals).ExpectValues(1, 2)
	d.Output(reduced).ExpectValues(0, 1)
}

func nullsDeleteRows[V any](t *testing.T, f nullFormat[V]) {
	in := stream.NewTopic("in", codec.String(), f.codec)
	left := stream.NewTopic("left", codec.String(), codec.String())
	out := stream.NewTopic("out", codec.String(), codec.String())
	states := stream.NewTopic("states", codec.String(), f.codec)
	topology := stream.NewTopology()
	table, global := topology.Table(in), topology.GlobalTable(stream.NewTopic("global", codec.String(), f.codec))
	table.LeftJoin(topology.Table(left), func(V, *string) string { return "row" }).To(out)
	topology.From(stream.NewTopic("asked", codec.String(), codec.String())).
		LeftJoinGlobal(global, func(key string) string { return key }, func(_ string, row *V) string { return fmt.Sprint(row != nil) }).To(stream.NewTopic("answers", codec.String(), codec.String()))
	table.To(states)
	d := testkit.New(t, topology)
	send(t, d.Input(stream.NewTopic("global", codec.String(), f.codec)), f.value, f.null)
	send(t, d.Input(in), f.value, f.null, f.null)
	var got []bool
	for _, r := range d.Output(out).Read() {
		got = append(got, r.ValueNull)
	}
	if diff := cmp.Diff([]bool{false, true}, got); diff != "" {
		t.Errorf("which changes of the joined table are deletions (-want +got):\n%s", diff)
	}
	got = nil
	for _, r := range d.Output(states).Read() {
		got = append(got, r.ValueNull)
	}
	if diff := cmp.Diff([]bool{false, true}, got); diff != "" {
		t.Errorf("which changes of the table are deletions (-want +got):\n%s", diff)
	}
	send(t, d.Input(stream.NewTopic("asked", codec.String(), codec.String())), "k")
	d.Output(stream.NewTopic("answers", codec.String(), codec.String())).ExpectValues("false")
}

func nullsEndMatches[V any](t *testing.T, f nullFormat[V]) {
	in, left := stream.NewTopic("in", codec.String(), f.codec), stream.NewTopic("left", codec.String(), codec.String())
	out := stream.NewTopic("out", codec.String(), codec.Bool())
	topology := stream.NewTopology()
	topology.From(left).LeftJoinAsOf(topology.From(in), join.Grace(time.Hour), func(_ string, right *V) bool { return right != nil }).To(out)
	d := testkit.New(t, topology)
	send(t, d.Input(in), f.value)
	send(t, d.Input(left), "before")
	send(t, d.Input(in), f.value, f.null)
	send(t, d.Input(left), "", "", "", "after")
	got := d.Output(out).Values()
	if want := []bool{true, true, false, false, false}; !cmp.Equal(want, got) {
		t.Errorf("matches: want %v, got %v", want, got)
	}
}

func nullsAreWrittenAsNull[V any](t *testing.T, f nullFormat[V]) {
	in, out := stream.NewTopic("in", codec.String(), f.codec), stream.NewTopic("out", codec.String(), f.codec)
	topology := stream.NewTopology()
	s := topology.From(in)
	s.Map(func(V) V {
		v, _ := f.codec.Decode(&codec.Context{}, []byte(f.null))
		if d, ok := any(&v).(*int64); ok && f.null == "-" {
			*d = noNumber
		}
		return v
	}).To(out)
	same := stream.NewTopic("same", codec.String(), f.codec)
	s.To(same)
	d := testkit.New(t, topology)
	send(t, d.Input(in), f.null)
	if r := d.Output(same).Read(); len(r) != 1 || !r[0].ValueNull {
		t.Errorf("a null that passes through: %+v", r)
	}
	// A type that cannot hold a null has none to write.
	if _, ok := f.codec.(codec.Nuller[V]); ok || f.null == "-" {
		raw := stream.NewTopic("out", codec.String(), codec.Bytes())
		if r := d.Output(raw).Read(); len(r) != 1 || !r[0].ValueNull {
			t.Errorf("a null that a function returns: %+v", r)
		}
	}
}

func nullKeysArePassedOver[V any](t *testing.T, f nullFormat[V]) {
	in, out := stream.NewTopic("in", f.codec, codec.String()), stream.NewTopic("out", f.codec, codec.Int64())
	topology := stream.NewTopology()
	topology.From(in).Aggregate("total", window.Count[string]()).To(out)
	d := testkit.New(t, topology)
	for _, key := range []string{f.value, f.null, f.value} {
		if err := d.Input(in).TrySendBytes([]byte(key), []byte("v"), nullAt(0)); err != nil {
			t.Fatal(err)
		}
	}
	d.Output(out).ExpectValues(1, 2)
}

// Nulls that functions return count as nulls in what follows, too.
func TestNilOfAFunctionIsNull(t *testing.T) {
	in := stream.NewTopic("in", codec.String(), codec.Int64())
	counts, rows, updated := stream.NewTopic("counts", codec.String(), codec.Int64()), stream.NewTopic("rows", codec.String(), codec.String()),
		stream.NewTopic("updated", codec.String(), codec.Nullable(codec.Int64()))
	topology := stream.NewTopology()
	odd := topology.From(in).Map(func(v int64) *int64 {
		if v%2 == 0 {
			return nil
		}
		return &v
	})
	odd.Aggregate("total", window.Count[*int64]()).To(counts)
	odd.Update(func(v *int64) { *v++ }).To(updated)
	stream.TableOf(odd, "odd").LeftJoin(topology.Table(stream.NewTopic("right", codec.String(), codec.String())), func(l *int64, _ *string) *string {
		if *l == 3 {
			return nil
		}
		text := fmt.Sprint(*l)
		return &text
	}).Stream().MapRecord(func(_ context.Context, r weir.Record[string, *string]) (string, error) {
		if r.ValueNull {
			return "gone", nil
		}
		return *r.Value, nil
	}).To(rows)
	d := testkit.New(t, topology)
	for i, v := range []int64{1, 2, 2, 5, 3, 7} {
		d.Input(in).Send("k", v, nullAt(int64(i)))
	}
	d.Output(counts).ExpectValues(1, 2, 3, 4)
	d.Output(rows).ExpectValues("1", "gone", "5", "gone", "7")
	if got := d.Output(updated).Read(); len(got) != 6 || !got[1].ValueNull || *got[5].Value != 8 {
		t.Errorf("updated: %+v", got)
	}
}

func TestStateThatIsSetToNullIsDeleted(t *testing.T) {
	in, out := stream.NewTopic("in", codec.String(), codec.Int64()), stream.NewTopic("out", codec.String(), codec.Bool())
	cell, list := store.NewCell[*int64]("cell"), store.NewMap[string, *int64]("map")
	topology := stream.NewTopology()
	s := topology.From(in)
	s.MapState(cell, func(state *store.Cell[*int64], v int64) bool {
		_, had := state.Get()
		state.Set(nil)
		if v > 0 {
			state.Set(&v)
		}
		return had
	}).To(out)
	fields := stream.NewTopic("fields", codec.String(), codec.Bool())
	s.MapState(list, func(state *store.Map[string, *int64], v int64) bool {
		had := state.Has("f")
		if v > 0 {
			state.Set("f", &v)
		} else {
			state.SetFor("f", nil, time.Hour)
		}
		return had
	}).To(fields)
	d := testkit.New(t, topology)
	for i, v := range []int64{1, 0, 0, 2} {
		d.Input(in).Send("k", v, nullAt(int64(i)))
		d.Restart()
	}
	d.Output(out).ExpectValues(false, true, false, false)
	d.Output(fields).ExpectValues(false, true, false, false)
}
