package benchtest_test

import (
	"context"
	"io"
	"iter"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

// More operators for TestOperatorsDoNotAllocate and BenchmarkEach.

var (
	header    = []byte("value")
	byFlight  = store.NewMap[int, int]("by-flight")
	expiring  = store.NewCell[int]("expiring").WithTTL(time.Hour)
	twoStores = store.Group(func(o *store.Opener) pair { return pair{o.Open(delays), o.Open(byFlight)} })
)

type pair struct {
	cell *store.Cell[int]
	m    *store.Map[int, int]
}

// flightCodec encodes as little as possible: what is measured is not the codec.
type flightCodec struct{}

func (flightCodec) Append(dst []byte, _ *codec.Context, f flight) ([]byte, error) {
	return append(dst, f.Origin...), nil
}
func (flightCodec) Decode(*codec.Context, []byte) (flight, error) { return flight{}, nil }

var (
	flightsOut   = stream.NewTopic("flights-out", codec.String(), codec.Codec[flight](flightCodec{}))
	otherFlights = stream.NewTopic("other-flights", codec.String(), codec.Codec[flight](flightCodec{}))
)

// BenchmarkDebugging measures what is for people to look at.
func BenchmarkDebugging(b *testing.B) {
	for name, declare := range map[string]func(flights) flights{
		"Print": func(s flights) flights { return s.Print(stream.PrintOptions{To: io.Discard}) },
		"PrintTable": func(s flights) flights {
			return s.PrintTable(stream.TableOptions{To: io.Discard, Plain: true})
		},
	} {
		b.Run(name, func(b *testing.B) { benchmark(b, receive(b, lower(b, newEnv(b), declare, nowhere{})), 1) })
	}
}

// both2 is a sequence without an allocation of its own.
var both2 iter.Seq[flight] = func(yield func(flight) bool) { _ = yield(both[0]) && yield(both[1]) }

// forwarder is a processor that hands on what it gets.
type forwarder struct {
	weir.ProcessorBase[string, string, flight]
}

func (f *forwarder) Process(_ context.Context, r flightRecord) error { return f.Forward(r) }

// reminder is a processor with a timer that each record moves.
type reminder struct {
	forwarder
	timers *store.Timers
}

func (f *reminder) Process(_ context.Context, r flightRecord) error {
	f.timers.Set(weir.EventTime, "reminder", r.Time().Add(time.Hour))
	return f.Forward(r)
}

// BenchmarkTimers moves a timer with each record. It costs a tenth of an allocation, in the tree of what is due soon.
func BenchmarkTimers(b *testing.B) {
	declare := func(s flights) flights {
		return s.Process(store.NewTimers("timers"), func(t *store.Timers) weir.Processor[string, flight, string, flight] {
			return &reminder{timers: t}
		})
	}
	benchmark(b, receive(b, lower(b, newEnv(b), declare, nowhere{})), 1)
}

func init() {
	for name, declare := range map[string]func(flights) flights{
		"FlatMapSeq of two": func(s flights) flights { return s.FlatMapSeq(func(flight) iter.Seq[flight] { return both2 }) },
		"MapKey":            func(s flights) flights { return s.MapKey(func(f flight) string { return f.Destination }) },
		"AddHeader":         func(s flights) flights { return s.AddHeader("h", func(flight) []byte { return header }) },
		"Update of a pointer": func(s flights) flights {
			return s.Map(toPointer).Update(func(f *flight) { f.Delay++ }).Map(fromPointer)
		},
		"Branch of three": func(s flights) flights {
			b := s.Branch()
			none := b.When("none", func(f flight) bool { return f.Delay < 0 })
			some := b.Match("some", func(f flight) (flight, bool) { return f, f.Delay > 15 })
			return none.Merge(some, b.Otherwise("rest"))
		},
		"Split of two": func(s flights) flights {
			b := s.FanOut()
			return b.When("one", func(flight) bool { return true }).Merge(b.When("two", func(flight) bool { return true }))
		},
		"MapState of a map": func(s flights) flights {
			return s.MapState(byFlight, func(m *store.Map[int, int], f flight) flight {
				n, _ := m.Get(f.Distance % 8)
				m.Set(f.Distance%8, n+1)
				return f
			})
		},
		"MapState that expires": func(s flights) flights {
			return s.MapState(expiring, func(c *store.Cell[int], f flight) flight { c.Set(f.Delay); return f })
		},
		"MapState of two stores": func(s flights) flights {
			return s.MapState(twoStores, func(p pair, f flight) flight {
				p.cell.Set(f.Delay)
				p.m.Set(f.Distance%8, f.Delay)
				return f
			})
		},
		"FilterState": func(s flights) flights {
			return s.FilterState(delays, func(c *store.Cell[int], f flight) bool {
				n, _ := c.Get()
				c.Set(f.Delay)
				return n >= 0
			})
		},
		"FlatMapState of two": func(s flights) flights {
			return s.FlatMapState(delays, func(*store.Cell[int], flight) []flight { return both })
		},
		"Deduplicate": func(s flights) flights {
			return s.Deduplicate("ids", 1000*time.Hour, func(f flight) int { return f.Distance % 8 })
		},
		"Reduce": func(s flights) flights {
			return s.Reduce(store.NewCell[flight]("last"), func(_, f flight) flight { return f })
		},
		"Aggregate": func(s flights) flights {
			return s.Aggregate("sum", window.Sum(func(f flight) int { return f.Delay })).Map(func(n int) flight { return flight{Delay: n} })
		},
		"ReduceRecord": func(s flights) flights {
			return s.ReduceRecord(store.NewCell[flight]("last"), func(_ context.Context, _ flight, r flightRecord) (flight, error) { return r.Value, nil })
		},
		"FilterRecord": func(s flights) flights {
			return s.FilterRecord(func(_ context.Context, r flightRecord) (bool, error) { return !r.KeyNull, nil })
		},
		"FlatMapRecord of two": func(s flights) flights {
			return s.FlatMapRecord(func(context.Context, flightRecord) ([]flight, error) { return both, nil })
		},
		"PeekRecord": func(s flights) flights {
			return s.PeekRecord(func(context.Context, flightRecord) error { return nil })
		},
		"WithKeyCodec":      func(s flights) flights { return s.WithKeyCodec(codec.JSON[string]()) },
		"AssumePartitioned": func(s flights) flights { return s.AssumePartitioned() },
		"SetTimestamp": func(s flights) flights {
			moment := time.UnixMilli(1)
			return s.SetTimestamp(func(flight) time.Time { return moment })
		},
		"GroupByKey": func(s flights) flights {
			s.GroupByKeyWith(stream.Repartition[string, flight]{Name: "g", Value: flightCodec{}}).Peek(func(flight) {})
			return s
		},
		"ToWith": func(s flights) flights {
			s.ToWith(flightsOut, weir.Write[string, flight]{Key: func(r flightRecord) string { return r.Value.Destination }})
			return s
		},
		"TableOf": func(s flights) flights { return stream.TableOf(s, "rows").Stream() },
		"Process": func(s flights) flights {
			return s.Process(store.None(), func(struct{}) weir.Processor[string, flight, string, flight] { return &forwarder{} })
		},
	} {
		each[name] = declare
	}
}
