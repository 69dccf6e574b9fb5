package kafka_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source"
	sourcekafka "github.com/weirstreams/weir/source/kafka"
	"github.com/weirstreams/weir/source/sourcetest"
	"github.com/weirstreams/weir/stream"
)

func TestTheSourceKeepsThePromisesOfSources(t *testing.T) {
	const password = "pa55-of-the-cluster"
	for name, stop := range map[string]bool{"a topic that grows": false, "a topic up to its end": true} {
		t.Run(name, func(t *testing.T) {
			kafkatest.Parallel(t)
			c := newCluster(t)
			topics := map[string]string{}
			place := func(name string) string {
				if topics[name] == "" {
					topics[name] = c.Topic(t, "there", 3)
				}
				return topics[name]
			}
			texts := codec.Nullable(codec.String())
			sourcetest.Run(t, sourcetest.System[*string, *string]{
				New: func(_ testing.TB, name string) source.Source[*string, *string] {
					return sourcekafka.New(stream.NewTopic(place(name), texts, texts), sourcekafka.Options[*string, *string]{
						Connection: c.connection(), StopAtEnd: stop,
					})
				},
				Fill: func(tb testing.TB, name string, items []sourcetest.Item) {
					topic := place(name)
					records := map[int32][]broker.Record{}
					for i, item := range items {
						r := broker.Record{Millis: brokertest.Now}
						if !item.NullKey {
							r.Key = []byte(item.Key)
						}
						if !item.NullValue {
							r.Value = []byte(item.Value)
						}
						records[int32(i%3)] = append(records[int32(i%3)], r)
					}
					for p := range int32(3) {
						for len(records[p]) > 0 {
							n := min(50, len(records[p])) // small batches, so that there are many positions
							c.send(tb, topic, p, records[p][:n]...)
							records[p] = records[p][n:]
						}
					}
				},
				Item:      func(r weir.Record[*string, *string]) sourcetest.Item { return sourcetest.OfPointers(r.Key, r.Value) },
				Bounded:   stop,
				Unordered: true,
				Grows:     !stop,
				Records:   5000,
				Idle:      200 * time.Millisecond,
				Secrets:   []string{password},
				Unreachable: func(testing.TB) source.Source[*string, *string] {
					return sourcekafka.New(stream.NewTopic("t", texts, texts), sourcekafka.Options[*string, *string]{
						Connection: kafka.Connection{
							Brokers: []string{"127.0.0.1:1"}, SecurityProtocol: "sasl_plaintext",
							SASL: kafka.SASL{Mechanism: "PLAIN", Username: "user", Password: secret.New(password)},
						},
						Timeout: 100_000_000,
					})
				},
			})
			if len(topics) < 5 {
				t.Error(fmt.Sprint(len(topics), " places were used"))
			}
		})
	}
}
