// Package benchtest has the loops that benchmarks of sinks and sources share.
package benchtest

import (
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/source"
)

// PerRecord reports the time per record of a benchmark with that number of records in each operation.
func PerRecord(b *testing.B, records int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records), "ns/record")
}

// ReadSplit connects a source in each operation, reads the records of its first split, and reports the time per record. ends says that the split has an
// end, which is read too.
func ReadSplit[K, V any](b *testing.B, s source.Source[K, V], records int, ends bool) {
	b.Helper()
	for range b.N {
		if err := s.Connect(b.Context()); err != nil {
			b.Fatal(err)
		}
		splits, err := s.Splits(b.Context(), func(string) bool { return false })
		if err != nil {
			b.Fatal(err)
		}
		r, err := s.Open(b.Context(), source.Task{Now: time.Now, Logger: slog.New(slog.DiscardHandler)}, splits[0], nil)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		var batch source.Batch[K, V]
		for ends || n < records {
			batch.Reset()
			err := r.Read(b.Context(), &batch)
			n += len(batch.Records)
			if ends && errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		if err := errors.Join(r.Close(), s.Close(b.Context())); err != nil || n != records {
			b.Fatal(n, err)
		}
	}
	PerRecord(b, records)
}

// WriteCheckpoints writes a record many times in each operation, makes a checkpoint of these records and commits it, and reports the time per record. The
// sink is connected before the first operation.
func WriteCheckpoints[K, V any](b *testing.B, s sink.TwoPhase[K, V], r weir.Record[K, V], records int) {
	b.Helper()
	WriteCheckpointsOf(b, s, &r, records, func() {})
}

// WriteCheckpointsOf is [WriteCheckpoints] with a function that changes the record each time before it is written.
func WriteCheckpointsOf[K, V any](b *testing.B, s sink.TwoPhase[K, V], r *weir.Record[K, V], records int, next func()) {
	b.Helper()
	const epoch = "0000000a"
	if err := s.Connect(b.Context()); err != nil {
		b.Fatal(err)
	}
	w, err := s.TwoPhaseWriter(b.Context(), sink.Task{Application: "app", Sink: "bench", Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	if err := w.Recover(b.Context(), epoch, nil); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		for range records {
			r.Origin.Offset++
			next()
			if err := w.Add(b.Context(), r); err != nil {
				b.Fatal(err)
			}
		}
		token, err := w.Prepare(b.Context(), sink.Checkpoint{ID: int64(i + 1), Epoch: epoch})
		if err == nil {
			err = w.Commit(b.Context(), token)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	PerRecord(b, records)
	if err := errors.Join(w.Close(), s.Close(b.Context())); err != nil {
		b.Fatal(err)
	}
}
