package state_test

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/internal/state"
)

// modelTimer names a timer.
type modelTimer struct {
	kind      weir.TimerKind
	key, name string
}

// row is how a store writes the name, after a family byte and the kind.
func (m modelTimer) row() string {
	return string(binary.AppendUvarint(nil, uint64(len(m.key)))) + m.key + m.name
}

// modelTimers are what a store of timers should hold.
type modelTimers struct {
	at   map[modelTimer]int64
	time int64 // event time, or NoTime
}

func (m modelTimers) clone() modelTimers { return modelTimers{maps.Clone(m.at), m.time} }

// rows are the rows of the database.
func (m modelTimers) rows() map[string]string {
	rows := map[string]string{}
	for timer, at := range m.at {
		ordered := string(binary.BigEndian.AppendUint64(nil, uint64(at)^1<<63))
		rows["n"+string(rune(timer.kind))+timer.row()] = ordered
		rows["d"+string(rune(timer.kind))+ordered+timer.row()] = ""
	}
	if m.time != state.NoTime {
		rows["m"] = string(binary.AppendVarint(nil, m.time))
	}
	return rows
}

// due returns the timers of a kind that are due by limit, in order.
func (m modelTimers) due(kind weir.TimerKind, limit int64) (due []modelTimer) {
	for timer, at := range m.at {
		if timer.kind == kind && at <= limit {
			due = append(due, timer)
		}
	}
	slices.SortFunc(due, func(a, b modelTimer) int {
		return cmp.Or(cmp.Compare(m.at[a], m.at[b]), strings.Compare(a.row(), b.row()))
	})
	return due
}

// Timers behave like a map that is searched, in any order of changes, firing, flushes, commits, evictions, crashes and
// restarts.
func TestTimersBehaveLikeAMap(t *testing.T) {
	longtest.Seeds(t, longtest.Cases(15, 30), timersModel)
}

func timersModel(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	backend, reopen := modelBackend(t, random)
	handle := state.NewTimers("timers")
	space := state.Space{Name: "timers", Backend: backend, Prefix: []byte("\x02"), CacheBytes: random.Int64N(3000)}
	s := handle.Open(space)
	cp := &checkpoint{backend: backend, prefix: "\x02"}
	live := modelTimers{map[modelTimer]int64{}, state.NoTime}
	flushed, committed := live.clone(), live.clone()
	spread := []int64{20, 5_000, 100_000}[random.IntN(3)] // within what is read of the index at a time, or beyond it
	var now int64
	set := func(timer modelTimer, at int64) {
		s.Set(timer.kind, timer.name, time.UnixMilli(at))
		live.at[timer] = at
		if timer.kind == weir.EventTime && live.time == state.NoTime {
			live.time = now
		}
	}
	for step := range 400 {
		fail := func(format string, args ...any) {
			t.Helper()
			t.Fatalf("seed %d, step %d: %s", seed, step, fmt.Sprintf(format, args...))
		}
		timer := modelTimer{weir.TimerKind(random.IntN(2)), modelKeys[random.IntN(len(modelKeys))], modelKeys[random.IntN(len(modelKeys))]}
		now += random.Int64N(spread / 10)
		if err := s.Enter([]byte(timer.key), now); err != nil {
			t.Fatal(err)
		}
		got, ok := s.Get(timer.kind, timer.name)
		if want, has := live.at[timer]; ok != has || has && got.UnixMilli() != want {
			fail("%+v is %v, %v; want %d, %v", timer, got, ok, want, has)
		}
		switch random.IntN(20) {
		case 0, 1, 2, 3, 4, 5:
			set(timer, now+random.Int64N(spread)-spread/10)
		case 6, 7:
			s.Cancel(timer.kind, timer.name)
			delete(live.at, timer)
		case 8:
			if random.IntN(5) > 0 {
				break
			}
			for i := range 800 { // more than is read of the index at a time, in the end
				set(modelTimer{timer.kind, timer.key, fmt.Sprint("many ", i)}, now+random.Int64N(spread))
			}
		case 9, 10, 11:
			limit := now
			if timer.kind == weir.EventTime {
				reached, err := s.Reach(now - random.Int64N(spread/10))
				if err != nil {
					t.Fatal(err)
				}
				if live.time != state.NoTime {
					live.time = max(live.time, reached)
				}
				if reached != live.time {
					fail("event time is %d, want %d", reached, live.time)
				}
				limit = reached
			}
			due := live.due(timer.kind, limit)
			for fired := range 1 + random.IntN(1000) {
				key, name, at, ok, err := s.Due(timer.kind, limit)
				if err != nil {
					t.Fatal(err)
				}
				if !ok && fired == len(due) {
					break
				}
				if !ok || fired >= len(due) || (modelTimer{timer.kind, string(key), name}) != due[fired] || at != live.at[due[fired]] {
					fail("timer number %d of %+v is %q of %q at %d, %v", fired, due, name, key, at, ok)
				}
				delete(live.at, due[fired])
			}
			for other, at := range live.at {
				if other.kind == timer.kind && s.Next(other.kind) > at {
					fail("nothing is due before %d, and %+v is at %d", s.Next(other.kind), other, at)
				}
			}
		case 12, 13:
			cp.flush(t, s)
			flushed = live.clone()
		case 14, 15, 16:
			cp.commit(t, s)
			committed = flushed.clone()
			rows := map[string]string{}
			for _, p := range scanAll(t, backend, []byte("\x02"), []byte("\x03")) {
				rows[p.Key[1:]] = p.Value
			}
			if want := committed.rows(); !maps.Equal(want, rows) {
				fail("database (-want +got):\n%s", gocmp.Diff(want, rows))
			}
		case 17:
			if random.IntN(2) == 0 {
				s.Discard()
			} else {
				backend = reopen()
				space.Backend, cp.backend = backend, backend
				s = handle.Open(space)
			}
			cp.changes = nil
			live, flushed = committed.clone(), committed.clone()
		}
	}
}

