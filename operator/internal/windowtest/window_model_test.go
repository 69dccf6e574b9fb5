package windowtest_test

import (
	"cmp"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/internal/windowing"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/operator/internal/operatortest"
	"github.com/weirstreams/weir/window"
)

// modelRecord is a record of the random test. Its value is its number.
type modelRecord struct {
	key    string
	millis int64
	value  int
}

// windowModel is what windows are to do, in the most obvious way: all records are kept, and everything is computed anew.
type windowModel struct {
	kind              windowing.Kind
	size, step, grace int64
	count, every      int64
	byPartition       bool

	keys    map[string]*modelKey
	reached int64 // by partition
}

type modelKey struct {
	records []modelRecord // accepted
	reached int64
	done    map[int64]bool // windows that were closed, by start or, if sliding, end; records of closed sessions
}

func (m *windowModel) result(key string, start, end int64, records []modelRecord) string {
	var values []int
	sum := 0
	if !m.kind.ByCount() {
		records = slices.Clone(records)
		slices.SortStableFunc(records, func(a, b modelRecord) int { return cmp.Compare(a.millis, b.millis) })
	}
	for _, r := range records {
		values = append(values, r.value)
		sum += r.value
	}
	// The value of a record is its number in the order of processing.
	return fmt.Sprintf("%s[%d,%d]=%v %d %d-%d", key, start, end, values, sum, slices.Min(values), slices.Max(values))
}

func (k *modelKey) between(from, to int64) (records []modelRecord) {
	for _, r := range k.records {
		if r.millis >= from && r.millis <= to {
			records = append(records, r)
		}
	}
	return records
}

// process returns what Current and Final emit for a record, and the number of windows that it is late for.
func (m *windowModel) process(r modelRecord) (current, final []string, late int) {
	k := m.keys[r.key]
	if k == nil {
		k = &modelKey{reached: -1 << 40, done: map[int64]bool{}}
		m.keys[r.key] = k
	}
	before := k.reached
	if m.byPartition {
		before = m.reached
	}
	reached := max(before, r.millis)
	switch m.kind {
	case windowing.Tumbling, windowing.Hopping:
		for start := int64(0); start+m.size+m.grace <= before; start += m.step {
			k.done[start] = true // of a key that is new in its partition
		}
		accepted := false
		var open []int64
		for start := int64(0); start <= r.millis; start += m.step {
			switch {
			case start+m.size <= r.millis:
			case start+m.size+m.grace <= reached:
				late++
			default:
				open, accepted = append(open, start), true
			}
		}
		if accepted {
			k.records = append(k.records, r)
		}
		for _, start := range open {
			current = append(current, m.result(r.key, start, start+m.size, k.between(start, start+m.size-1)))
		}
		k.reached, m.reached = max(k.reached, r.millis), max(m.reached, r.millis)
		type closing struct {
			start int64
			key   string
		}
		var closings []closing
		for key, other := range m.keys {
			if !m.byPartition && key != r.key {
				continue
			}
			for start := int64(0); start+m.size+m.grace <= reached; start += m.step {
				if len(other.between(start, start+m.size-1)) > 0 && !other.done[start] {
					closings = append(closings, closing{start, key})
				}
				other.done[start] = true
			}
		}
		slices.SortFunc(closings, func(a, b closing) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.key, b.key)) })
		for _, c := range closings {
			final = append(final, m.result(c.key, c.start, c.start+m.size, m.keys[c.key].between(c.start, c.start+m.size-1)))
		}
	case windowing.Sliding:
		w := reached - m.grace
		if r.millis < w-m.size {
			return nil, nil, 1
		}
		k.records = append(k.records, r)
		k.reached, m.reached = reached, max(m.reached, reached)
		if r.millis < w {
			late++
			k.done[r.millis] = true
		}
		type closing struct {
			end int64
			key string
		}
		var closings []closing
		for key, other := range m.keys {
			if !m.byPartition && key != r.key {
				continue
			}
			for _, x := range other.records {
				if x.millis < w && !other.done[x.millis] {
					other.done[x.millis] = true
					closings = append(closings, closing{x.millis, key})
				}
			}
		}
		slices.SortFunc(closings, func(a, b closing) int { return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.key, b.key)) })
		for _, c := range closings {
			final = append(final, m.result(c.key, max(0, c.end-m.size), c.end, m.keys[c.key].between(c.end-m.size, c.end)))
		}
		var ends []int64
		for _, x := range k.records {
			if x.millis >= w && x.millis >= r.millis && x.millis <= r.millis+m.size {
				ends = append(ends, x.millis)
			}
		}
		slices.Sort(ends)
		for _, end := range slices.Compact(ends) {
			current = append(current, m.result(r.key, max(0, end-m.size), end, k.between(end-m.size, end)))
		}
	case windowing.Session:
		oldest := reached - m.size - m.grace // the oldest time that is accepted
		if r.millis < oldest {
			return nil, nil, 1
		}
		k.records = append(k.records, r)
		k.reached, m.reached = max(k.reached, r.millis), max(m.reached, r.millis)
		type closing struct {
			end  int64
			key  string
			text string
		}
		var closings []closing
		for key, other := range m.keys {
			slices.SortStableFunc(other.records, func(a, b modelRecord) int { return cmp.Compare(a.millis, b.millis) })
			var keep []modelRecord
			for i := 0; i < len(other.records); {
				j := i + 1
				for j < len(other.records) && other.records[j].millis <= other.records[j-1].millis+m.size {
					j++
				}
				session := other.records[i:j]
				first, last := session[0].millis, session[j-i-1].millis
				text := m.result(key, first, last, session)
				if key == r.key && slices.Contains(session, r) {
					current = append(current, text)
				}
				if last < oldest-m.size && (m.byPartition || key == r.key) { // out of reach of what is accepted
					closings = append(closings, closing{last, key, text})
				} else {
					keep = append(keep, session...)
				}
				i = j
			}
			other.records = keep
		}
		slices.SortFunc(closings, func(a, b closing) int { return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.key, b.key)) })
		for _, c := range closings {
			final = append(final, c.text)
		}
	default:
		k.records = append(k.records, r)
		n := int64(len(k.records))
		step := m.every
		if step == 0 || step > m.count {
			step = m.count
		}
		for from := int64(0); from < n; from += step {
			if from+m.count < n {
				continue
			}
			in := k.records[from:n]
			start, end := in[0].millis, in[0].millis
			for _, x := range in {
				start, end = min(start, x.millis), max(end, x.millis)
			}
			text := m.result(r.key, start, end, in)
			current = append(current, text)
			if from+m.count == n {
				final = append(final, text)
			}
		}
	}
	return current, final, late
}

