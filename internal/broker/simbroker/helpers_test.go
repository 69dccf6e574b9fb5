package simbroker_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/clock"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newBroker returns a cluster with the given topics of so many partitions.
func newBroker(t *testing.T, topics map[string]int32) (*simbroker.Broker, *clock.Virtual) {
	t.Helper()
	clock := clock.NewVirtual(start)
	b := simbroker.New(clock)
	for name, partitions := range topics {
		create(t, b, name, partitions, nil)
	}
	return b, clock
}

func create(t *testing.T, b *simbroker.Broker, name string, partitions int32, config map[string]string) {
	t.Helper()
	check(t, b.CreateTopic(broker.TopicSpec{Name: name, Partitions: partitions, Replication: -1, Config: config}))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func tp(topic string, partition int32) broker.TopicPartition {
	return broker.TopicPartition{Topic: topic, Partition: partition}
}

func record(key, value string) broker.Record {
	return broker.Record{Key: []byte(key), Value: []byte(value)}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Fatalf("%s: no panic", what)
		}
	}()
	f()
}
