package jointest_test

import (
	"fmt"
	"log/slog"
	"maps"
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

// throughTopic takes messages to groups through their codec, as an internal topic does.
func throughTopic(t *testing.T, next operator.Receiver[*string, operator.GroupRow[*string]]) operator.Receiver[*string, operator.GroupRow[*string]] {
	messages := operator.GroupRowCodec(codec.For[*string]())
	return receiverFunc[*string, operator.GroupRow[*string]](func(r *weir.Record[*string, operator.GroupRow[*string]]) error {
		data, err := messages.Append([]byte("in front"), &codec.Context{}, r.Value)
		if err != nil {
			t.Fatal(err)
		}
		sent := *r
		if sent.Value, err = messages.Decode(&codec.Context{}, data[len("in front"):]); err != nil {
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
		if aggregates, err = operator.NewGroups(env, "groups", "rows of groups", keys, keys, spread(target)); err != nil {
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
					operator.NewGroupTable(env, 0, "topic", codec.String(), keys, groupOf, throughTopic(t, aggregate)),
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
			if v, ok, err := rows.Row(key, operator.Latest); err != nil {
				t.Fatal(err)
			} else if ok {
				got = *v
			}
			changed.results, want = append(changed.results, got), append(want, row(key))
		}
		for _, name := range names[:3] {
			got := "none"
			if v, ok, err := aggregates.Row(&name, operator.Latest); err != nil {
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

// At least once, a crash repeats messages from any place on. The groups end with the rows of the last messages, wherever they were repeated
// from and whatever was kept by then.
func TestMessagesThatComeAgainChangeNoGroup(t *testing.T) {
	longtest.Seeds(t, longtest.Cases(300, 2_000), func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		backend := state.NewMemory()
		env := &operator.Env{
			Context: t.Context(), Logger: slog.New(slog.DiscardHandler),
			Space: func(name string) (state.Space, error) {
				return state.Space{Name: name, Backend: backend, Prefix: []byte(name + "\x00")}, nil
			},
		}
		groups, err := operator.NewGroups(env, "groups", "rows", codec.String(), codec.String(), spread(strings.ToLower))
		if err != nil {
			t.Fatal(err)
		}
		op := &operator.AggregateGroups[string, string, []string, string]{Env: env, Groups: groups, Next: &changes{}}
		type message struct {
			group string
			row   operator.GroupRow[string]
		}
		var sent []message
		rows := map[string]map[string]string{"g": {}, "h": {}}
		for i := range 30 {
			m := message{[]string{"g", "h"}[random.IntN(2)], operator.GroupRow[string]{Key: []byte{byte(random.IntN(3))}}}
			if random.IntN(3) > 0 {
				text := fmt.Sprint(i)
				m.row.Row = &text
			}
			sent = append(sent, m)
			delete(rows[m.group], string(m.row.Key))
			if m.row.Row != nil {
				rows[m.group][string(m.row.Key)] = *m.row.Row
			}
		}
		for i := 0; i < len(sent); i++ {
			if err := op.Receive(&weir.Record[string, operator.GroupRow[string]]{Key: sent[i].group, Value: sent[i].row}); err != nil {
				t.Fatal(err)
			}
			if random.IntN(8) == 0 {
				i -= random.IntN(i + 1)
			}
		}
		for name, of := range rows {
			want := strings.Join(slices.Sorted(maps.Values(of)), "+")
			if got, ok, err := groups.Row(name, operator.Latest); err != nil || ok != (len(of) > 0) || got != want {
				t.Errorf("seed %d: group %q is %q (%v, %v), want %q", seed, name, got, ok, err, want)
			}
		}
	})
}

func TestBrokenMessagesToGroupsAreRefused(t *testing.T) {
	messages := operator.GroupRowCodec(codec.String())
	for _, data := range []string{"", "\x02\x00a", "\x01", "\x00\x01", "\x01\x05ab", "\x01\xff", "\x00\x00a"} {
		if m, err := messages.Decode(&codec.Context{}, []byte(data)); err == nil {
			t.Errorf("%q is %v", data, m)
		}
	}
}
