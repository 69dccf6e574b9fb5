package jointest_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/operator/internal/operatortest"
)

// changes keeps what a table emits.
type changes struct{ results []string }

func (g *changes) Receive(r *weir.Record[string, operator.Change[string]]) error {
	text := func(s *string) string {
		if s == nil {
			return "none"
		}
		return *s
	}
	g.results = append(g.results, fmt.Sprintf("%s: %s -> %s at %d", r.Key, text(r.Value.Old), text(r.Value.New), r.Millis))
	return nil
}

// tableCase changes two tables at random, joins them, and looks rows of the result up. The tables are opened anew after every
// record in some cases.
func tableCase(t *testing.T, seed uint64) bool {
	random := rand.New(rand.NewPCG(seed, 0))
	unmatchedLeft, unmatchedRight := random.IntN(2) == 0, random.IntN(2) == 0
	pair := func(l, r *string) string {
		text := "("
		for _, side := range []*string{l, r} {
			if side == nil {
				text += "- "
			} else {
				text += *side + " "
			}
		}
		return text + ")"
	}
	backend := state.NewMemory()
	var env *operator.Env
	var got changes
	var looked operatortest.Lines
	var sides [2]operator.Receiver[string, string]
	var lookup operator.Receiver[string, string]
	open := func() {
		env = &operator.Env{
			Context: t.Context(), Logger: slog.New(slog.DiscardHandler),
			Space: func(name string) (state.Space, error) {
				return state.Space{Name: name, Backend: backend, Prefix: []byte(name + "\x00"), CacheBytes: random.Int64N(2000)}, nil
			},
		}
		var rows [2]*operator.Rows[string, string]
		for i, name := range []string{"left", "right"} {
			var err error
			if rows[i], err = operator.NewRows(env, state.NewCell[string](name), codec.String()); err != nil {
				t.Fatal(err)
			}
		}
		joined := &operator.Tables[string, string, string, string]{Env: env, Next: &got, Sides: operator.TablesView[string, string, string, string]{
			Left: rows[0], Right: rows[1], UnmatchedLeft: unmatchedLeft, UnmatchedRight: unmatchedRight, Merge: pair,
		}}
		sides[0] = &operator.Table[string, string]{Env: env, Rows: rows[0], Next: joined.Left()}
		sides[1] = &operator.Table[string, string]{Env: env, Rows: rows[1], Next: joined.Right()}
		lookup = &operator.TableJoin[string, string, string, string]{
			Env: env, Table: &joined.Sides, Unmatched: true, Next: &looked,
			Merge: func(_ context.Context, r *weir.Record[string, string], row *string) (string, error) {
				if row == nil {
					return r.Value + " none", nil
				}
				return r.Value + " " + *row, nil
			},
		}
	}
	open()
	model := [2]map[string]string{{}, {}}
	result := func(key string) (string, bool) {
		l, hasLeft := model[0][key]
		r, hasRight := model[1][key]
		switch {
		case hasLeft && hasRight:
			return pair(&l, &r), true
		case hasLeft && unmatchedLeft:
			return pair(&l, nil), true
		case hasRight && unmatchedRight:
			return pair(nil, &r), true
		}
		return "none", false
	}
	everyRecord := random.IntN(4) == 0
	var seen []sided
	for i := range 10 + random.IntN(30) {
		key := []string{"a", "bb", ""}[random.IntN(3)]
		r := weir.Record[string, string]{Key: key, Value: fmt.Sprint(i), Millis: int64(i), Origin: &env.Origin}
		got.results, looked.Results = nil, nil
		side := random.IntN(3)
		var want, wantLooked []string
		if side == 2 {
			row, _ := result(key)
			wantLooked = []string{fmt.Sprintf("%s: %s %s at %d", key, r.Value, row, i)}
			if err := lookup.Receive(&r); err != nil {
				t.Fatal(err)
			}
		} else {
			if random.IntN(3) == 0 {
				r.Value, r.ValueNull = "", true
			}
			_, there := model[side][key]
			old, was := result(key)
			if r.ValueNull {
				delete(model[side], key)
			} else {
				model[side][key] = r.Value
			}
			row, is := result(key)
			if (was || is) && (there || !r.ValueNull) {
				want = []string{fmt.Sprintf("%s: %s -> %s at %d", key, old, row, i)}
			}
			if err := sides[side].Receive(&r); err != nil {
				t.Fatal(err)
			}
		}
		seen = append(seen, sided{right: side == 1, key: key, value: r.Value, null: r.ValueNull})
		if !slices.Equal(want, got.results) || !slices.Equal(wantLooked, looked.Results) {
			t.Errorf("seed %d: %v %v\n%+v\n(-want +got):\n%s", seed, unmatchedLeft, unmatchedRight, seen,
				gocmp.Diff(append(want, wantLooked...), append(got.results, looked.Results...)))
			return false
		}
		if everyRecord || random.IntN(6) == 0 {
			operatortest.Flush(t, backend, env.Stores)
			open()
		}
	}
	return true
}

// TestTablesAgreeWithTheModel runs 10,000 random cases. A quarter of them are restarted after every record.
func TestTablesAgreeWithTheModel(t *testing.T) {
	longtest.Seeds(t, longtest.Cases(800, 5_000), func(t *testing.T, seed uint64) { tableCase(t, seed) })
}
