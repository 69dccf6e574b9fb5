package operator_test

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// The Record and Try twins of operators for TestOperatorsDoNotAllocate and BenchmarkEach.

var (
	moment   = time.UnixMilli(1)
	last     = store.NewCell[flight]("last")
	toGroups = stream.Repartition[string, flight]{Name: "g", Value: flightCodec{}}
)

// tryBoth2 is both2 for functions that can fail.
var tryBoth2 iter.Seq2[flight, error] = func(yield func(flight, error) bool) { _ = yield(both[0], nil) && yield(both[1], nil) }

func toPointer(flight) *flight     { return &both[0] }
func fromPointer(f *flight) flight { return *f }

func init() {
	for name, declare := range map[string]func(flights) flights{
		"FlatMapRecord of two": func(s flights) flights {
			return s.FlatMapRecord(func(flightRecord) []flight { return both })
		},
		"TryFlatMap of two": func(s flights) flights {
			return s.TryFlatMap(func(context.Context, flight) ([]flight, error) { return both, nil })
		},
		"FlatMapSeqRecord of two": func(s flights) flights {
			return s.FlatMapSeqRecord(func(flightRecord) iter.Seq[flight] { return both2 })
		},
		"TryFlatMapSeq of two": func(s flights) flights {
			return s.TryFlatMapSeq(func(context.Context, flight) iter.Seq2[flight, error] { return tryBoth2 })
		},
		"TryFlatMapSeqRecord of two": func(s flights) flights {
			return s.TryFlatMapSeqRecord(func(context.Context, flightRecord) iter.Seq2[flight, error] { return tryBoth2 })
		},
		"FlatMapEmitRecord of two": func(s flights) flights {
			return s.FlatMapEmitRecord(func(r flightRecord, emit func(flight)) { emit(r.Value); emit(r.Value) })
		},
		"TryFlatMapEmit of two": func(s flights) flights {
			return s.TryFlatMapEmit(func(_ context.Context, f flight, emit func(flight) error) error { return errors.Join(emit(f), emit(f)) })
		},
		"TryFlatMapEmitRecord of two": func(s flights) flights {
			return s.TryFlatMapEmitRecord(func(_ context.Context, r flightRecord, emit func(flight) error) error {
				return errors.Join(emit(r.Value), emit(r.Value))
			})
		},
		"FilterNotRecord": func(s flights) flights {
			return s.FilterNotRecord(func(r flightRecord) bool { return r.KeyNull })
		},
		"TryFilterNot": func(s flights) flights {
			return s.TryFilterNot(func(_ context.Context, f flight) (bool, error) { return f.Delay < 0, nil })
		},
		"TryFilterNotRecord": func(s flights) flights {
			return s.TryFilterNotRecord(func(_ context.Context, r flightRecord) (bool, error) { return r.KeyNull, nil })
		},
		"TryPeek": func(s flights) flights {
			return s.TryPeek(func(context.Context, flight) error { return nil })
		},
		"TryMapKey": func(s flights) flights {
			return s.TryMapKey(func(_ context.Context, f flight) (string, error) { return f.Destination, nil })
		},
		"TryMapKeyRecord": func(s flights) flights {
			return s.TryMapKeyRecord(func(_ context.Context, r flightRecord) (string, error) { return r.Key, nil })
		},
		"TryTransform": func(s flights) flights {
			return s.TryTransform(func(_ context.Context, r flightRecord) (flightRecord, error) { return r, nil })
		},
		"TrySetTimestamp": func(s flights) flights {
			return s.TrySetTimestamp(func(context.Context, flight) (time.Time, error) { return moment, nil })
		},
		"TrySetTimestampRecord": func(s flights) flights {
			return s.TrySetTimestampRecord(func(_ context.Context, r flightRecord) (time.Time, error) { return r.Time(), nil })
		},
		"TrySetHeaders": func(s flights) flights {
			return s.TrySetHeaders(func(_ context.Context, r flightRecord) ([]stream.Header, error) { return r.Headers, nil })
		},
		"TryAddHeader": func(s flights) flights {
			return s.TryAddHeader("h", func(context.Context, flight) ([]byte, error) { return header, nil })
		},
		"TryAddHeaderRecord": func(s flights) flights {
			return s.TryAddHeaderRecord("h", func(context.Context, flightRecord) ([]byte, error) { return header, nil })
		},
		"TryUpdate of a pointer": func(s flights) flights {
			return s.Map(toPointer).TryUpdate(func(_ context.Context, f *flight) error { f.Delay++; return nil }).Map(fromPointer)
		},
		"TryUpdateRecord of a pointer": func(s flights) flights {
			return s.Map(toPointer).TryUpdateRecord(func(_ context.Context, r stream.Record[string, *flight]) error { r.Value.Delay++; return nil }).Map(fromPointer)
		},
		"WhenRecord": func(s flights) flights {
			return s.Branch().WhenRecord("some", func(r flightRecord) bool { return !r.KeyNull })
		},
		"TryWhen": func(s flights) flights {
			return s.Branch().TryWhen("some", func(_ context.Context, f flight) (bool, error) { return f.Delay >= 0, nil })
		},
		"TryWhenRecord": func(s flights) flights {
			return s.Branch().TryWhenRecord("some", func(_ context.Context, r flightRecord) (bool, error) { return !r.KeyNull, nil })
		},
		"MatchRecord": func(s flights) flights {
			return s.Branch().MatchRecord("some", func(r flightRecord) (flight, bool) { return r.Value, true })
		},
		"TryMatch": func(s flights) flights {
			return s.Branch().TryMatch("some", func(_ context.Context, f flight) (flight, bool, error) { return f, true, nil })
		},
		"TryMatchRecord": func(s flights) flights {
			return s.Branch().TryMatchRecord("some", func(_ context.Context, r flightRecord) (flight, bool, error) { return r.Value, true, nil })
		},
		"TryMapState": func(s flights) flights {
			return s.TryMapState(delays, func(_ context.Context, c *store.Cell[int], f flight) (flight, error) { c.Set(f.Delay); return f, nil })
		},
		"TryMapStateRecord": func(s flights) flights {
			return s.TryMapStateRecord(delays, func(_ context.Context, c *store.Cell[int], r flightRecord) (flight, error) {
				c.Set(r.Value.Delay)
				return r.Value, nil
			})
		},
		"FilterStateRecord": func(s flights) flights {
			return s.FilterStateRecord(delays, func(c *store.Cell[int], r flightRecord) bool { c.Set(r.Value.Delay); return true })
		},
		"TryFilterState": func(s flights) flights {
			return s.TryFilterState(delays, func(_ context.Context, c *store.Cell[int], f flight) (bool, error) { c.Set(f.Delay); return true, nil })
		},
		"TryFilterStateRecord": func(s flights) flights {
			return s.TryFilterStateRecord(delays, func(_ context.Context, c *store.Cell[int], r flightRecord) (bool, error) {
				c.Set(r.Value.Delay)
				return true, nil
			})
		},
		"FlatMapStateRecord of two": func(s flights) flights {
			return s.FlatMapStateRecord(delays, func(*store.Cell[int], flightRecord) []flight { return both })
		},
		"TryFlatMapState of two": func(s flights) flights {
			return s.TryFlatMapState(delays, func(context.Context, *store.Cell[int], flight) ([]flight, error) { return both, nil })
		},
		"TryFlatMapStateRecord of two": func(s flights) flights {
			return s.TryFlatMapStateRecord(delays, func(context.Context, *store.Cell[int], flightRecord) ([]flight, error) { return both, nil })
		},
		"TryProcessState of two": func(s flights) flights {
			return s.TryProcessState(delays, func(_ context.Context, _ *store.Cell[int], r flightRecord, emit func(flightRecord)) error {
				emit(r)
				emit(r)
				return nil
			})
		},
		"DeduplicateRecord": func(s flights) flights {
			return s.DeduplicateRecord("ids", 1000*time.Hour, func(r flightRecord) int { return r.Value.Distance % 8 })
		},
		"TryDeduplicate": func(s flights) flights {
			return s.TryDeduplicate("ids", 1000*time.Hour, func(_ context.Context, f flight) (int, error) { return f.Distance % 8, nil })
		},
		"TryDeduplicateRecord": func(s flights) flights {
			return s.TryDeduplicateRecord("ids", 1000*time.Hour, func(_ context.Context, r flightRecord) (int, error) { return r.Value.Distance % 8, nil })
		},
		"ReduceRecord": func(s flights) flights {
			return s.ReduceRecord(last, func(_ flight, r flightRecord) flight { return r.Value })
		},
		"TryReduce": func(s flights) flights {
			return s.TryReduce(last, func(_ context.Context, _, f flight) (flight, error) { return f, nil })
		},
		"GroupByWith": func(s flights) flights {
			s.GroupByWith(toGroups, func(f flight) string { return f.Destination })
			return s
		},
		"GroupByWithRecord": func(s flights) flights {
			s.GroupByWithRecord(toGroups, func(r flightRecord) string { return r.Key })
			return s
		},
		"TryGroupByWith": func(s flights) flights {
			s.TryGroupByWith(toGroups, func(_ context.Context, f flight) (string, error) { return f.Destination, nil })
			return s
		},
		"TryGroupByWithRecord": func(s flights) flights {
			s.TryGroupByWithRecord(toGroups, func(_ context.Context, r flightRecord) (string, error) { return r.Key, nil })
			return s
		},
		"TryToOneOf": func(s flights) flights {
			s.TryToOneOf(func(context.Context, flightRecord) (stream.Topic[string, flight], error) { return flightsOut, nil }, flightsOut, otherFlights)
			return s
		},
		"ToOneOfWith": func(s flights) flights {
			s.ToOneOfWith(stream.Write[string, flight]{Key: func(r flightRecord) string { return r.Value.Destination }}, func(flightRecord) stream.Topic[string, flight] { return flightsOut }, flightsOut, otherFlights)
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
