package websocket_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/source/websocket"
	"github.com/weirstreams/weir/stream"
)

// A server that sends messages again is read exactly once, although each of its connections is cut and the application is stopped in between.
func TestMessagesThatAreSentAgainComeExactlyOnce(t *testing.T) {
	k := kafkatest.Start(t)
	const n = 600
	s := newServer(t)
	s.dropAfter, s.ends = 70, true
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint("m", i))
	}
	s.add(want...)

	topic := k.Topic(t, "messages", 1)
	dir := t.TempDir()
	o := texts()
	o.StopAtClose = true
	run := func(until runtime.Until) error {
		topology := stream.NewTopology()
		topology.AddSource(websocket.New(s.address(), o), stream.NewTopic(topic, codec.String(), codec.String()))
		config := runtime.Config{Group: topic, Connection: kafka.Connection{Brokers: k.Brokers}, Guarantee: runtime.ExactlyOnce}
		config.State.Dir, config.Logger = dir, discard
		config.Checkpoint.Interval = 20 * time.Millisecond
		app, err := runtime.New(topology, config)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		return app.RunUntil(ctx, until)
	}
	if err := run(runtime.Until{Outputs: 150}); err != nil {
		t.Fatal(err)
	}
	if err := run(runtime.Until{Sources: true}); err != nil {
		t.Fatal(err)
	}

	got := valuesOf(t, k, topic)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s.count() < n/70 {
		t.Errorf("there were %d connections", s.count())
	}
}

// valuesOf returns the committed records of partition 0 of a topic.
func valuesOf(t *testing.T, k *kafkatest.Kafka, topic string) (texts []string) {
	t.Helper()
	client := brokertest.Open(t, k)
	partition := broker.TopicPartition{Topic: topic}
	ends, err := client.Offsets(t.Context(), broker.End, partition)
	if err != nil {
		t.Fatal(err)
	}
	f := brokertest.NewFetcher(t, client, broker.FetcherConfig{})
	f.Start(partition, 0)
	for at := int64(0); at < ends[partition]; {
		batch := brokertest.Poll(t, f)
		for _, r := range batch.Records {
			texts = append(texts, string(r.Value))
		}
		at = batch.NextOffset
		batch.Release()
	}
	return texts
}
