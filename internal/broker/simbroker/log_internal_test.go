package simbroker

import (
	"testing"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/clock"
)

func TestControlRecordsTakeAnOffsetAndAreNotRead(t *testing.T) {
	b := New(clock.NewVirtual(clock.System.Now()))
	if err := b.CreateTopic(broker.TopicSpec{Name: "a", Partitions: 1, Replication: -1}); err != nil {
		t.Fatal(err)
	}
	p := b.topics["a"].partitions[0]
	p.mark(1, true)

	f, err := b.NewFetcher(broker.FetcherConfig{})
	if err != nil {
		t.Fatal(err)
	}
	f.Start(p.TopicPartition, 0)
	batch, err := f.Poll(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(batch.Records) != 0 || batch.NextOffset != 1 || batch.EndOffset != 1 {
		t.Fatalf("batch has %d records, next %d, end %d", len(batch.Records), batch.NextOffset, batch.EndOffset)
	}
	batch.Release()
}

func TestBatchesKnowTheirProducerAndSequence(t *testing.T) {
	b := New(clock.NewVirtual(clock.System.Now()))
	if err := b.CreateTopic(broker.TopicSpec{Name: "a", Partitions: 1, Replication: -1}); err != nil {
		t.Fatal(err)
	}
	producer, err := b.NewProducer(broker.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	p := b.topics["a"].partitions[0]
	for range 2 {
		if err := producer.Send(t.Context(), p.TopicPartition, make([]broker.Record, 3)); err != nil {
			t.Fatal(err)
		}
	}
	if err := producer.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, want := range []source{{producer: 1, sequence: 0}, {producer: 1, sequence: 3}} {
		if got := p.batches[i].source; got != want {
			t.Errorf("batch %d comes from %+v, want %+v", i, got, want)
		}
	}
}