// gathered keeps what an operator emits.
type gathered struct{ results []string }

func (g *gathered) Receive(r *weir.Record[string, window.Result[string]]) error {
	g.results = append(g.results, fmt.Sprintf("%s[%d,%d]=%s", r.Key, r.Value.StartMillis, r.Value.EndMillis, r.Value.Value))
	return nil
}

// randomWindows returns windows of a random kind, and what they are to do.
func randomWindows(t *testing.T, random *rand.Rand) (*windowModel, window.Definition) {
	t.Helper()
	m := &windowModel{
		kind: windowing.Kind(random.IntN(7)), size: 1 + random.Int64N(20), grace: random.Int64N(15) * random.Int64N(2),
		count: 2 + random.Int64N(4), byPartition: random.IntN(2) == 0, keys: map[string]*modelKey{}, reached: -1 << 40,
	}
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	m.step = m.size
	var d window.Definition
	switch m.kind {
	case windowing.Tumbling:
		d = window.Tumbling(ms(m.size))
	case windowing.Hopping:
		m.size++
		m.step = 1 + random.Int64N(m.size-1)
		d = window.Hopping(ms(m.size), ms(m.step))
	case windowing.Sliding:
		d = window.Sliding(ms(m.size))
	case windowing.Session:
		d = window.Session(ms(m.size))
	case windowing.TumblingCount:
		d = window.TumblingCount(int(m.count))
	case windowing.HoppingCount:
		m.every = 1 + random.Int64N(m.count)
		d = window.HoppingCount(int(m.count), int(m.every))
	case windowing.SlidingCount:
		m.every = 1
		d = window.SlidingCount(int(m.count))
	}
	if d.Settings().Kind.ByCount() {
		m.byPartition = false
	}
	if m.byPartition {
		d = d.CloseByPartition()
	}
	if !d.Settings().Kind.ByCount() {
		d = d.Grace(ms(m.grace))
	}
	if err := d.Validate(); err != nil {
		t.Fatal(err)
	}
	return m, d
}

