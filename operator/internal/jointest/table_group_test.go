package jointest_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/operator/internal/operatortest"
	"github.com/weirstreams/weir/window"
)

// throughTopic takes changes through their codec, as an internal topic does.
func throughTopic(t *testing.T, next operator.Receiver[*string, operator.Change[*string]]) operator.Receiver[*string, operator.Change[*string]] {
	changes := operator.ChangeCodec(codec.For[*string]())
	return receiverFunc[*string, operator.Change[*string]](func(r *weir.Record[*string, operator.Change[*string]]) error {
		data, err := changes.Append([]byte("in front"), &codec.Context{}, r.Value)
		if err != nil {
			t.Fatal(err)
		}
		sent := *r
		if sent.Value, err = changes.Decode(&codec.Context{}, data[len("in front"):]); err != nil {
			t.Fatal(err)
		}
		return next.Receive(&sent)
	})
}

type receiverFunc[K, V any] func(*weir.Record[K, V]) error

func (f receiverFunc[K, V]) Receive(r *weir.Record[K, V]) error { return f(r) }

// spread is an aggregator that joins values in alphabetical order. Its results show lost values, and those that are there twice.
func spread[V any](text func(V) string) window.Aggregator[V, []string, string] {
	return window.CustomSubtracting(
		func() []string { return nil },
		func(acc *[]string, v V) {
			*acc = append(*acc, text(v))
			slices.Sort(*acc)
		},
		func(acc *[]string, v V) {
			if i := slices.Index(*acc, text(v)); i >= 0 {
				*acc = slices.Delete(*acc, i, i+1)
			} else {
				*acc = append(*acc, "!"+text(v))
			}
		},
		func(acc *[]string) string { return strings.Join(*acc, "+") })
}

func target(s *string) string { return *s }

// groupCase changes a table at random, filters and maps it, groups the result, and compares everything with what the rows of
// the model say. The tables are opened anew after every record in some cases.
func groupCase(t *testing.T, seed uint64) bool {
	random := rand.New(rand.NewPCG(seed, 0))
	filter := func(_, v string) bool { return len(v)%4 != 0 }
	mapped := func(key, v string) *string {
		if v[0] == 'e' {
			return nil
		}
		text := key + "/" + v
		return &text
	}
	groupOf := func(_ string, v *string) *string {
		if group := (*v)[len(*v)-1:]; group != "x" {
			return &group
		}
		return nil
	}
	backend := state.NewMemory()
	var env *operator.Env
	var changed, groups changes
	var table operator.Receiver[string, string]
	var rows *operator.MappedView[string, string, *string]
	var aggregates *operator.Groups[*string, *string, []string, string]
	open := func() {
		env = &operator.Env{
			Context: t.Context(), Logger: slog.New(slog.DiscardHandler),
			Space: func(name string) (state.Space, error) {
				return state.Space{Name: name, Backend: backend, Prefix: []byte(name + "\x00"), CacheBytes: random.Int64N(2000)}, nil
			},
		}
		of, err := operator.NewRows(env, state.NewCell[string]("rows"), codec.String())
		if err != nil {
			t.Fatal(err)
		}
		keys := codec.For[*string]()
		if aggregates, err = operator.NewGroups(env, "groups", keys, spread(target)); err != nil {
			t.Fatal(err)
		}
		filtered := &operator.MappedView[string, string, string]{Of: of, F: func(key string, row *string) (string, bool) { return *row, filter(key, *row) }}
		rows = &operator.MappedView[string, string, *string]{Of: filtered, F: operator.MapRow(mapped)}
		aggregate := &operator.AggregateGroups[*string, *string, []string, string]{Env: env, Groups: aggregates, Next: receiverFunc[*string, operator.Change[string]](
			func(r *weir.Record[*string, operator.Change[string]]) error {
				return groups.Receive(&weir.Record[string, operator.Change[string]]{Key: *r.Key, Value: r.Value, Millis: r.Millis})
			})}
		table = &operator.Table[string, string]{Env: env, Rows: of, Next: &operator.MapTable[string, string, string]{
			Env: env, View: filtered, Next: &operator.MapTable[string, string, *string]{
				Env: env, View: rows, Next: operator.FanOut([]operator.Receiver[string, operator.Change[*string]]{
					operator.NewGroupTable(env, 0, "topic", keys, groupOf, throughTopic(t, aggregate)),
					receiverFunc[string, operator.Change[*string]](func(r *weir.Record[string, operator.Change[*string]]) error {
						change := weir.Record[string, operator.Change[string]]{Key: r.Key, Millis: r.Millis}
						if old := r.Value.Old; old != nil {
							change.Value.Old = *old
						}
						if row := r.Value.New; row != nil {
							change.Value.New = *row
						}
						return changed.Receive(&change)
					}),
				}),
			},
		}}
	}
	open()
	model := map[string]string{}
	row := func(key string) string {
		v, ok := model[key]
		if !ok || !filter(key, v) || mapped(key, v) == nil {
			return "none"
		}
		return *mapped(key, v)
	}
	group := func(name string) string {
		var all []string
		for key := range model {
			if r := row(key); r != "none" && r[len(r)-1:] == name {
				all = append(all, r)
			}
		}
		slices.Sort(all)
		if all == nil {
			return "none"
		}
		return strings.Join(all, "+")
	}
	names := []string{"0", "1", "2", "x"}
	var history []string
	everyRecord := random.IntN(4) == 0
	for i := range 10 + random.IntN(30) {
		key := []string{"a", "bb", ""}[random.IntN(3)]
		r := weir.Record[string, string]{
			Key: key, Value: []string{"", "d", "e"}[random.IntN(3)] + fmt.Sprint(i, "-") + names[random.IntN(4)], Millis: int64(i), Origin: &env.Origin,
		}
		if random.IntN(4) == 0 {
			r.Value, r.ValueNull = "", true
		}
		history = append(history, fmt.Sprintf("%q %q %v", key, r.Value, r.ValueNull))
		changed.results, groups.results = nil, nil
		oldRow, old := row(key), map[string]string{}
		for _, name := range names[:3] {
			old[name] = group(name)
		}
		delete(model, key)
		if !r.ValueNull {
			model[key] = r.Value
		}
		var want, wantGroups []string
		if was, is := oldRow, row(key); was != "none" || is != "none" {
			want = []string{fmt.Sprintf("%s: %s -> %s at %d", key, was, is, i)}
			from, to := was[len(was)-1:], is[len(is)-1:]
			for _, name := range slices.Compact([]string{from, to}) { // the former group first
				if slices.Contains(names[:3], name) {
					wantGroups = append(wantGroups, fmt.Sprintf("%s: %s -> %s at %d", name, old[name], group(name), i))
				}
			}
		}
		if err := table.Receive(&r); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"a", "bb", ""} {
			got := "none"
			if v, ok, err := rows.Row(key); err != nil {
				t.Fatal(err)
			} else if ok {
				got = *v
			}
			changed.results, want = append(changed.results, got), append(want, row(key))
		}
		for _, name := range names[:3] {
			got := "none"
			if v, ok, err := aggregates.Row(&name); err != nil {
				t.Fatal(err)
			} else if ok {
				got = v
			}
			groups.results, wantGroups = append(groups.results, got), append(wantGroups, group(name))
		}
		want, got := append(want, wantGroups...), append(changed.results, groups.results...)
		if !slices.Equal(want, got) {
			t.Errorf("seed %d:\n%s\n(-want +got):\n%s", seed, strings.Join(history, "\n"), gocmp.Diff(want, got))
			return false
		}
		if everyRecord || random.IntN(6) == 0 {
			operatortest.Flush(t, backend, env.Stores)
			open()
		}
	}
	return true
}