// A record whose time is further ahead of the clock than is allowed moves no time: it lets no state expire and fires no
// timer. What it sets lives from the time that was reached.
func TestTimesFarAheadOfTheClockMoveNothing(t *testing.T) {
	clock := time.UnixMilli(10_000_000)
	hour := time.Hour.Milliseconds()
	space := func() state.Space {
		return state.Space{Backend: state.NewMemory(), Prefix: []byte{1}, Now: func() time.Time { return clock }}
	}
	enter := func(s state.Keyed, key string, millis int64) {
		t.Helper()
		if err := s.Enter([]byte(key), millis); err != nil {
			t.Fatal(err)
		}
	}
	start := clock.UnixMilli()
	ahead := start + hour + 1

	t.Run("cell", func(t *testing.T) {
		c := state.NewCell[int]("c").WithTTL(time.Minute).Open(space())
		enter(c, "good", start)
		c.Set(1)
		enter(c, "bad", ahead)
		c.Set(2)
		enter(c, "good", start+59_999)
		if n, _ := c.Get(); n != 1 {
			t.Error("a record far ahead of the clock let a state of another key expire")
		}
		enter(c, "bad", start+59_999)
		if n, _ := c.Get(); n != 2 {
			t.Error("the state of a record far ahead of the clock is not there")
		}
		enter(c, "bad", start+60_000)
		if _, ok := c.Get(); ok {
			t.Error("the state of a record far ahead of the clock lives longer than others")
		}
		enter(c, "good", start+hour) // as far as is allowed
		c.Set(3)
		enter(c, "good", start+hour+60_000)
		if n, ok := c.Get(); !ok || n != 3 {
			t.Error("a record far ahead of the clock let its own state expire")
		}
	})
	t.Run("first", func(t *testing.T) {
		c := state.NewCell[int]("c").WithTTL(time.Minute).Open(space())
		enter(c, "bad", 1<<50)
		c.Set(1)
		for _, at := range []int64{5_000, start + 59_999} { // old records are not late because of it
			enter(c, "good", at)
			c.Set(2)
			if n, _ := c.Get(); n != 2 {
				t.Errorf("the state of a record at %d is not there", at)
			}
		}
		enter(c, "bad", start+60_000)
		if _, ok := c.Get(); ok {
			t.Error("the state lives longer than from the time of the clock")
		}
	})
	t.Run("any", func(t *testing.T) {
		m := state.NewMap[string, int]("m").WithTTL(time.Minute).MaxFutureSkew(0).Open(space())
		enter(m, "good", start)
		m.Set("f", 1)
		enter(m, "bad", ahead)
		enter(m, "good", start+1)
		if _, ok := m.Get("f"); ok {
			t.Error("a record of any time is allowed, and has let nothing expire")
		}
	})
	t.Run("timers", func(t *testing.T) {
		s := state.NewTimers("t").MaxFutureSkew(time.Minute).Open(space())
		enter(s, "k", start+60_001)
		s.Set(weir.EventTime, "first", time.UnixMilli(start+500))
		enter(s, "k", start)
		s.Set(weir.EventTime, "second", time.UnixMilli(start+1000))
		for _, c := range []struct {
			record, reached int64
			due             string
		}{{start + 60_001, state.NoTime + 1, ""}, {start, start, ""}, {start + 60_000, start + 60_000, "first second"}} {
			reached, err := s.Reach(c.record)
			if err != nil || reached != c.reached {
				t.Errorf("a record of %d moves the time to %d, want %d (%v)", c.record, reached, c.reached, err)
			}
			var due []string
			for {
				_, name, _, ok, err := s.Due(weir.EventTime, reached)
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
				due = append(due, name)
			}
			if got := strings.Join(slices.Clone(due), " "); got != c.due {
				t.Errorf("a record of %d fires %q, want %q", c.record, got, c.due)
			}
		}
	})
}