// modelWindows opens windows that keep values, and have an accumulator and two that depend on the order of processing.
func modelWindows(
	t *testing.T, env *operator.Env, node int, d window.Definition, emission operator.Emission[string, int, string], next operator.Receiver[string, window.Result[string]],
) operator.Receiver[string, int] {
	t.Helper()
	of := func(n int) int { return n }
	aggregator := window.Combine4(window.Collect[int](), window.Sum(of), window.First(of), window.Last(of),
		func(values []int, sum, first, last int) string {
			return fmt.Sprintf("%v %d %d-%d", values, sum, first, last)
		})
	r, err := operator.NewWindow(env, node, d, aggregator, emission, codec.String(), next)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// windowCase runs random records through random windows, which are flushed and opened anew at random times, and compares
// with the model.
func windowCase(t *testing.T, seed uint64) bool {
	random := rand.New(rand.NewPCG(seed, 0))
	m, d := randomWindows(t, random)
	backend := state.NewMemory()
	cacheBytes := random.Int64N(3000)
	var env *operator.Env
	var current, final gathered
	var toCurrent, toFinal operator.Receiver[string, int]
	open := func() {
		env = &operator.Env{
			Context: t.Context(), Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Unix(1e6, 0) },
			Space: func(name string) (state.Space, error) {
				return state.Space{Name: name, Backend: backend, Prefix: []byte(name + "\x00"), CacheBytes: cacheBytes}, nil
			},
		}
		toCurrent = modelWindows(t, env, 0, d.Name("c"), operator.Emission[string, int, string]{Current: true}, &current)
		toFinal = modelWindows(t, env, 1, d.Name("f"), operator.Emission[string, int, string]{}, &final)
	}
	checkpoint := func() { operatortest.Flush(t, backend, env.Stores) }
	open()
	var log strings.Builder
	fmt.Fprintf(&log, "seed %d: %s\n", seed, d)
	now := random.Int64N(40)
	keys := []string{"a", "bb", ""}[:1+random.IntN(3)]
	for i := range 10 + random.IntN(30) {
		if random.IntN(3) > 0 {
			now += random.Int64N(1 + random.Int64N(25))
		}
		r := modelRecord{keys[random.IntN(len(keys))], max(0, now-random.Int64N(1+random.Int64N(40))), i + 1}
		fmt.Fprintf(&log, "%q %d %d\n", r.key, r.millis, r.value)
		current.results, final.results = nil, nil
		env.Late = 0
		record := weir.Record[string, int]{Key: r.key, Value: r.value, Millis: r.millis, Origin: &env.Origin}
		if err := toCurrent.Receive(&record); err != nil {
			t.Fatal(err)
		}
		if err := toFinal.Receive(&record); err != nil {
			t.Fatal(err)
		}
		wantCurrent, wantFinal, late := m.process(r)
		diff := gocmp.Diff(wantCurrent, current.results) + gocmp.Diff(wantFinal, final.results)
		if diff != "" || env.Late != int64(2*late) {
			t.Errorf("%slate for %d windows, want %d; results (-want +got):\n%s", log.String(), env.Late/2, late, diff)
			return false
		}
		switch random.IntN(6) {
		case 0:
			checkpoint()
		case 1:
			checkpoint()
			open()
		case 2: // what is not in the database is forgotten, and done again: nothing in this case
			checkpoint()
			for _, s := range env.Stores {
				s.Discard()
			}
		}
	}
	return true
}

// TestWindowsAgreeWithTheModel runs seeds that failed once, from testdata, and 12,000 others.
func TestWindowsAgreeWithTheModel(t *testing.T) {
	kept, err := os.ReadFile("testdata/window_seeds.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(kept)) {
		text, _, _ := strings.Cut(line, "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		windowCase(t, seed)
	}
	longtest.Seeds(t, longtest.Cases(800, 5_000), func(t *testing.T, seed uint64) {
		if !windowCase(t, seed) {
			t.Fatalf("seed %d failed: add it to testdata/window_seeds.txt", seed)
		}
	})
}
