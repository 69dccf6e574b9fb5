package saramabroker_test

import (
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
)

// The benchmarks count records. With kfake the broker runs in the same process, and what it costs and allocates is
// counted too; compare with a bare loop of the client's requests on the same broker only.

const benchBatch = 1000

func benchRecords() []broker.Record {
	records := make([]broker.Record, benchBatch)
	for i := range records {
		records[i] = broker.Record{Key: []byte("12345678"), Value: make([]byte, 100), Millis: brokertest.Now}
	}
	return records
}

func BenchmarkFetcher(b *testing.B) {
	k := kafkatest.Start(b)
	c := brokertest.Open(b, k)
	tp := broker.TopicPartition{Topic: k.Topic(b, "bench", 1)}
	p := brokertest.NewProducer(b, c, broker.ProducerConfig{})
	const stored = 200 * benchBatch
	for range stored / benchBatch {
		brokertest.Send(b, p, tp, benchRecords()...)
	}
	f := brokertest.NewFetcher(b, c, broker.FetcherConfig{})
	f.Start(tp, 0)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; {
		batch, err := f.Poll(b.Context(), time.Second)
		if err != nil {
			b.Fatal(err)
		}
		if batch == nil {
			continue
		}
		n += len(batch.Records)
		if batch.NextOffset == stored {
			f.Start(tp, 0)
		}
		batch.Release()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkProducer(b *testing.B) {
	k := kafkatest.Start(b)
	c := brokertest.Open(b, k)
	tp := broker.TopicPartition{Topic: k.Topic(b, "bench", 1)}
	p := brokertest.NewProducer(b, c, broker.ProducerConfig{})
	records := benchRecords()
	brokertest.Send(b, p, tp, records...)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += benchBatch {
		if err := p.Send(b.Context(), tp, records[:min(benchBatch, b.N-n)]); err != nil {
			b.Fatal(err)
		}
	}
	if err := p.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
