package jointest_test

import (
	"cmp"
	"context"
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
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/joining"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/operator/internal/operatortest"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// clockModel is an as-of join with records that wait by the clock: lists that are searched from end to end.
type clockModel struct {
	asOfModel
	wait    int64
	most    int
	policy  join.Overflow
	clock   int64
	held    []heldLeft // in the order of arrival
	dropped bool       // the record that was processed last had no place
}

type heldLeft struct {
	sided
	arrived int64
}

// end ends the waits of records that are chosen.
func (m *clockModel) end(chosen func(h heldLeft) bool) (results []string) {
	m.held = slices.DeleteFunc(m.held, func(h heldLeft) bool {
		if !chosen(h) {
			return false
		}
		results = append(results, m.emit(h.sided)...)
		return true
	})
	return results
}

func (m *clockModel) isDue(h heldLeft) bool { return h.arrived+m.wait <= m.clock }

// ring ends the waits that are over: of the key with the record that has waited longest first.
func (m *clockModel) ring() (results []string) {
	for {
		due := slices.DeleteFunc(slices.Clone(m.held), func(h heldLeft) bool { return !m.isDue(h) })
		if len(due) == 0 {
			return results
		}
		first := slices.MinFunc(due, func(a, b heldLeft) int {
			return cmp.Or(cmp.Compare(a.arrived, b.arrived), cmp.Compare(a.key, b.key))
		})
		results = append(results, m.end(func(h heldLeft) bool { return h.key == first.key && m.isDue(h) })...)
	}
}

func (m *clockModel) process(r sided) (results []string, late bool) {
	m.dropped = false
	due := func(h heldLeft) bool { return h.key == r.key && m.isDue(h) }
	if r.right {
		results = m.end(due)
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
		return append(results, m.end(func(h heldLeft) bool {
			match, open := m.match(h.sided)
			return h.key == r.key && match != nil && !open
		})...), false
	}
	if match, open := m.match(r); match != nil && !open {
		return m.emit(r), false
	}
	results = m.end(due)
	of := func() (n int) {
		for _, h := range m.held {
			if h.key == r.key {
				n++
			}
		}
		return n
	}
	if of() >= m.most && m.policy == join.SettleOldest {
		first := true
		results = append(results, m.end(func(h heldLeft) bool {
			chosen := h.key == r.key && first
			first = first && !chosen
			return chosen
		})...)
	}
	if m.dropped = of() >= m.most; !m.dropped {
		m.held = append(m.held, heldLeft{r, m.clock})
	}
	return results, false
}

// least returns the least event time of what waits, or reached.
func (m *clockModel) least(reached int64) int64 {
	for _, h := range m.held {
		reached = min(reached, h.at)
	}
	return reached
}

func clockCase(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	chance := func(n int) bool { return random.IntN(n) == 0 }
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	m := &clockModel{
		asOfModel: asOfModel{
			direction: joining.Direction(random.IntN(3)), left: chance(2), duplicates: chance(2), grace: random.Int64N(60), tolerance: math.MaxInt64 / 4,
		},
		wait: 1 + random.Int64N(40), most: join.DefaultMaxPerKey, clock: 1000,
	}
	d := join.AsOf{}.Grace(ms(m.grace)).Wait(ms(m.wait))
	if chance(2) {
		m.tolerance = random.Int64N(30)
		d = d.Tolerance(ms(m.tolerance))
	}
	switch m.direction {
	case joining.Forward:
		d = d.Forward()
	case joining.Nearest:
		d = d.Nearest()
	}
	if m.duplicates {
		d = d.KeepDuplicates()
	}
	if chance(2) {
		m.most, m.policy = 1+random.IntN(3), join.Overflow(random.IntN(3))
		d = d.MaxPerKey(m.most, m.policy)
	}
	backend := state.NewMemory()
	cacheBytes := random.Int64N(3000)
	var env *operator.Env
	var got operatortest.Lines
	var op *operator.AsOf[string, string, string, string]
	open := func() {
		env = &operator.Env{
			Context: t.Context(), Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.UnixMilli(m.clock) },
			Space: func(name string) (state.Space, error) {
				return state.Space{Name: name, Backend: backend, Prefix: []byte(name + "\x00"), CacheBytes: cacheBytes}, nil
			},
		}
		var err error
		op, err = operator.NewAsOf(env, 0, d, codec.String(), codec.String(), codec.String(), m.left, nil, nil,
			func(_ context.Context, l *weir.Record[string, string], r *join.Matched[string]) (string, error) {
				if string(l.Headers[0].Value) != l.Value {
					t.Errorf("%q has header %q", l.Value, l.Headers[0].Value)
				}
				if r == nil {
					return "(" + l.Value + ", null)", nil
				}
				return "(" + l.Value + ", " + r.Value + ")", nil
			}, &got)
		if err != nil {
			t.Fatal(err)
		}
	}
	open()
	var seen []string
	now := random.Int64N(40)
	keys := []string{"a", "bb", ""}[:1+random.IntN(3)]
	for i := range 10 + random.IntN(40) {
		got.Results = nil
		var want []string
		if chance(3) {
			m.clock += random.Int64N(1 + m.wait)
			rings := chance(2) // else a record comes first
			seen = append(seen, fmt.Sprintf("clock %d, rings %v", m.clock, rings))
			if rings {
				want = m.ring()
			}
			if rings && env.Clocks[0].Next() <= m.clock {
				if err := env.Clocks[0].Ring(m.clock); err != nil {
					t.Fatal(err)
				}
			}
		} else {
			now += random.Int64N(1 + random.Int64N(20))
			r := sided{
				right: chance(2), key: keys[random.IntN(len(keys))], at: max(0, now-random.Int64N(1+random.Int64N(40))), value: fmt.Sprint(i),
			}
			if r.right && chance(6) {
				r.null, r.value = true, ""
			}
			seen = append(seen, fmt.Sprintf("%+v", r))
			env.Late = 0
			record := weir.Record[string, string]{
				Key: r.key, Value: r.value, ValueNull: r.null, Millis: r.at, Origin: &env.Origin, Headers: []weir.Header{{Key: "of", Value: []byte(r.value)}},
			}
			var side operator.Receiver[string, string] = op
			if r.right {
				side = op.Right()
			}
			err := side.Receive(&record)
			var late bool
			want, late = m.process(r)
			clear(record.Headers[0].Value) // the memory of the record is used again
			if failed := m.dropped && m.policy == 2; (err != nil) != failed || late != (env.Late > 0) {
				t.Fatalf("%s\nerror %v, want one: %v; late %v, want %v", strings.Join(seen, "\n"), err, failed, env.Late > 0, late)
			}
		}
		if err := env.Settle(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(want, got.Results) {
			t.Fatalf("%+v\n%s\nresults (-want +got):\n%s", *m, strings.Join(seen, "\n"), gocmp.Diff(want, got.Results))
		}
		const reached = 1 << 40
		if least, err := env.Holds[0].F(reached); err != nil || least != m.least(reached) {
			t.Fatalf("%s\nthe watermark is held at %d (%v), want %d", strings.Join(seen, "\n"), least, err, m.least(reached))
		}
		switch random.IntN(4) {
		case 0:
			operatortest.Flush(t, backend, env.Stores)
		case 1:
			operatortest.Flush(t, backend, env.Stores)
			open()
		}
	}
}

func TestAsOfJoinsThatWaitByTheClockAgreeWithTheModel(t *testing.T) {
	longtest.Seeds(t, longtest.Cases(800, 8_000), clockCase)
}

// A record is emitted, or dropped, once, wherever the process is restarted; and the time while it is down counts.
func TestWaitsOfAsOfJoinsSurviveRestartsAndCountTheTimeBetween(t *testing.T) {
	for _, loss := range []testkit.Loss{testkit.KeepState, testkit.LoseState} {
		topology := stream.NewTopology()
		topology.From(joinLeft).LeftJoinAsOf(topology.From(joinRight), join.AsOf{}.Wait(5*time.Second), func(l string, r *string) string {
			if r == nil {
				return l + " alone"
			}
			return l + " " + *r
		}).To(joinOut)
		d := testkit.New(t, topology, testkit.Config{Start: time.UnixMilli(1_000_000), CheckpointInterval: time.Hour})
		at := time.UnixMilli(20)
		d.Input(joinLeft).Send("a", "x", at)
		d.Input(joinLeft).Send("b", "y", at)
		d.Checkpoint()
		d.Advance(4 * time.Second)
		d.Crash(loss)
		d.Input(joinRight).Send("b", "match", at)
		d.Checkpoint()
		d.Crash(loss)
		d.Output(joinOut).ExpectValues("y match")
		d.Advance(time.Second)
		d.Output(joinOut).ExpectValues("y match", "x alone")
		d.Crash(loss) // nothing of that is in a checkpoint
		d.Advance(time.Minute)
		d.Checkpoint()
		d.Crash(loss)
		d.Advance(time.Minute)
		d.Output(joinOut).ExpectValues("y match", "x alone", "x alone") // at least once
	}
}

func TestARecordThatFailsAfterItsWaitGoesToTheErrorPolicyAlone(t *testing.T) {
	topology := stream.NewTopology()
	topology.From(joinLeft).LeftJoinAsOf(topology.From(joinRight), join.AsOf{}.Wait(5*time.Second), func(l string, _ *string) string {
		if strings.HasSuffix(l, "!") {
			panic("unwanted")
		}
		return l
	}).To(joinOut)
	d := testkit.New(t, topology, testkit.Config{Errors: weir.ErrorPolicy{Action: weir.Skip}, Start: time.UnixMilli(1_000_000)})
	for i, v := range []string{"a1", "a!", "a2"} {
		d.Input(joinLeft).Send("a", v, time.UnixMilli(int64(10+i)))
		d.Input(joinLeft).Send("b", strings.Replace(v, "a", "b", 1), time.UnixMilli(int64(10+i)))
	}
	d.Input(joinRight).Send("a", "match", time.UnixMilli(1))
	d.Output(joinOut).ExpectValues("a1", "a2")
	d.Advance(5 * time.Second)
	d.Output(joinOut).ExpectValues("a1", "a2", "b1", "b2")
	for _, task := range d.Tasks() {
		if task.Skipped != 2 {
			t.Errorf("%d records are skipped, want 2", task.Skipped)
		}
	}
}

func TestMistakesOfWaitsOfAsOfJoinsAreFound(t *testing.T) {
	for want, d := range map[string]join.AsOf{
		"Wait is 0":                    join.AsOf{}.Wait(0),
		"Wait is -1s":                  join.AsOf{}.Wait(-time.Second),
		"whole milliseconds":           join.AsOf{}.Wait(time.Microsecond),
		"MaxPerKey is 0":               join.AsOf{}.Wait(time.Second).MaxPerKey(0, join.DropNewest),
		"set Wait, or leave it out":    join.AsOf{}.MaxPerKey(1, join.DropNewest),
		"Overflow(9) is not":           join.AsOf{}.Wait(time.Second).MaxPerKey(1, 9),
		"need a Tolerance":             join.AsOf{}.Forward(),
		"which bounds it by the clock": join.AsOf{}.Nearest(),
	} {
		if err := d.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if err := (join.AsOf{}.Forward().Wait(time.Second).MaxPerKey(1, join.FailNewest)).Validate(); err != nil {
		t.Error(err)
	}
}
