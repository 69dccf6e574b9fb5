package kafka_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/source"
	sourcekafka "github.com/weirstreams/weir/source/kafka"
	"github.com/weirstreams/weir/stream"
)

func TestMain(m *testing.M) {
	kafkatest.ManyAtOnce()
	kafkatest.VerifyTestMain(m)
}

type options = sourcekafka.Options[[]byte, []byte]

// raw is a topic of bytes.
func raw(name string) stream.Topic[[]byte, []byte] {
	return stream.NewTopic(name, codec.Bytes(), codec.Bytes())
}

// cluster is a cluster of a test, with a client and a producer.
type cluster struct {
	*kafkatest.Kafka
	client   broker.Cluster
	producer broker.Producer
}

func newCluster(t testing.TB) *cluster {
	t.Helper()
	k := kafkatest.Start(t)
	c := &cluster{Kafka: k, client: brokertest.Open(t, k)}
	c.producer = brokertest.NewProducer(t, c.client, broker.ProducerConfig{})
	return c
}

func (c *cluster) connection() kafka.Connection { return kafka.Connection{Brokers: c.Brokers} }

func (c *cluster) send(t testing.TB, topic string, partition int32, records ...broker.Record) {
	t.Helper()
	brokertest.Send(t, c.producer, broker.TopicPartition{Topic: topic, Partition: partition}, records...)
}

// entry is a record of a partition.
type entry struct {
	Partition  int32
	Key, Value string // "null" for null
	Millis     int64
	Headers    []weir.Header
}

func textOf(data []byte) string {
	if data == nil {
		return "null"
	}
	return string(data)
}

// read returns the committed records of a topic, by partition.
func (c *cluster) read(t testing.TB, topic string) (entries []entry) {
	t.Helper()
	brokertest.ReadTopic(t, c.client, topic, func(partition int32, r broker.Record) {
		e := entry{Partition: partition, Key: textOf(r.Key), Value: textOf(r.Value), Millis: r.Millis}
		for _, h := range r.Headers {
			e.Headers = append(e.Headers, weir.Header{Key: h.Key, Value: append([]byte{}, h.Value...)})
		}
		entries = append(entries, e)
	})
	return entries
}

func values(entries []entry) (texts []string) {
	for _, e := range entries {
		texts = append(texts, e.Value)
	}
	return texts
}

// copying is an application that copies a topic.
type copying struct {
	app  *runtime.App
	stop func() error
}

// app returns an application on c that reads from a source and writes a topic.
func (c *cluster) app(t testing.TB, group, dir string, from source.Source[[]byte, []byte], to string, o source.Options) *runtime.App {
	t.Helper()
	topology := stream.NewTopology()
	topology.AddSourceWith(o, from, raw(to))
	config := runtime.Config{Group: group, Connection: c.connection(), Guarantee: runtime.ExactlyOnce, Logger: brokertest.Logger(t)}
	config.State.Dir = dir
	config.Checkpoint.Interval = 20 * time.Millisecond
	app, err := runtime.New(topology, config)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// run runs an application until stop is called.
func run(t testing.TB, app *runtime.App) *copying {
	t.Helper()
	ctx, cancel := context.WithCancel(brokertest.Within(t))
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx) }()
	stop := sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { _ = stop() })
	return &copying{app, stop}
}

// positions returns the position of each split of an application.
func positions(app *runtime.App) map[string]string {
	found := map[string]string{}
	for _, slot := range app.Status().Sources {
		for _, split := range slot.Splits {
			found[split.ID] = string(split.Position)
		}
	}
	return found
}
