package runtime_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

// callTime is how long a call of these benchmarks takes.
const callTime = 5 * time.Millisecond

// BenchmarkMapAsync calls a function of 5 ms for each record: one by one with MapRecord, and 64 at a time with MapAsync, in one task of
// a whole application on a broker of this process. "x-sequential" compares the rate with one call after the other, without anything
// in between.
//
//	go test ./runtime -run - -bench MapAsync -benchtime 10000x
func BenchmarkMapAsync(b *testing.B) {
	call := func(ctx context.Context) {
		timer := time.NewTimer(callTime)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	for _, c := range []struct {
		name string
		most int
		add  func(s stream.Stream[string, string]) stream.Stream[string, string]
	}{
		{"MapRecord", 500, func(s stream.Stream[string, string]) stream.Stream[string, string] {
			return s.MapRecord(func(ctx context.Context, r weir.Record[string, string]) (string, error) {
				call(ctx)
				return r.Value, nil
			})
		}},
		{"MapAsync of 64", 1 << 30, func(s stream.Stream[string, string]) stream.Stream[string, string] {
			return s.MapAsync(func(ctx context.Context, v string) (string, error) { call(ctx); return v, nil })
		}},
		{"MapAsync of 64, unordered", 1 << 30, func(s stream.Stream[string, string]) stream.Stream[string, string] {
			return s.MapAsync(func(ctx context.Context, v string) (string, error) { call(ctx); return v, nil }, stream.AsyncOptions{Unordered: true})
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			k := newKafka(b)
			in := k.Topic(b, "in", 1)
			records := min(b.N, c.most)
			k.write(in, 0, numbers(0, records)...)
			var done atomic.Int64
			over := make(chan struct{})
			var began atomic.Int64
			topology := stream.NewTopology()
			s := topology.From(texts(in)).Peek(func(string) {
				began.CompareAndSwap(0, time.Now().UnixNano())
			})
			c.add(s).Peek(func(string) {
				if done.Add(1) == int64(records) {
					close(over)
				}
			})
			config := k.config()
			config.Checkpoint = runtime.CheckpointConfig{}
			b.ResetTimer()
			r := run(b, topology, config)
			<-over
			took := time.Since(time.Unix(0, began.Load()))
			b.StopTimer()
			r.stop()
			b.ReportMetric(float64(records)/took.Seconds(), "records/s")
			b.ReportMetric(float64(records)*callTime.Seconds()/took.Seconds(), "x-sequential")
		})
	}
}
