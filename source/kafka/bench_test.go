package kafka_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/benchtest"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/kafka"
	sourcekafka "github.com/weirstreams/weir/source/kafka"
)

// BenchmarkSource reads 100,000 records of a partition by the source, and by a kafka.Consumer from its first record on.
func BenchmarkSource(b *testing.B) {
	const records = 100_000
	c := newCluster(b)
	in := c.Topic(b, "in", 1)
	sent := make([]broker.Record, records)
	for i := range sent {
		sent[i] = broker.Record{Key: fmt.Appendf(nil, "k%d", i%100), Value: make([]byte, 100), Millis: 1722945524540}
	}
	c.send(b, in, 0, sent...)
	b.Run("bare", func(b *testing.B) {
		for i := range b.N {
			b.StopTimer() // until the consumer has its partition, by way of a group
			consumer, err := kafka.NewConsumer(b.Context(), kafka.Config{Connection: c.connection()}, kafka.ConsumerOptions{
				Group: c.Name(fmt.Sprintf("bare-%d", i)), Topics: []string{in},
			})
			if err != nil {
				b.Fatal(err)
			}
			for n := range records {
				if n == 1 {
					b.StartTimer()
				}
				if m, err := consumer.Poll(b.Context(), time.Minute); err != nil || m == nil {
					b.Fatal(m, err)
				}
			}
			b.StopTimer()
			if err := consumer.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		benchtest.PerRecord(b, records)
	})
	b.Run("source", func(b *testing.B) {
		benchtest.ReadSplit(b, sourcekafka.New(raw(in), options{Connection: c.connection()}), records, false)
	})
}
