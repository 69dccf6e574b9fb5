package saramabroker_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
)

func TestRecordsComeBackAsTheyWereSent(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	for _, compression := range []string{"", "gzip", "snappy", "lz4", "zstd"} {
		t.Run("compression "+compression, func(t *testing.T) {
			c := brokertest.Open(t, k)
			tp := broker.TopicPartition{Topic: k.Topic(t, "roundtrip", 2), Partition: 1}
			want := []broker.Record{
				{Key: []byte("k"), Value: []byte("v"), Millis: 1_700_000_000_123},
				{Key: nil, Value: nil, Millis: 0},
				{Key: []byte{}, Value: []byte{}, Millis: 1},
				{Key: []byte("late"), Value: nil, Millis: 1_600_000_000_000},
				{Key: []byte("h"), Value: []byte("v"), Millis: 2, Headers: []weir.Header{
					{Key: "a", Value: []byte("1")}, {Key: "a", Value: nil}, {Key: "", Value: []byte{}},
				}},
			}
			p := brokertest.NewProducer(t, c, broker.ProducerConfig{Compression: compression})
			if _, ok := p.LastOffset(tp); ok {
				t.Error("there is a last offset before anything was sent")
			}
			brokertest.Send(t, p, tp, want...)
			if last, ok := p.LastOffset(tp); !ok || last != 4 {
				t.Errorf("last offset is %d, %t, want 4", last, ok)
			}

			f := brokertest.NewFetcher(t, c, broker.FetcherConfig{})
			f.Start(tp, 0)
			var got []broker.Record
			for len(got) < len(want) {
				batch := brokertest.Poll(t, f)
				got = append(got, batch.Records...)
				if batch.TopicPartition != tp || batch.EndOffset != 5 {
					t.Errorf("batch of %s with end %d, want %s with end 5", batch.TopicPartition, batch.EndOffset, tp)
				}
			}
			for i := range want {
				want[i].Offset = int64(i)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEveryPartitionIsRead(t *testing.T) {
	k, c := brokertest.Start(t)
	topic := k.Topic(t, "many", 16)
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{})
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{})
	left := make(map[broker.TopicPartition]int)
	for i := range int32(16) {
		tp := broker.TopicPartition{Topic: topic, Partition: i}
		if err := p.Send(brokertest.Within(t), tp, brokertest.Numbered(int(i), 100)); err != nil {
			t.Fatal(err)
		}
		left[tp] = 90
	}
	if err := p.Flush(brokertest.Within(t)); err != nil {
		t.Fatal(err)
	}
	for tp := range left {
		f.Start(tp, 10)
	}
	for len(left) > 0 {
		batch := brokertest.Poll(t, f)
		if left[batch.TopicPartition] -= len(batch.Records); left[batch.TopicPartition] == 0 {
			delete(left, batch.TopicPartition)
		}
		batch.Release()
	}
}

func TestOffsetsOfAPartition(t *testing.T) {
	k, c := brokertest.Start(t)
	topic := k.Topic(t, "offsets", 2)
	empty, full := broker.TopicPartition{Topic: topic, Partition: 0}, broker.TopicPartition{Topic: topic, Partition: 1}
	brokertest.Send(t, brokertest.NewProducer(t, c, broker.ProducerConfig{}), full, brokertest.Numbered(0, 7)...)

	for at, want := range map[broker.OffsetAt]map[broker.TopicPartition]int64{
		broker.Earliest: {empty: 0, full: 0},
		broker.End:      {empty: 0, full: 7},
	} {
		got, err := c.Offsets(brokertest.Within(t), at, empty, full)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	for _, tp := range []broker.TopicPartition{{Topic: topic, Partition: 2}, {Topic: k.Name("none"), Partition: 0}} {
		_, err := c.Offsets(brokertest.Within(t), broker.End, tp)
		if !cmp.Equal(err, weir.ErrUnknownTopic, cmpopts.EquateErrors()) {
			t.Errorf("offsets of %s: %v, want %v", tp, err, weir.ErrUnknownTopic)
		}
	}
}
