package produce_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
)

func TestLostResponsesNeitherLoseNorRepeatRecords(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t, kfake.NumBrokers(3))
	f := brokertest.NewFlaky(t)
	c := f.Open(t, k)
	topic := k.Topic(t, "lost", 3)
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{Compression: "snappy"})
	f.PerMille.Store(50)
	var sent [3]int
	for round := range 40 {
		if !k.Real() && round%4 == 0 {
			if err := k.Cluster().MoveTopicPartition(topic, int32(round/4%3), int32(round/12%3)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range sent {
			for range 4 {
				if err := p.Send(brokertest.Within(t), broker.TopicPartition{Topic: topic, Partition: int32(i)}, brokertest.Numbered(sent[i], 5)); err != nil {
					t.Fatal(err)
				}
				sent[i] += 5
			}
		}
		if err := p.Flush(brokertest.Within(t)); err != nil {
			t.Fatal(err)
		}
	}
	f.PerMille.Store(0)
	t.Logf("%d connections were broken", f.Broken.Load())
	if f.Broken.Load() == 0 {
		t.Error("nothing went wrong")
	}
	for i, n := range sent {
		tp := broker.TopicPartition{Topic: topic, Partition: int32(i)}
		if last, _ := p.LastOffset(tp); last != int64(n)-1 {
			t.Errorf("last offset of %s is %d, want %d", tp, last, n-1)
		}
		f := brokertest.NewFetcher(t, c, broker.FetcherConfig{})
		f.Start(tp, 0)
		brokertest.WantNumbers(t, brokertest.ReadTo(t, f, tp, int64(n)), 0, n)
	}
}

func TestTransactionsOutlastLostResponses(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t, kfake.NumBrokers(3))
	f := brokertest.NewFlaky(t)
	c := f.Open(t, k)
	topic := k.Topic(t, "txn-lost", 3)
	input := broker.TopicPartition{Topic: k.Topic(t, "txn-lost-input", 1)}
	group := broker.GroupMember{Group: k.Name("txn-lost"), Generation: -1}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{TransactionalID: k.Name("txn-lost")})
	if err := p.Flush(brokertest.Within(t)); err != nil {
		t.Fatal(err)
	}
	f.PerMille.Store(60)
	want := make(map[int32][]string)
	aborted := 0
	offset := int64(-1)
	for round := range 40 {
		if !k.Real() && round%5 == 0 {
			if err := k.Cluster().MoveTopicPartition(topic, int32(round/5%3), int32(round/15%3)); err != nil {
				t.Fatal(err)
			}
			k.Cluster().RehashCoordinators()
		}
		records := make(map[int32][]broker.Record)
		err := func() error {
			for i := range int32(3) {
				records[i] = brokertest.Numbered(round*10, 10)
				if err := p.Send(brokertest.Within(t), broker.TopicPartition{Topic: topic, Partition: i}, records[i]); err != nil {
					return err
				}
			}
			ctx := brokertest.Within(t)
			if round%6 == 4 { // in the middle of something
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, time.Duration(round)*100*time.Microsecond)
				defer cancel()
				if err := p.Flush(ctx); err != nil {
					return errors.Join(broker.ErrAborted, err)
				}
			}
			if round%6 == 5 {
				return broker.ErrAborted
			}
			return p.Commit(brokertest.Within(t), group, map[broker.TopicPartition]int64{input: int64(round)}, nil)
		}()
		switch {
		case err == nil:
			offset = int64(round)
			for i := range int32(3) {
				want[i] = append(want[i], brokertest.Values(records[i])...)
			}
		case errors.Is(err, broker.ErrAborted) && !errors.Is(err, weir.ErrFenced):
			aborted++
			if err := p.Abort(brokertest.Within(t)); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatal(err)
		}
	}
	f.PerMille.Store(0)
	t.Logf("%d connections were broken, %d transactions aborted", f.Broken.Load(), aborted)
	for i := range int32(3) {
		t.Run(fmt.Sprint("partition ", i), func(t *testing.T) {
			brokertest.WantCommitted(t, c, broker.TopicPartition{Topic: topic, Partition: i}, want[i]...)
		})
	}
	got, err := c.CommittedOffsets(brokertest.Within(t), group.Group, input)
	if diff := cmp.Diff(map[broker.TopicPartition]int64{input: offset}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestACommitWhoseFateIsUnknownSaysSo(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	f := brokertest.NewFlaky(t)
	c := f.Open(t, k)
	tp := broker.TopicPartition{Topic: k.Topic(t, "fate", 1)}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{TransactionalID: k.Name("fate")})
	brokertest.Send(t, p, tp, brokertest.Numbered(0, 1)...)
	f.PerMille.Store(1000)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := p.Commit(ctx, broker.GroupMember{}, nil, nil)
	if err == nil || errors.Is(err, weir.ErrFenced) {
		t.Errorf("got %v", err)
	}
	f.PerMille.Store(0)
	if again := p.Send(brokertest.Within(t), tp, brokertest.Numbered(1, 1)); again == nil {
		t.Error("nothing is wrong any more")
	}
}
