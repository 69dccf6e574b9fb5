package pubsub_test

import (
	"encoding/json"
	"strconv"
	"testing"

	client "cloud.google.com/go/pubsub/v2"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/weirstreams/weir/internal/pubsub/pubsubtest"
	"github.com/weirstreams/weir/sink/pubsub"
)

// BenchmarkSink compares the sink with the publisher of the client, with as many messages in a call. One operation is one message.
func BenchmarkSink(b *testing.B) {
	value := func(i int) order { return order{Amount: float64(i)} }
	b.Run("client", func(b *testing.B) {
		s := pubsubtest.New(b)
		topic := s.Topic(b, "orders")
		c, err := client.NewClient(b.Context(), s.Project.ID, option.WithEndpoint(s.Fake.Addr), option.WithoutAuthentication(),
			option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
		must(b, err)
		defer c.Close()
		p := c.Publisher(topic)
		p.PublishSettings.CountThreshold = 1000
		b.ReportAllocs()
		b.ResetTimer()
		results := make([]*client.PublishResult, 0, 20_000)
		wait := func() {
			p.Flush()
			for _, r := range results {
				_, err := r.Get(b.Context())
				must(b, err)
			}
			results = results[:0]
		}
		for i := range b.N {
			data, err := json.Marshal(value(i))
			must(b, err)
			if results = append(results, p.Publish(b.Context(), &client.Message{Data: data, Attributes: map[string]string{"key": strconv.Itoa(i % 1000)}})); len(results) == cap(results) {
				wait()
			}
		}
		wait()
		p.Stop()
	})
	b.Run("sink", func(b *testing.B) {
		s := pubsubtest.New(b)
		s.Topic(b, "orders")
		w := open(b, s.Project, pubsub.Options[string, order]{Topic: "orders", KeyAttribute: "key"})
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			must(b, w.add(strconv.Itoa(i%1000), value(i)))
			if w.writer.Full() {
				must(b, w.flush())
			}
		}
		must(b, w.flush())
	})
}
