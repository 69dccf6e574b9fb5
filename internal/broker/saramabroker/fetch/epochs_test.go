package fetch_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
)

// elected has a partition with ten records in one leader epoch and five in the next.
func elected(t *testing.T) (k *kafkatest.Kafka, c broker.Cluster, tp broker.TopicPartition, first int32) {
	t.Helper()
	kafkatest.Parallel(t)
	k = kafkatest.Start(t, kfake.NumBrokers(2))
	if k.Real() {
		t.Skip("moves leaders, which takes kfake; the test of a restart asks a real broker")
	}
	c = brokertest.Open(t, k)
	tp = broker.TopicPartition{Topic: k.Topic(t, "elected", 1)}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{})
	brokertest.Send(t, p, tp, brokertest.Numbered(0, 10)...)
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{})
	f.Start(tp, 0)
	batch := brokertest.Poll(t, f)
	first = batch.LeaderEpoch
	if first < 0 || batch.Records[0].LeaderEpoch != first {
		t.Fatalf("the batch has leader epoch %d, its first record %d", first, batch.Records[0].LeaderEpoch)
	}
	batch.Release()
	f.Close()
	move(t, k, tp)
	brokertest.Send(t, p, tp, brokertest.Numbered(10, 5)...)
	return k, c, tp, first
}

// move gives a partition to another leader, in another epoch.
func move(t *testing.T, k *kafkatest.Kafka, tp broker.TopicPartition) {
	t.Helper()
	if err := k.Cluster().MoveTopicPartition(tp.Topic, tp.Partition, (k.Cluster().LeaderFor(tp.Topic, tp.Partition)+1)%2); err != nil {
		t.Fatal(err)
	}
}

func wantTruncated(t *testing.T, err error, offset, kept, end int64, epoch int32) {
	t.Helper()
	truncated, ok := errors.AsType[*broker.TruncatedError](err)
	if !ok || !errors.As(err, new(*broker.OffsetOutOfRangeError)) {
		t.Fatalf("error %v, want a *broker.TruncatedError", err)
	}
	if truncated.Offset != offset || truncated.Kept != kept || truncated.End != end || truncated.LeaderEpoch != epoch || truncated.Earliest != 0 {
		t.Errorf("got %#v, want offset %d, kept %d, end %d, epoch %d", truncated, offset, kept, end, epoch)
	}
}

func TestAPositionBehindTheEndOfItsLeaderEpochIsTruncated(t *testing.T) {
	_, c, tp, first := elected(t)
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{})
	f.StartAfter(tp, 12, first) // that epoch ends at 10
	wantTruncated(t, brokertest.PollError(t, f), 12, 10, 15, first)

	// Positions that the log has in their epoch are read from, and so are those of an epoch that nobody knows of.
	for _, at := range []struct {
		offset int64
		epoch  int32
	}{{10, first}, {3, first}, {10, first + 1}, {14, first + 1}, {12, first + 7}, {12, broker.NoLeaderEpoch}} {
		f.StartAfter(tp, at.offset, at.epoch)
		brokertest.WantNumbers(t, brokertest.ReadTo(t, f, tp, 15), int(at.offset), 15-int(at.offset))
	}
}

func TestANewLeaderIsAskedWhetherItHasTheSameLog(t *testing.T) {
	k, c, tp, first := elected(t)
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{MaxWait: 20 * time.Millisecond})
	f.Start(tp, 0)
	brokertest.WantNumbers(t, brokertest.ReadTo(t, f, tp, 15), 0, 15)
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{})
	asked := make(chan kmsg.OffsetForLeaderEpochRequestTopicPartition, 100)
	var end atomic.Int64
	end.Store(-1)
	k.Cluster().ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		k.Cluster().KeepControl()
		topic := r.(*kmsg.OffsetForLeaderEpochRequest).Topics[0]
		asked <- topic.Partitions[0]
		if end.Load() < 0 {
			return nil, nil, false
		}
		response := r.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
		response.Topics = []kmsg.OffsetForLeaderEpochResponseTopic{{
			Topic: topic.Topic, Partitions: []kmsg.OffsetForLeaderEpochResponseTopicPartition{{LeaderEpoch: first + 1, EndOffset: end.Load()}},
		}}
		return response, nil, true
	})
	move(t, k, tp)
	brokertest.Send(t, p, tp, brokertest.Numbered(15, 5)...)
	brokertest.WantNumbers(t, brokertest.ReadTo(t, f, tp, 20), 15, 5)
	if question := <-asked; question.LeaderEpoch != first+1 || question.CurrentLeaderEpoch <= first+1 {
		t.Errorf("a new leader was asked for epoch %d as the leader of epoch %d, want %d", question.LeaderEpoch, question.CurrentLeaderEpoch, first+1)
	}

	end.Store(13)
	move(t, k, tp)
	wantTruncated(t, brokertest.PollError(t, f), 20, 13, 20, first+2)
}
