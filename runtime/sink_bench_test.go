package runtime_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/stream"
)

// BenchmarkSlowSink writes to a sink that takes 20 ms for a batch of 1,000 records, behind a function that takes as long for these, in one
// task of a whole application on a broker of this process: with all batches at the checkpoint, and with full ones beside the task.
//
//	go test ./runtime -run - -bench SlowSink -benchtime 100000x
func BenchmarkSlowSink(b *testing.B) {
	const perBatch, perRecord = 20 * time.Millisecond, 20 * time.Microsecond
	for _, c := range []struct {
		name    string
		options sink.BatchOptions
	}{
		{"at the checkpoint", sink.BatchOptions{AtCheckpoint: true}},
		{"beside the task", sink.BatchOptions{}},
	} {
		b.Run(c.name, func(b *testing.B) {
			k := newKafka(b)
			in := k.Topic(b, "in", 1)
			k.write(in, 0, numbers(0, b.N)...)
			written, over := 0, make(chan struct{})
			to := sink.Batch(func(ctx context.Context, records []weir.Record[string, string]) error {
				timer := time.NewTimer(perBatch)
				defer timer.Stop()
				select {
				case <-timer.C:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
				if written += len(records); written == b.N {
					close(over)
				}
				return nil
			}, c.options)
			var began atomic.Int64
			topology := stream.NewTopology()
			topology.From(texts(in)).Peek(func(string) {
				began.CompareAndSwap(0, time.Now().UnixNano())
				for until := time.Now().Add(perRecord); time.Now().Before(until); {
					continue // as work does, and a timer does not
				}
			}).Sink("slow", to)
			config := k.config()
			config.Checkpoint = runtime.CheckpointConfig{Interval: 200 * time.Millisecond}
			b.ResetTimer()
			r := run(b, topology, config)
			<-over
			took := time.Since(time.Unix(0, began.Load()))
			b.StopTimer()
			r.stop()
			b.ReportMetric(float64(b.N)/took.Seconds(), "records/s")
		})
	}
}