func TestDerivedTablesAndGroupsAgreeWithTheModel(t *testing.T) {
	longtest.Seeds(t, longtest.Cases(800, 5_000), func(t *testing.T, seed uint64) { groupCase(t, seed) })
}

// A group of which rows are taken back twice, as at least once after a crash, begins anew once it is empty.
func TestAGroupBeginsAnewWhenItIsEmpty(t *testing.T) {
	backend := state.NewMemory()
	env := &operator.Env{
		Context: t.Context(), Logger: slog.New(slog.DiscardHandler),
		Space: func(name string) (state.Space, error) {
			return state.Space{Name: name, Backend: backend, Prefix: []byte{1}}, nil
		},
	}
	groups, err := operator.NewGroups(env, "groups", codec.String(), spread(strings.ToLower))
	if err != nil {
		t.Fatal(err)
	}
	var got changes
	op := &operator.AggregateGroups[string, string, []string, string]{Env: env, Groups: groups, Next: &got}
	a, b, c := "a", "b", "c"
	for _, change := range []operator.Change[string]{{New: &a}, {New: &b}, {Old: &a}, {Old: &a}, {Old: &a}, {Old: &a, New: &b}, {Old: &b, New: &c}} {
		if err := op.Receive(&weir.Record[string, operator.Change[string]]{Key: "k", Value: change}); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"k: none -> a at 0", "k: a -> a+b at 0", "k: a+b -> b at 0", "k: b -> none at 0",
		"k: none -> b at 0", "k: b -> c at 0",
	}
	if diff := gocmp.Diff(want, got.results); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBrokenChangesAreRefused(t *testing.T) {
	changes := operator.ChangeCodec(codec.String())
	for _, data := range []string{"", "\x00", "\x04a", "\x03", "\x03\x05ab", "\x03\xff"} {
		if c, err := changes.Decode(&codec.Context{}, []byte(data)); err == nil {
			t.Errorf("%q is %v", data, c)
		}
	}
}
