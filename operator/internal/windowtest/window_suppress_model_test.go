package windowtest_test

import (
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/internal/windowing"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/operator/internal/operatortest"
	"github.com/weirstreams/weir/window"
)

// suppressModel is what holding back is to do: the results so far come from a windowModel. It keeps a list, in the order in which
// windows had their first result that was held back.
type suppressModel struct {
	windows  *windowModel
	interval int64
	most     int
	now      int64 // the greatest time of a record since the start
	held     []heldResult
}

type heldResult struct {
	window string // its key, and its start or, if sliding, end
	since  int64
	at     int64 // the time of the result
	text   string
}

// process returns the results that come out because of a record.
func (m *suppressModel) process(r modelRecord) (out []string) {
	m.now = max(m.now, r.millis)
	for len(m.held) > 0 && m.held[0].since+m.interval <= m.now {
		out = append(out, m.release())
	}
	current, _, _ := m.windows.process(r)
	for _, text := range current {
		h := heldResult{since: m.now, text: text}
		span := text[len(r.key)+1 : strings.Index(text, "]=")]
		var end int64
		if _, err := fmt.Sscanf(span, "%d,%d", &h.at, &end); err != nil {
			panic(err)
		}
		h.window = fmt.Sprintf("%s at %d", r.key, h.at)
		if m.windows.kind == windowing.Sliding { // several may begin at 0
			h.window = fmt.Sprintf("%s until %d", r.key, end)
		}
		if i := slices.IndexFunc(m.held, func(o heldResult) bool { return o.window == h.window }); i >= 0 {
			h.since = m.held[i].since // it has waited for so long
			m.held[i] = h
			continue
		}
		if len(m.held) == m.most {
			out = append(out, m.release())
		}
		m.held = append(m.held, h)
	}
	return out
}

// release takes the result that has waited for longest.
func (m *suppressModel) release() string {
	h := m.held[0]
	m.held = m.held[1:]
	return fmt.Sprintf("%s @%d", h.text, h.at)
}

// checkpoint returns the results that come out before a checkpoint.
func (m *suppressModel) checkpoint() (out []string) {
	for len(m.held) > 0 {
		out = append(out, m.release())
	}
	return out
}

// emitted keeps results with their times.
type emitted struct{ results []string }

func (e *emitted) Receive(r *weir.Record[string, window.Result[string]]) error {
	e.results = append(e.results, fmt.Sprintf("%s[%d,%d]=%s @%d", r.Key, r.Value.StartMillis, r.Value.EndMillis, r.Value.Value, r.Millis))
	return nil
}

// suppressCase runs random records through windows with results that are held back, with checkpoints, restarts and returns to the
// last checkpoint at random times, and compares each result and its time with the model.
func suppressCase(t *testing.T, seed uint64) bool {
	random := rand.New(rand.NewPCG(seed, 1))
	windows, d := randomWindows(t, random)
	for d.Settings().Kind.ByCount() {
		windows, d = randomWindows(t, random)
	}
	m := &suppressModel{windows: windows, interval: 1 + random.Int64N(40), most: 1 + random.IntN(6)}
	anew := func() *windowModel {
		again := *windows
		again.keys, again.reached = map[string]*modelKey{}, -1<<40
		return &again
	}
	backend, cacheBytes := state.NewMemory(), random.Int64N(3000)
	var env *operator.Env
	var out emitted
	var to operator.Receiver[string, int]
	open := func() {
		env = &operator.Env{
			Context: t.Context(), Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Unix(1e6, 0) }, KeepsTime: true,
			Space: func(name string) (state.Space, error) {
				return state.Space{Name: name, Backend: backend, Prefix: []byte(name + "\x00"), CacheBytes: cacheBytes}, nil
			},
		}
		s := window.Suppression{Interval: time.Duration(m.interval) * time.Millisecond, MaxResults: m.most}
		to = modelWindows(t, env, 0, d, operator.Emission[string, int, string]{Current: true, Suppress: &s}, &out)
	}
	open()
	var log strings.Builder
	fmt.Fprintf(&log, "seed %d: %s, held back for %d ms, %d at most\n", seed, d, m.interval, m.most)
	check := func(want []string) bool {
		if diff := gocmp.Diff(want, out.results); diff != "" {
			t.Errorf("%sresults (-want +got):\n%s", log.String(), diff)
			return false
		}
		out.results = nil
		return true
	}
	process := func(r modelRecord) bool {
		fmt.Fprintf(&log, "%q %d %d\n", r.key, r.millis, r.value)
		record := weir.Record[string, int]{Key: r.key, Value: r.value, Millis: r.millis, Origin: &env.Origin}
		if err := to.Receive(&record); err != nil {
			t.Fatal(err)
		}
		if err := env.Settle(); err != nil {
			t.Fatal(err)
		}
		if !check(m.process(r)) {
			return false
		}
		// The tasks behind are not told of a time that the results held back have not reached.
		least := int64(math.MaxInt64)
		for _, h := range m.held {
			least = min(least, h.at)
		}
		if promised, err := env.Holds[0].F(m.now + 1000); err != nil || promised > least {
			t.Errorf("%s%d is promised (%v), and a result of %d is held back", log.String(), promised, err, least)
			return false
		}
		return true
	}
	var all, since []modelRecord // up to the last checkpoint, and since
	now := random.Int64N(40)
	keys := []string{"a", "bb", ""}[:1+random.IntN(3)]
	for i := range 10 + random.IntN(30) {
		if random.IntN(3) > 0 {
			now += random.Int64N(1 + random.Int64N(25))
		}
		r := modelRecord{keys[random.IntN(len(keys))], max(0, now-random.Int64N(1+random.Int64N(40))), i + 1}
		since = append(since, r)
		if !process(r) {
			return false
		}
		action := random.IntN(12)
		if action < 4 {
			fmt.Fprintln(&log, "checkpoint")
			for _, f := range env.BeforeCheckpoint {
				f()
			}
			if err := env.Settle(); err != nil {
				t.Fatal(err)
			}
			if !check(m.checkpoint()) {
				return false
			}
			operatortest.Flush(t, backend, env.Stores)
			all, since = append(all, since...), nil
		}
		if action == 3 {
			fmt.Fprintln(&log, "restart")
			open()
			m.now = 0
		}
		if action != 4 {
			continue
		}
		fmt.Fprintln(&log, "back to the checkpoint")
		for _, s := range env.Stores {
			s.Discard()
		}
		for _, b := range env.Buffers {
			b.Discard()
		}
		for _, f := range env.OnRewind {
			f()
		}
		m.windows, m.now, m.held = anew(), 0, nil
		for _, r := range all {
			m.windows.process(r)
		}
		for _, r := range since {
			if !process(r) {
				return false
			}
		}
	}
	return true
}

// Results that are held back come out when the model says so, and in its order.
func TestHeldBackResultsAgreeWithTheModel(t *testing.T) {
	longtest.Seeds(t, longtest.Cases(400, 4_000), func(t *testing.T, seed uint64) {
		if !suppressCase(t, seed) {
			t.Fatalf("seed %d failed", seed)
		}
	})
}
