// Package nulltest checks that operators take the null of a format for a null. Formats of other modules have the same test.
package nulltest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

// format is a format with a value and a null, as they lie on a topic.
type format[V any] struct {
	codec       codec.Codec[V]
	value, null string
	makeNil     func() V
}

// Check runs a topology for each kind of operator, with a codec and the encodings of a value and of a null. makeNil returns a V that
// the codec writes as a null; nil stands for the V that it reads of null. A null of "nil" is a record without a value or key, for formats that have
// no null of their own.
func Check[V any](t *testing.T, name string, c codec.Codec[V], value, null string, makeNil func() V) {
	t.Helper()
	f := format[V]{c, value, null, makeNil}
	t.Run(name, func(t *testing.T) {
		t.Run("aggregation", func(t *testing.T) { nullsAreNotCounted(t, f) })
		t.Run("table", func(t *testing.T) { nullsDeleteRows(t, f) })
		t.Run("as-of join", func(t *testing.T) { nullsEndMatches(t, f) })
		t.Run("interval join", func(t *testing.T) { nullsAreRecordsOfIntervals(t, f) })
		t.Run("foreign-key join", func(t *testing.T) { nullsEndForeignMatches(t, f) })
		t.Run("output", func(t *testing.T) { nullsAreWrittenAsNull(t, f) })
		t.Run("keys", func(t *testing.T) { nullKeysArePassedOver(t, f) })
	})
}

func nullAt(ms int64) time.Time { return time.UnixMilli(1_700_000_000_000 + ms).UTC() }

// encoded returns the bytes of a text; "nil" has none.
func encoded(text string) []byte {
	if text == "nil" {
		return nil
	}
	return []byte(text)
}

// send writes texts to a topic, a millisecond apart; "nil" is a null record.
func send[V any](t *testing.T, in *testkit.Input[string, V], texts ...string) {
	t.Helper()
	for i, text := range texts {
		if err := in.TrySendBytes([]byte("k"), encoded(text), nullAt(int64(i))); err != nil {
			t.Fatal(err)
		}
	}
}

func nullsAreNotCounted[V any](t *testing.T, f format[V]) {
	in := stream.NewTopic("in", codec.String(), f.codec)
	windows, totals, reduced := stream.NewTopic("windows", codec.String(), codec.Int64()),
		stream.NewTopic("totals", codec.String(), codec.Int64()), stream.NewTopic("reduced", codec.String(), codec.Int64())
	topology := stream.NewTopology()
	s := topology.From(in)
	s.Window(window.TumblingCount(2)).Aggregate(window.Count[V]()).Final().
		Map(func(r window.Result[int64]) int64 { return r.Value }).To(windows)
	s.Aggregate("total", window.Count[V]()).To(totals)
	calls := int64(0)
	s.Reduce(store.NewCell[V]("last").WithCodec(f.codec), func(_, v V) V { calls++; return v }).Map(func(V) int64 { return calls }).To(reduced)
	d := testkit.New(t, topology, testkit.Config{})
	send(t, d.Input(in), f.value, f.null, "nil", f.value)
	d.Output(windows).ExpectValues(1, 1)
	d.Output(totals).ExpectValues(1, 2)
	d.Output(reduced).ExpectValues(0, 1)
}

