package benchtest_test

import (
	"context"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// The Record forms of operators, for TestOperatorsDoNotAllocate and BenchmarkEach.

var toGroups = stream.Repartition[string, flight]{Name: "g", Value: flightCodec{}}

func toPointer(flight) *flight     { return &both[0] }
func fromPointer(f *flight) flight { return *f }

func init() {
	for name, declare := range map[string]func(flights) flights{
		"MapKeyRecord": func(s flights) flights {
			return s.MapKeyRecord(func(_ context.Context, r flightRecord) (string, error) { return r.Key, nil })
		},
		"Transform": func(s flights) flights {
			return s.Transform(func(_ context.Context, r flightRecord) (flightRecord, error) { return r, nil })
		},
		"SetTimestampRecord": func(s flights) flights {
			return s.SetTimestampRecord(func(_ context.Context, r flightRecord) (time.Time, error) { return r.Time(), nil })
		},
		"SetHeaders": func(s flights) flights {
			return s.SetHeaders(func(_ context.Context, r flightRecord) ([]weir.Header, error) { return r.Headers, nil })
		},
		"UpdateRecord of a pointer": func(s flights) flights {
			return s.Map(toPointer).UpdateRecord(func(_ context.Context, r weir.Record[string, *flight]) error { r.Value.Delay++; return nil }).Map(fromPointer)
		},
		"WhenRecord": func(s flights) flights {
			return s.Branch().WhenRecord("some", func(_ context.Context, r flightRecord) (bool, error) { return !r.KeyNull, nil })
		},
		"MatchRecord": func(s flights) flights {
			return s.Branch().MatchRecord("some", func(_ context.Context, r flightRecord) (flight, bool, error) { return r.Value, true, nil })
		},
		"MapStateRecord": func(s flights) flights {
			return s.MapStateRecord(delays, func(_ context.Context, c *store.Cell[int], r flightRecord) (flight, error) {
				c.Set(r.Value.Delay)
				return r.Value, nil
			})
		},
		"FilterStateRecord": func(s flights) flights {
			return s.FilterStateRecord(delays, func(_ context.Context, c *store.Cell[int], r flightRecord) (bool, error) {
				c.Set(r.Value.Delay)
				return true, nil
			})
		},
		"FlatMapStateRecord of two": func(s flights) flights {
			return s.FlatMapStateRecord(delays, func(context.Context, *store.Cell[int], flightRecord) ([]flight, error) { return both, nil })
		},
		"ProcessState of two": func(s flights) flights {
			return s.ProcessState(delays, func(_ context.Context, _ *store.Cell[int], r flightRecord, emit func(flightRecord)) error {
				emit(r)
				emit(r)
				return nil
			})
		},
		"DeduplicateRecord": func(s flights) flights {
			return s.DeduplicateRecord("ids", 1000*time.Hour, func(_ context.Context, r flightRecord) (int, error) { return r.Value.Distance % 8, nil })
		},
		"GroupByWith": func(s flights) flights {
			s.GroupByWith(toGroups, func(f flight) string { return f.Destination }).Peek(func(flight) {})
			return s
		},
		"ToOneOf": func(s flights) flights {
			s.ToOneOf(func(context.Context, flightRecord) (stream.Topic[string, flight], error) { return flightsOut, nil }, flightsOut, otherFlights)
			return s
		},
		"ToDynamic": func(s flights) flights {
			s.ToDynamic(flightsOut, func(context.Context, flightRecord) (string, error) { return flightsOut.Name(), nil })
			return s
		},
		"ToOneOfWith": func(s flights) flights {
			s.ToOneOfWith(weir.Write[string, flight]{Key: func(r flightRecord) string { return r.Value.Destination }}, func(context.Context, flightRecord) (stream.Topic[string, flight], error) { return flightsOut, nil }, flightsOut, otherFlights)
			return s
		},
		"To": func(s flights) flights {
			s.To(flightsOut)
			return s
		},
	} {
		each[name] = declare
	}
}
