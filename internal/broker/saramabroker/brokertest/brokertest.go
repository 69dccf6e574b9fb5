// Package brokertest has the common parts of the tests of saramabroker and its packages.
package brokertest

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/kafkatest"
)

// Patience is how long a test waits for a condition.
const Patience = 90 * time.Second

// Start lets a test run beside others, and gives it a cluster and a client of that.
func Start(t *testing.T) (*kafkatest.Kafka, broker.Cluster) {
	t.Helper()
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	return k, Open(t, k)
}

// StartFake is Start for tests that take kfake. On a real cluster they are skipped, with the reason.
func StartFake(t *testing.T, reason string) (*kafkatest.Kafka, broker.Cluster) {
	t.Helper()
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	if k.Real() {
		t.Skip(reason)
	}
	return k, Open(t, k)
}

// Open connects to the broker of a test, until the test ends.
func Open(t testing.TB, k *kafkatest.Kafka) broker.Cluster {
	t.Helper()
	c, err := saramabroker.Open(t.Context(), saramabroker.Config{Brokers: k.Brokers, Logger: Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Logger writes into the output of the test.
func Logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// NewFetcher returns a fetcher, until the test ends.
func NewFetcher(t testing.TB, c broker.Cluster, cfg broker.FetcherConfig) broker.Fetcher {
	t.Helper()
	f, err := c.NewFetcher(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// NewProducer returns a producer, until the test ends.
func NewProducer(t testing.TB, c broker.Cluster, cfg broker.ProducerConfig) broker.Producer {
	t.Helper()
	p, err := c.NewProducer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// Within returns a context that ends before a test would seem to hang.
func Within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	t.Cleanup(cancel)
	return ctx
}

// Await waits until a condition is met.
func Await(t testing.TB, condition string, met func() bool) {
	t.Helper()
	ctx := Within(t)
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for !met() {
		select {
		case <-ctx.Done():
			t.Fatalf("not met in time: %s", condition)
		case <-poll.C:
		}
	}
}

// Send sends records to a partition and waits for their acknowledgement.
func Send(t testing.TB, p broker.Producer, tp broker.TopicPartition, records ...broker.Record) {
	t.Helper()
	if err := p.Send(Within(t), tp, records); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(Within(t)); err != nil {
		t.Fatal(err)
	}
}

// Now is recent enough for no cluster to delete the records.
var Now = time.Now().UnixMilli()

// Numbered makes records with the values first, first+1 and so on.
func Numbered(first, n int) []broker.Record {
	records := make([]broker.Record, n)
	for i := range records {
		records[i] = broker.Record{Value: fmt.Append(nil, first+i), Millis: Now}
	}
	return records
}

// Poll returns the next batch, and fails the test if there is none.
func Poll(t testing.TB, f broker.Fetcher) *broker.Batch {
	t.Helper()
	ctx := Within(t)
	for {
		batch, err := f.Poll(ctx, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if batch != nil {
			return batch
		}
	}
}

// PollError polls until there is an error.
func PollError(t testing.TB, f broker.Fetcher) error {
	t.Helper()
	ctx := Within(t)
	for {
		batch, err := f.Poll(ctx, time.Second)
		if err != nil {
			return err
		}
		if batch != nil {
			batch.Release()
		}
	}
}

// ReadTo reads a single partition until its position is at least end, and returns copies of the values.
func ReadTo(t testing.TB, f broker.Fetcher, tp broker.TopicPartition, end int64) []string {
	t.Helper()
	var values []string
	for {
		batch := Poll(t, f)
		if batch.TopicPartition != tp {
			t.Fatalf("got a batch of %s, want %s", batch.TopicPartition, tp)
		}
		for _, r := range batch.Records {
			values = append(values, string(r.Value))
		}
		next := batch.NextOffset
		batch.Release()
		if next >= end {
			return values
		}
	}
}

// ReadTopic calls add for each committed record of a topic, by partition. A topic that does not exist has none.
func ReadTopic(t testing.TB, c broker.Cluster, topic string, add func(partition int32, r broker.Record)) {
	t.Helper()
	ctx := Within(t)
	infos, err := c.Topics(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	for partition := range infos[topic].Partitions {
		tp := broker.TopicPartition{Topic: topic, Partition: partition}
		ends, err := c.Offsets(ctx, broker.End, tp)
		if err != nil {
			t.Fatal(err)
		}
		f := NewFetcher(t, c, broker.FetcherConfig{})
		f.Start(tp, 0)
		for at := int64(0); at < ends[tp]; {
			batch := Poll(t, f)
			for _, r := range batch.Records {
				add(partition, r)
			}
			at = batch.NextOffset
			batch.Release()
		}
	}
}

// WantNumbers fails the test unless got has n values: first, first+1 and so on.
func WantNumbers(t testing.TB, got []string, first, n int) {
	t.Helper()
	if len(got) != n {
		t.Fatalf("got %d records, want %d", len(got), n)
	}
	for i, v := range got {
		if want := fmt.Sprint(first + i); v != want {
			t.Fatalf("record %d is %s, want %s", i, v, want)
		}
	}
}

// AwaitHighWatermark waits until a partition has n records, committed or not.
func AwaitHighWatermark(t testing.TB, k *kafkatest.Kafka, tp broker.TopicPartition, n int64) {
	t.Helper()
	conf := sarama.NewConfig()
	conf.Version = sarama.V3_6_0_0
	client, err := sarama.NewClient(k.Brokers, conf)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx := Within(t)
	for ctx.Err() == nil {
		if end, err := client.GetOffset(tp.Topic, tp.Partition, sarama.OffsetNewest); err == nil && end >= n {
			return
		}
	}
	t.Fatalf("%s did not reach %d records", tp, n)
}

// WantCommitted reads a partition to its end, and fails the test unless these values are committed.
func WantCommitted(t testing.TB, c broker.Cluster, tp broker.TopicPartition, want ...string) {
	t.Helper()
	latest, err := c.Offsets(Within(t), broker.Latest, tp)
	if err != nil {
		t.Fatal(err)
	}
	f := NewFetcher(t, c, broker.FetcherConfig{})
	f.Start(tp, 0)
	if diff := cmp.Diff(want, ReadTo(t, f, tp, latest[tp])); diff != "" {
		t.Error(diff)
	}
}

// Values returns the values of records.
func Values(records []broker.Record) []string {
	var values []string
	for _, r := range records {
		values = append(values, string(r.Value))
	}
	return values
}
