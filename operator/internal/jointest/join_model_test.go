package jointest_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/joining"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/operator/internal/operatortest"
)

// sided is a record of one side.
type sided struct {
	right   bool
	key     string
	at      int64
	value   string
	null    bool
	matched bool
}

// joinModel is what joins are to do, in the most obvious way: lists that are searched from end to end.
type joinModel interface {
	process(r sided) (results []string, late bool)
}

func joinLine(key string, at int64, left, right string) string {
	return fmt.Sprintf("%s: (%s, %s) at %d", key, left, right, at)
}

// asOfModel keeps all right records that were not late, and the left ones that wait.
type asOfModel struct {
	direction        joining.Direction
	left, duplicates bool
	grace, tolerance int64
	reached          int64
	rights, waiting  []sided
}

func (m *asOfModel) visible(key string) (rights []sided) {
	latest := int64(math.MinInt64)
	for _, r := range m.rights {
		if r.key == key {
			latest = max(latest, r.at)
		}
	}
	for _, r := range m.rights {
		if r.key == key && r.at >= latest-m.grace {
			rights = append(rights, r)
		}
	}
	return rights
}

// match returns the best right record that is known, and whether a better one may come.
func (m *asOfModel) match(l sided) (best *sided, open bool) {
	var before, after *sided
	for _, r := range m.visible(l.key) {
		if r.at <= l.at && (before == nil || r.at >= before.at) {
			before = &r
		}
		if r.at >= l.at && (after == nil || r.at < after.at) {
			after = &r
		}
	}
	near := func(r *sided) *sided {
		if r == nil || r.null || r.at-l.at > m.tolerance || l.at-r.at > m.tolerance {
			return nil
		}
		return r
	}
	switch m.direction {
	case joining.Backward:
		return near(before), false
	case joining.Forward:
		return near(after), after == nil
	}
	b := near(before)
	switch a := near(after); {
	case b != nil && b.at == l.at:
		return b, false
	case a == nil:
		return b, after == nil
	case b != nil && l.at-b.at <= a.at-l.at:
		return b, false
	default:
		return a, false
	}
}

func (m *asOfModel) emit(l sided) []string {
	best, _ := m.match(l)
	switch {
	case best != nil:
		return []string{joinLine(l.key, l.at, l.value, best.value)}
	case m.left:
		return []string{joinLine(l.key, l.at, l.value, "null")}
	}
	return nil
}

// release emits the waiting records of a key up to a time.
func (m *asOfModel) release(key string, limit int64) (results []string) {
	m.waiting = slices.DeleteFunc(m.waiting, func(l sided) bool {
		if l.key != key || l.at > limit {
			return false
		}
		results = append(results, m.emit(l)...)
		return true
	})
	return results
}

func (m *asOfModel) process(r sided) (results []string, late bool) {
	m.reached = max(m.reached, r.at)
	if m.direction != joining.Backward {
		for {
			limit := m.reached - m.tolerance - 1
			first := slices.MinFunc(append(m.waiting, sided{at: math.MaxInt64}), func(a, b sided) int {
				return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.key, b.key))
			})
			if first.at > limit {
				break
			}
			results = append(results, m.release(first.key, limit)...)
		}
	}
	if !r.right {
		if _, open := m.match(r); open && m.reached-r.at <= m.tolerance {
			m.waiting = append(m.waiting, r)
			slices.SortStableFunc(m.waiting, func(a, b sided) int { return cmp.Compare(a.at, b.at) })
			return results, false
		}
		return append(results, m.emit(r)...), false
	}
	for _, other := range m.visible(r.key) {
		if r.at < other.at-m.grace {
			return results, true
		}
	}
	i := slices.IndexFunc(m.rights, func(o sided) bool { return o.key == r.key && o.at == r.at })
	if i >= 0 && !m.duplicates {
		m.rights[i] = r
	} else {
		m.rights = append(m.rights, r)
	}
	return append(results, m.release(r.key, r.at)...), false
}

