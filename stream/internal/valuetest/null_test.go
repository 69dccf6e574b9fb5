package valuetest_test

import (
	"context"
	"fmt"
	"reflect"
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

func nullAt(ms int64) time.Time { return time.UnixMilli(1_700_000_000_000 + ms).UTC() }

// Nulls that functions return count as nulls for the next operators, too.
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
	d := testkit.New(t, topology, testkit.Config{})
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
	d := testkit.New(t, topology, testkit.Config{})
	for i, v := range []int64{1, 0, 0, 2} {
		d.Input(in).Send("k", v, nullAt(int64(i)))
		d.Restart()
	}
	d.Output(out).ExpectValues(false, true, false, false)
	d.Output(fields).ExpectValues(false, true, false, false)
}

// A lookup that finds a nil row has found none, whatever the form of the nil.
func TestANilRowOfALookupIsNoMatch(t *testing.T) {
	var number *int
	checkNilRow(t, "pointer", new(int), nil)
	checkNilRow(t, "map", map[string]int{}, nil)
	checkNilRow(t, "row", row.New(), row.Row{})
	checkNilRow(t, "slice", []string{}, nil)
	checkNilRow[any](t, "interface", 1, nil)
	checkNilRow[any](t, "nil pointer in an interface", new(int), number)
}

func checkNilRow[R any](t *testing.T, name string, some, none R) {
	t.Run(name, func(t *testing.T) {
		lookup := join.LookupFunc[string, R](func(_ context.Context, queries []string, found []*R) error {
			for i, q := range queries {
				switch q {
				case "some":
					found[i] = &some
				case "none":
					found[i] = &none
				}
			}
			return nil
		})
		in, left, inner := stream.NewTopic("in", codec.String(), codec.String()), stream.NewTopic("left", codec.String(), codec.Bool()),
			stream.NewTopic("inner", codec.String(), codec.String())
		buffered, defaults := stream.NewTopic("buffered", codec.String(), codec.Bool()), stream.NewTopic("defaults", codec.String(), codec.Bool())
		topology := stream.NewTopology()
		s := topology.From(in)
		query := func(v string) string { return v }
		matched := func(_ string, r *R) bool { return r != nil }
		s.LeftJoinLookup(lookup, query, matched).To(left)
		s.JoinLookup(lookup, query, func(v string, _ R) string { return v }).To(inner)
		s.LeftJoinLookup(join.Buffered(lookup, time.Minute), query, matched).To(buffered)
		s.LeftJoinLookup(join.WithDefault(lookup, some), query, func(_ string, r *R) bool { return r == nil || !reflect.DeepEqual(*r, some) }).To(defaults)
		d := testkit.New(t, topology, testkit.Config{})
		for _, v := range []string{"some", "none", "neither"} {
			d.Input(in).Send(v, v, nullAt(0))
		}
		d.Output(left).ExpectValues(true, false, false)
		d.Output(inner).ExpectValues("some")
		d.Output(defaults).ExpectValues(false, false, false)
		d.Output(buffered).ExpectValues(true) // the others wait
	})
}

// A null has no id: it is no duplicate of a zero value, nor the other way round.
func TestANullIsNoDuplicateOfTheZeroValue(t *testing.T) {
	in, out := stream.NewTopic("in", codec.String(), codec.JSON[int64]()), stream.NewTopic("out", codec.String(), codec.JSON[int64]())
	raw := stream.NewTopic("in", codec.String(), codec.String())
	topology := stream.NewTopology()
	topology.From(in).Deduplicate("seen", time.Hour, func(v int64) int64 { return v }).To(out)
	d := testkit.New(t, topology, testkit.Config{})
	for i, text := range []string{"null", "0", "7", "null", "0"} {
		d.Input(raw).Send("k", text, time.UnixMilli(int64(i)))
	}
	var nulls int
	var values []int64
	for _, r := range d.Output(out).Read() {
		if r.ValueNull {
			nulls++
		} else {
			values = append(values, r.Value)
		}
	}
	if diff := cmp.Diff([]int64{0, 7}, values); diff != "" || nulls != 2 {
		t.Errorf("%d nulls; values (-want +got):\n%s", nulls, diff)
	}
}
