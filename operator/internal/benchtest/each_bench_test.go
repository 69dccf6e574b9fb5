package benchtest_test

import (
	"context"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

type (
	flights      = stream.Stream[string, flight]
	flightRecord = weir.Record[string, flight]
)

var (
	delays = store.NewCell[int]("delays")
	both   = make([]flight, 2)
)

// each declares one operator. None does any work in its function that could be measured.
var each = map[string]func(flights) flights{
	"MapWith": func(s flights) flights {
		return s.MapWith(func(_ context.Context, f flight) (flight, error) { return f, nil })
	},
	"FilterWith": func(s flights) flights {
		return s.FilterWith(func(_ context.Context, f flight) (bool, error) { return f.Delay >= 0, nil })
	},
	"Map": func(s flights) flights { return s.Map(func(f flight) flight { f.Delay++; return f }) },
	"MapRecord": func(s flights) flights {
		return s.MapRecord(func(_ context.Context, r flightRecord) (flight, error) { return r.Value, nil })
	},
	"Filter":            func(s flights) flights { return s.Filter(func(f flight) bool { return f.Delay >= 0 }) },
	"FlatMap of two":    func(s flights) flights { return s.FlatMap(func(flight) []flight { return both }) },
	"Peek":              func(s flights) flights { return s.Peek(func(flight) {}) },
	"Merge with itself": func(s flights) flights { return s.Merge(s) },
	"MapState": func(s flights) flights {
		return s.MapState(delays, func(c *store.Cell[int], f flight) flight {
			n, _ := c.Get()
			c.Set(n + f.Delay)
			return f
		})
	},
}

// nowhere is the end of a chain.
type nowhere struct{}

func (nowhere) Receive(*weir.Record[string, flight]) error { return nil }

func TestOperatorsDoNotAllocate(t *testing.T) {
	for name, declare := range each {
		next := feed(receive(t, lower(t, newEnv(t), declare, nowhere{})))
		round := func() {
			for range benchRecords {
				next()
			}
		}
		round()
		if n := testing.AllocsPerRun(5, round); n != 0 {
			t.Errorf("%s: %v allocations for %d records", name, n, benchRecords)
		}
	}
}

// BenchmarkEach measures each operator alone; BenchmarkLoweredNothing is what it costs without one.
func BenchmarkEach(b *testing.B) {
	for name, declare := range each {
		b.Run(name, func(b *testing.B) { benchmark(b, receive(b, lower(b, newEnv(b), declare, nowhere{})), 1) })
	}
}
