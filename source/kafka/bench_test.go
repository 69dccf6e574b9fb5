package kafka_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/source"
	sourcekafka "github.com/weirstreams/weir/source/kafka"
)

// BenchmarkSource reads 100,000 records of a partition by the source, and by the consumer that it reads with.
func BenchmarkSource(b *testing.B) {
	const records = 100_000
	c := newCluster(b)
	in := c.Topic(b, "in", 1)
	sent := make([]broker.Record, records)
	for i := range sent {
		sent[i] = broker.Record{Key: fmt.Appendf(nil, "k%d", i%100), Value: make([]byte, 100), Millis: 1722945524540}
	}
	c.send(b, in, 0, sent...)
	per := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records), "ns/record")
	}
	b.Run("bare", func(b *testing.B) {
		for i := range b.N {
			consumer, err := kafka.NewConsumer(b.Context(), kafka.Config{Connection: c.connection()}, kafka.ConsumerOptions{
				Group: c.Name(fmt.Sprintf("bare-%d", i)), Topics: []string{in},
			})
			if err != nil {
				b.Fatal(err)
			}
			for range records {
				if m, err := consumer.Poll(b.Context(), time.Minute); err != nil || m == nil {
					b.Fatal(m, err)
				}
			}
			if err := consumer.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		per(b)
	})
	b.Run("source", func(b *testing.B) {
		for range b.N {
			s := sourcekafka.New(raw(in), options{Connection: c.connection()})
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
			var batch source.Batch[[]byte, []byte]
			for n := 0; n < records; n += len(batch.Records) {
				batch.Reset()
				if err := r.Read(b.Context(), &batch); err != nil {
					b.Fatal(err)
				}
			}
			if err := r.Close(); err != nil {
				b.Fatal(err)
			}
			if err := s.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		per(b)
	})
}
