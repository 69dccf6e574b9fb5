package saramabroker_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/kafkatest"
)

const patience = 90 * time.Second

func open(t testing.TB, k *kafkatest.Kafka) broker.Cluster {
	t.Helper()
	c, err := saramabroker.Open(t.Context(), saramabroker.Config{Brokers: k.Brokers, Logger: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

func newFetcher(t testing.TB, c broker.Cluster, cfg broker.FetcherConfig) broker.Fetcher {
	t.Helper()
	f, err := c.NewFetcher(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func newProducer(t testing.TB, c broker.Cluster, cfg broker.ProducerConfig) broker.Producer {
	t.Helper()
	p, err := c.NewProducer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// within returns a context that ends before a test would seem to hang.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func send(t testing.TB, p broker.Producer, tp broker.TopicPartition, records ...broker.Record) {
	t.Helper()
	if err := p.Send(within(t), tp, records); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
}

// now is recent enough for no cluster to delete the records.
var now = time.Now().UnixMilli()

// numbered makes records whose values are first, first+1 and so on.
func numbered(first, n int) []broker.Record {
	records := make([]broker.Record, n)
	for i := range records {
		records[i] = broker.Record{Value: fmt.Append(nil, first+i), Millis: now}
	}
	return records
}

// poll returns the next batch, and fails the test if there is none.
func poll(t testing.TB, f broker.Fetcher) *broker.Batch {
	t.Helper()
	ctx := within(t)
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

// pollError polls until there is an error.
func pollError(t testing.TB, f broker.Fetcher) error {
	t.Helper()
	ctx := within(t)
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

// readTo reads a single partition until its position is at least end, and returns copies of the values.
func readTo(t testing.TB, f broker.Fetcher, tp broker.TopicPartition, end int64) []string {
	t.Helper()
	var values []string
	for {
		batch := poll(t, f)
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

func wantNumbers(t testing.TB, got []string, first, n int) {
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

// awaitHighWatermark waits until a partition has n records, committed or not.
func awaitHighWatermark(t testing.TB, k *kafkatest.Kafka, tp broker.TopicPartition, n int64) {
	t.Helper()
	conf := sarama.NewConfig()
	conf.Version = sarama.V3_6_0_0
	client, err := sarama.NewClient(k.Brokers, conf)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx := within(t)
	for ctx.Err() == nil {
		if end, err := client.GetOffset(tp.Topic, tp.Partition, sarama.OffsetNewest); err == nil && end >= n {
			return
		}
	}
	t.Fatalf("%s did not reach %d records", tp, n)
}