// intervalModel keeps the records of both sides.
type intervalModel struct {
	left, right, final   bool
	before, after, grace int64
	reached              int64
	kept                 []sided
}

func (m *intervalModel) unmatched(r sided) []string {
	switch {
	case !r.right && m.left:
		return []string{joinLine(r.key, r.at, r.value, "null")}
	case r.right && m.right:
		return []string{joinLine(r.key, r.at, "null", r.value)}
	}
	return nil
}

func (m *intervalModel) process(r sided) (results []string, late bool) {
	m.reached = max(m.reached, r.at)
	for _, right := range []bool{false, true} { // left ones first; by key, the one with the earliest first
		for {
			limit := m.reached - m.grace - max(m.before, m.after) - 1 // out of reach of all records that are not late
			first := sided{at: math.MaxInt64}
			for _, k := range m.kept {
				if k.right == right && cmp.Or(cmp.Compare(k.at, first.at), cmp.Compare(k.key, first.key)) < 0 {
					first = k
				}
			}
			if first.at > limit {
				break
			}
			m.kept = slices.DeleteFunc(m.kept, func(k sided) bool {
				if k.right != right || k.key != first.key || k.at > limit {
					return false
				}
				if m.final && !k.matched {
					results = append(results, m.unmatched(k)...)
				}
				return true
			})
		}
	}
	late = r.at < m.reached-m.grace
	for i := range m.kept {
		k := &m.kept[i]
		left, right := r.at, k.at
		if r.right {
			left, right = right, left
		}
		if k.key != r.key || k.right == r.right || right < left-m.before || right > left+m.after {
			continue
		}
		k.matched, r.matched = true, true
		if r.right {
			results = append(results, joinLine(r.key, r.at, k.value, r.value))
		} else {
			results = append(results, joinLine(r.key, r.at, r.value, k.value))
		}
	}
	if !r.matched && (!m.final || late) {
		results = append(results, m.unmatched(r)...)
	}
	if !late {
		m.kept = append(m.kept, r)
		slices.SortStableFunc(m.kept, func(a, b sided) int { return cmp.Compare(a.at, b.at) })
	}
	return results, late
}

