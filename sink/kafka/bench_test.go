package kafka_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/sink"
	sinkkafka "github.com/weirstreams/weir/sink/kafka"
	"github.com/weirstreams/weir/stream"
)

// BenchmarkSink compares the sink with its bare producer, for records of 100 bytes that are flushed every 10,000.
func BenchmarkSink(b *testing.B) {
	const batch = 10_000
	k := kafkatest.Start(b)
	value := []byte(fmt.Sprintf("%0100d", 1))
	b.Run("producer", func(b *testing.B) {
		b.ReportAllocs()
		topic := k.Topic(b, "bench", 4)
		p := brokertest.NewProducer(b, brokertest.Open(b, k), broker.ProducerConfig{})
		for sent := 0; sent < b.N; sent += batch {
			for partition := range int32(4) {
				records := make([]broker.Record, batch/4)
				for i := range records {
					records[i] = broker.Record{Key: []byte("key"), Value: value, Millis: 1}
				}
				if err := p.Send(b.Context(), broker.TopicPartition{Topic: topic, Partition: partition}, records); err != nil {
					b.Fatal(err)
				}
			}
			if err := p.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("sink", func(b *testing.B) {
		b.ReportAllocs()
		topic := stream.NewTopic(k.Topic(b, "bench", 4), codec.Int64(), codec.Bytes())
		to := sinkkafka.New(topic, sinkkafka.Options[int64, []byte]{Connection: connection(k)})
		if err := to.Connect(b.Context()); err != nil {
			b.Fatal(err)
		}
		w, err := to.Writer(b.Context(), sink.Task{Now: time.Now})
		if err != nil {
			b.Fatal(err)
		}
		r := weir.Record[int64, []byte]{Value: value, Millis: 1, Origin: &weir.Origin{}}
		for i := range b.N {
			r.Key = int64(i)
			if err := w.Add(b.Context(), &r); err != nil {
				b.Fatal(err)
			}
			if i == b.N-1 || w.Full() {
				if err := w.Flush(b.Context(), sink.Checkpoint{ID: 1}); err != nil {
					b.Fatal(err)
				}
			}
		}
		if err := errors.Join(w.Close(), to.Close(b.Context())); err != nil {
			b.Fatal(err)
		}
	})
}
