package quix_test

import (
	"fmt"
	"testing"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/benchtest"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/portaltest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/quixcloud/portal"
	"github.com/weirstreams/weir/secret"
	sourcekafka "github.com/weirstreams/weir/source/kafka"
	"github.com/weirstreams/weir/source/quix"
	"github.com/weirstreams/weir/stream"
)

// BenchmarkSource reads 50,000 records of a partition of a workspace, and by the source of package source/kafka that does it. The portal answers at
// once, so the difference is that of naming the topic.
func BenchmarkSource(b *testing.B) {
	const records = 50_000
	w := newThere(b)
	id := w.topic(b, "orders")
	producer := brokertest.NewProducer(b, brokertest.Open(b, w.Kafka), broker.ProducerConfig{})
	sent := make([]broker.Record, records)
	for i := range sent {
		sent[i] = broker.Record{Key: fmt.Appendf(nil, "k%d", i%100), Value: make([]byte, 100), Millis: brokertest.Now}
	}
	brokertest.Send(b, producer, broker.TopicPartition{Topic: id}, sent...)
	raw := func(name string) stream.Topic[[]byte, []byte] {
		return stream.NewTopic(name, codec.Bytes(), codec.Bytes())
	}
	b.Run("source/kafka", func(b *testing.B) {
		benchtest.ReadSplit(b, sourcekafka.New(raw(id), sourcekafka.Options[[]byte, []byte]{Connection: kafka.Connection{Brokers: w.Brokers}}), records, false)
	})
	b.Run("source/quix", func(b *testing.B) {
		benchtest.ReadSplit(b, quix.New(raw("orders"), quix.Options[[]byte, []byte]{
			Portal: portal.Config{URL: "https://portal.test", Token: secret.New(portaltest.Token), HTTPClient: w.Portal.Client()}, Workspace: workspace,
		}), records, false)
	})
}
