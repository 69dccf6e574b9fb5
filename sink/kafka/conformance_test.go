package kafka_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	sinkkafka "github.com/weirstreams/weir/sink/kafka"
	"github.com/weirstreams/weir/sink/sinktest"
)

func TestTheSinkKeepsThePromisesOfSinks(t *testing.T) {
	const password = "pa55-of-the-cluster"
	k, c := brokertest.Start(t)
	proxy := k.StartProxy(t)
	topics := map[string]string{} // by place; a real cluster has those of other runs too
	topic := func(place string) string {
		if topics[place] == "" {
			topics[place] = k.Name(place)
		}
		return topics[place]
	}
	sinktest.Run(t, sinktest.Target[*string, *string]{
		New: func(_ testing.TB, place string) sink.Sink[*string, *string] {
			// The times of the records are old: the topic must keep them whatever the retention of the cluster.
			forever := sinkkafka.NewTopic{Partitions: 3, Config: map[string]string{"retention.ms": "-1"}}
			o := options{Connection: connection(k), Create: &forever, Timeout: 5 * time.Second}
			o.Connection.Sarama = proxy.Detour().Take
			return sinkkafka.New(texts(topic(place)), o)
		},
		Record: func(i sinktest.Item) (*string, *string) { return i.Pointers() },
		Read: func(tb testing.TB, place string) (items []sinktest.Item) {
			for _, e := range read(tb, c, topic(place)) {
				items = append(items, sinktest.OfPointers(e.Key, e.Value))
			}
			return items
		},
		Records: 20_000,
		Refused: func() (*string, *string) {
			return p("k"), p(strings.Repeat("x", 2<<20))
		},
		Break: func(testing.TB, string) func() {
			proxy.Block(true)
			return func() { proxy.Block(false) }
		},
		Secrets: []string{password},
		Unreachable: func(testing.TB) sink.Sink[*string, *string] {
			return sinkkafka.New(texts("t"), options{
				Connection: kafka.Connection{
					Brokers: []string{"127.0.0.1:1"}, SecurityProtocol: "sasl_plaintext",
					SASL: kafka.SASL{Mechanism: "PLAIN", Username: "user", Password: secret.New(password)},
				},
				Timeout: 100 * time.Millisecond,
			})
		},
	})
}