// joinCase runs random records through a random join, which is flushed and opened anew at random times, and compares with
// the model.
func joinCase(t *testing.T, seed uint64) bool {
	random := rand.New(rand.NewPCG(seed, 0))
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	chance := func(n int) bool { return random.IntN(n) == 0 }
	grace := random.Int64N(40)
	text := func(s *string) string {
		if s == nil {
			return "null"
		}
		return *s
	}
	var m joinModel
	var what string
	var build func(env *operator.Env, next operator.Receiver[string, string]) (left, right operator.Receiver[string, string], err error)
	if chance(2) {
		a := &asOfModel{
			direction: joining.Direction(random.IntN(3)), left: chance(2), duplicates: chance(2), grace: grace,
			tolerance: math.MaxInt64 / 4, reached: math.MinInt64,
		}
		d := join.AsOf{}.Grace(ms(grace))
		if a.direction != joining.Backward || chance(2) {
			a.tolerance = random.Int64N(20)
			d = d.Tolerance(ms(a.tolerance))
		}
		switch a.direction {
		case joining.Forward:
			d = d.Forward()
		case joining.Nearest:
			d = d.Nearest()
		}
		if a.duplicates {
			d = d.KeepDuplicates()
		}
		m, what = a, fmt.Sprintf("%+v", *a)
		build = func(env *operator.Env, next operator.Receiver[string, string]) (left, right operator.Receiver[string, string], err error) {
			j, err := operator.NewAsOf(env, 0, d, codec.String(), codec.String(), codec.String(), a.left, nil, nil,
				func(_ context.Context, l *weir.Record[string, string], r *join.Matched[string]) (string, error) {
					if r == nil {
						return "(" + l.Value + ", null)", nil
					}
					return "(" + l.Value + ", " + r.Value + ")", nil
				}, next)
			if err != nil {
				return nil, nil, err
			}
			return j, j.Right(), nil
		}
	} else {
		i := &intervalModel{
			left: chance(2), right: chance(2), final: chance(2), grace: grace,
			before: random.Int64N(grace + 1), after: random.Int64N(grace + 1), reached: math.MinInt64,
		}
		d := join.Within(ms(i.before), ms(i.after)).Grace(ms(grace))
		if i.final {
			d = d.UnmatchedWhenFinal()
		}
		m, what = i, fmt.Sprintf("%+v", *i)
		build = func(env *operator.Env, next operator.Receiver[string, string]) (left, right operator.Receiver[string, string], err error) {
			j, err := operator.NewInterval(env, 0, d, codec.String(), codec.String(), codec.String(), i.left, i.right, nil, nil,
				func(_ context.Context, l, r *weir.Record[string, string]) (string, error) {
					var left, right *string
					if l != nil {
						left = &l.Value
					}
					if r != nil {
						right = &r.Value
					}
					return "(" + text(left) + ", " + text(right) + ")", nil
				}, next)
			if err != nil {
				return nil, nil, err
			}
			return j, j.Right(), nil
		}
	}
	backend := state.NewMemory()
	cacheBytes := random.Int64N(3000)
	var env *operator.Env
	var got operatortest.Lines
	var left, right operator.Receiver[string, string]
	open := func() {
		env = &operator.Env{
			Context: t.Context(), Logger: slog.New(slog.DiscardHandler),
			Space: func(name string) (state.Space, error) {
				return state.Space{Name: name, Backend: backend, Prefix: []byte(name + "\x00"), CacheBytes: cacheBytes}, nil
			},
		}
		var err error
		if left, right, err = build(env, &got); err != nil {
			t.Fatal(err)
		}
	}
	checkpoint := func() { operatortest.Flush(t, backend, env.Stores) }
	open()
	var seen []sided
	now := random.Int64N(40)
	keys := []string{"a", "bb", ""}[:1+random.IntN(3)]
	everyRecord := chance(4)
	for i := range 10 + random.IntN(40) {
		if random.IntN(3) > 0 {
			now += random.Int64N(1 + random.Int64N(20))
		}
		r := sided{
			right: chance(2), key: keys[random.IntN(len(keys))], at: max(0, now-random.Int64N(1+random.Int64N(40))), value: fmt.Sprint(i),
		}
		if _, asOf := m.(*asOfModel); asOf && r.right && chance(6) {
			r.null, r.value = true, ""
		}
		seen = append(seen, r)
		got.Results = nil
		env.Late = 0
		record := weir.Record[string, string]{Key: r.key, Value: r.value, ValueNull: r.null, Millis: r.at, Origin: &env.Origin}
		side := left
		if r.right {
			side = right
		}
		if err := side.Receive(&record); err != nil {
			t.Fatal(err)
		}
		want, late := m.process(r)
		if !slices.Equal(want, got.Results) || late != (env.Late > 0) {
			t.Errorf("seed %d: %s\n%+v\nlate %v, want %v; results (-want +got):\n%s",
				seed, what, seen, env.Late > 0, late, gocmp.Diff(want, got.Results))
			return false
		}
		action := random.IntN(6)
		if everyRecord {
			action = 1
		}
		switch action {
		case 0:
			checkpoint()
		case 1:
			checkpoint()
			open()
		case 2:
			checkpoint()
			for _, s := range env.Stores {
				s.Discard()
			}
		}
	}
	return true
}

// TestJoinsAgreeWithTheModel runs thousands of random cases, about half of each kind of join. A quarter of them are restarted
// after every record.
func TestJoinsAgreeWithTheModel(t *testing.T) {
	longtest.Seeds(t, longtest.Cases(1_200, 8_000), func(t *testing.T, seed uint64) { joinCase(t, seed) })
}