func nullsDeleteRows[V any](t *testing.T, f format[V]) {
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
	d := testkit.New(t, topology, testkit.Config{})
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

func nullsEndMatches[V any](t *testing.T, f format[V]) {
	in, left := stream.NewTopic("in", codec.String(), f.codec), stream.NewTopic("left", codec.String(), codec.String())
	out := stream.NewTopic("out", codec.String(), codec.Bool())
	topology := stream.NewTopology()
	topology.From(left).LeftJoinAsOf(topology.From(in), join.AsOf{}.Grace(time.Hour), func(_ string, right *V) bool { return right != nil }).To(out)
	d := testkit.New(t, topology, testkit.Config{})
	send(t, d.Input(in), f.value)
	send(t, d.Input(left), "before")
	send(t, d.Input(in), f.value, f.null)
	send(t, d.Input(left), "", "", "", "after")
	got := d.Output(out).Values()
	if want := []bool{true, true, false, false, false}; !cmp.Equal(want, got) {
		t.Errorf("matches: want %v, got %v", want, got)
	}
}

func nullsAreWrittenAsNull[V any](t *testing.T, f format[V]) {
	in, out := stream.NewTopic("in", codec.String(), f.codec), stream.NewTopic("out", codec.String(), f.codec)
	topology := stream.NewTopology()
	s := topology.From(in)
	var written V
	if f.makeNil != nil {
		written = f.makeNil()
	} else {
		written, _ = f.codec.Decode(&codec.Context{Topic: "in", Part: codec.Value}, []byte(f.null))
	}
	s.Map(func(V) V { return written }).To(out)
	same := stream.NewTopic("same", codec.String(), f.codec)
	s.To(same)
	d := testkit.New(t, topology, testkit.Config{})
	send(t, d.Input(in), f.null)
	if r := d.Output(same).Read(); len(r) != 1 || !r[0].ValueNull {
		t.Errorf("a null that passes through: %+v", r)
	}
	// A type that cannot hold a null has none to write.
	if nuller, ok := f.codec.(codec.Nuller[V]); ok && nuller.IsNull(written) || f.makeNil != nil {
		raw := stream.NewTopic("out", codec.String(), codec.Bytes())
		if r := d.Output(raw).Read(); len(r) != 1 || !r[0].ValueNull {
			t.Errorf("a null that a function returns: %+v", r)
		}
	}
}

func nullKeysArePassedOver[V any](t *testing.T, f format[V]) {
	in, out := stream.NewTopic("in", f.codec, codec.String()), stream.NewTopic("out", f.codec, codec.Int64())
	topology := stream.NewTopology()
	topology.From(in).Aggregate("total", window.Count[string]()).To(out)
	d := testkit.New(t, topology, testkit.Config{})
	for _, key := range []string{f.value, f.null, f.value} {
		if err := d.Input(in).TrySendBytes(encoded(key), []byte("v"), nullAt(0)); err != nil {
			t.Fatal(err)
		}
	}
	d.Output(out).ExpectValues(1, 2)
}

// side is a record of an interval join.
type side struct{ Left, Right string }

func describe[K, V any](r *weir.Record[K, V]) string {
	switch {
	case r == nil:
		return "none"
	case r.ValueNull:
		return "null"
	}
	return "value"
}

// nullsAreRecordsOfIntervals checks that a record with a null value is matched as a record, and that the function is told of the null.
func nullsAreRecordsOfIntervals[V any](t *testing.T, f format[V]) {
	left, right := stream.NewTopic("left", codec.String(), f.codec), stream.NewTopic("right", codec.String(), f.codec)
	out := stream.NewTopic("out", codec.String(), codec.JSON[side]())
	topology := stream.NewTopology()
	topology.From(left).OuterJoinIntervalRecord(topology.From(right), join.Within(time.Second, time.Second),
		func(_ context.Context, l, r *weir.Record[string, V]) (side, error) {
			return side{describe(l), describe(r)}, nil
		}).To(out)
	d := testkit.New(t, topology, testkit.Config{})
	send(t, d.Input(left), f.null)
	d.Restart() // the stores are read again
	send(t, d.Input(right), f.value)
	send(t, d.Input(right), f.null)
	d.Restart()
	send(t, d.Input(left), f.value)
	d.Output(out).ExpectValues(
		side{"null", "none"}, side{"null", "value"}, side{"null", "null"}, side{"value", "value"}, side{"value", "null"},
	)
}

// nullsEndForeignMatches checks that a null deletes the row of its table, on both sides of a foreign-key join.
func nullsEndForeignMatches[V any](t *testing.T, f format[V]) {
	left, right := stream.NewTopic("left", codec.String(), f.codec), stream.NewTopic("right", codec.String(), f.codec)
	out := stream.NewTopic("out", codec.String(), codec.Bool())
	topology := stream.NewTopology()
	topology.Table(left).LeftJoinForeignKey("foreign", topology.Table(right), func(V) (string, bool) { return "k", true },
		func(_ V, r *V) bool { return r != nil }).To(out)
	d := testkit.New(t, topology, testkit.Config{})
	output := d.Output(out)
	var got []string
	read := func() {
		for _, r := range output.Read() {
			if r.ValueNull {
				got = append(got, "deleted")
			} else {
				got = append(got, fmt.Sprint(r.Value))
			}
		}
	}
	for _, change := range []struct {
		to   *testkit.Input[string, V]
		text string
	}{
		{d.Input(right), f.null},
		{d.Input(left), f.value},
		{d.Input(right), f.value},
		{d.Input(right), f.null},
		{d.Input(right), f.value},
		{d.Input(left), f.null},
		{d.Input(left), f.null},
	} {
		send(t, change.to, change.text)
		read()
	}
	if diff := cmp.Diff([]string{"false", "true", "false", "true", "deleted"}, got); diff != "" {
		t.Errorf("changes of the result (-want +got):\n%s", diff)
	}
}
