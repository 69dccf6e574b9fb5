package saramabroker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
)

// Brokers create topics that a client asks for, unless the client says that they shall not, in each request.
func TestAskingForATopicDoesNotCreateIt(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t, kfake.AllowAutoTopicCreation()) // as Kafka does by default
	c := brokertest.Open(t, k)
	tp := broker.TopicPartition{Topic: k.Name("nobody-made-it")}
	if infos, err := c.Topics(brokertest.Within(t), tp.Topic); err != nil || len(infos) > 0 {
		t.Errorf("topics: %v, %v", infos, err)
	}
	if _, err := c.Offsets(brokertest.Within(t), broker.End, tp); err == nil {
		t.Error("an unknown topic has an end")
	}
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{})
	f.Start(tp, 0)
	if batch, err := f.Poll(brokertest.Within(t), 200*time.Millisecond); batch != nil || err != nil {
		t.Errorf("poll: %v, %v", batch, err)
	}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{DeliveryTimeout: 500 * time.Millisecond})
	if err := p.Send(brokertest.Within(t), tp, brokertest.Numbered(0, 1)); err == nil {
		if err := p.Flush(brokertest.Within(t)); err == nil {
			t.Error("records were delivered to a topic that nobody made")
		}
	}
	if infos, err := c.Topics(brokertest.Within(t), tp.Topic); err != nil || len(infos) > 0 {
		t.Errorf("topics afterwards: %v, %v", infos, err)
	}
}

// Offsets in a transaction that is open are waited for, also if the group has none besides.
func TestPendingOffsetsAreWaitedFor(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	proxy := k.StartProxy(t)
	c, err := saramabroker.Open(t.Context(), saramabroker.Config{Brokers: k.Brokers, Logger: brokertest.Logger(t), Tune: proxy.Detour().Take})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	tp := broker.TopicPartition{Topic: k.Topic(t, "pending", 1)}
	group := k.Name("pending")
	x := newPending(t, k, group)
	want := map[broker.TopicPartition]int64{}
	for round, commit := range []bool{true, false, true} {
		x.add(tp, int64(10+round))
		// kfake answers GROUP_ID_NOT_FOUND while the first offsets of a group are pending, so that it looks as if there were
		// none and nobody waits.
		lacking := round == 0 && !k.Real()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		got, err := c.CommittedOffsets(ctx, group, tp)
		cancel()
		switch {
		case lacking && (err != nil || len(got) > 0):
			t.Errorf("round %d: kfake has learned to tell of offsets that are pending: got %v, %v", round, got, err)
		case !lacking && (!errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "pending")):
			t.Errorf("round %d: got %v, %v, want an error that tells of a pending transaction", round, got, err)
		}
		type answer struct {
			offsets map[broker.TopicPartition]int64
			err     error
		}
		answers := make(chan answer, 1)
		ask := func() {
			offsets, err := c.CommittedOffsets(brokertest.Within(t), group, tp)
			answers <- answer{offsets, err}
		}
		if !lacking {
			asked := proxy.Requests(kmsg.OffsetFetch.Int16())
			go ask()
			proxy.AwaitRequests(t, kmsg.OffsetFetch.Int16(), asked+2) // the first one was answered
		}
		x.end(commit)
		if lacking {
			go ask()
		}
		if commit {
			want[tp] = int64(10 + round)
		}
		if a := <-answers; a.err != nil || !cmp.Equal(want, a.offsets) {
			t.Errorf("round %d: got %v, %v, want %v", round, a.offsets, a.err, want)
		}
	}
}

// pending puts offsets of a group in transactions, request by request.
type pending struct {
	t           testing.TB
	id, group   string
	coordinator *sarama.Broker // of the transaction
	groups      *sarama.Broker
	producer    int64
	epoch       int16
}

func newPending(t testing.TB, k *kafkatest.Kafka, group string) *pending {
	t.Helper()
	x := &pending{t: t, id: k.Name("pending"), group: group}
	conf := sarama.NewConfig()
	conf.Version = sarama.V3_6_0_0
	client, err := sarama.NewClient(k.Brokers, conf)
	x.must(err)
	t.Cleanup(func() { client.Close() })
	x.coordinator, err = client.TransactionCoordinator(x.id)
	x.must(err)
	x.groups, err = client.Coordinator(group)
	x.must(err)
	x.try(func() (sarama.KError, error) {
		r, err := x.coordinator.InitProducerID(&sarama.InitProducerIDRequest{
			Version: 4, TransactionalID: &x.id, TransactionTimeout: time.Minute, ProducerID: -1, ProducerEpoch: -1,
		})
		if err != nil {
			return sarama.ErrNoError, err
		}
		x.producer, x.epoch = r.ProducerID, r.ProducerEpoch
		return r.Err, nil
	})
	return x
}

func (x *pending) must(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

// try sends a request until it is answered without an error. Coordinators are about something else at times.
func (x *pending) try(request func() (sarama.KError, error)) {
	x.t.Helper()
	brokertest.Await(x.t, "an answer without an error", func() bool {
		code, err := request()
		x.must(err)
		return code == sarama.ErrNoError
	})
}

// add adds an offset to the transaction.
func (x *pending) add(tp broker.TopicPartition, offset int64) {
	x.t.Helper()
	x.try(func() (sarama.KError, error) {
		r, err := x.coordinator.AddOffsetsToTxn(&sarama.AddOffsetsToTxnRequest{
			Version: 3, TransactionalID: x.id, ProducerID: x.producer, ProducerEpoch: x.epoch, GroupID: x.group,
		})
		if err != nil {
			return sarama.ErrNoError, err
		}
		return r.Err, nil
	})
	x.try(func() (sarama.KError, error) {
		r, err := x.groups.TxnOffsetCommit(&sarama.TxnOffsetCommitRequest{
			Version: 3, TransactionalID: x.id, GroupID: x.group, ProducerID: x.producer, ProducerEpoch: x.epoch, GenerationID: -1,
			Topics: map[string][]*sarama.PartitionOffsetMetadata{tp.Topic: {{Partition: tp.Partition, Offset: offset, LeaderEpoch: -1}}},
		})
		if err != nil {
			return sarama.ErrNoError, err
		}
		return r.Topics[tp.Topic][0].Err, nil
	})
}

// end ends the transaction.
func (x *pending) end(commit bool) {
	x.t.Helper()
	x.try(func() (sarama.KError, error) {
		r, err := x.coordinator.EndTxn(&sarama.EndTxnRequest{
			Version: 3, TransactionalID: x.id, ProducerID: x.producer, ProducerEpoch: x.epoch, TransactionResult: commit,
		})
		if err != nil {
			return sarama.ErrNoError, err
		}
		return r.Err, nil
	})
}

// A batch that the broker takes for too large is split, and its records arrive in order. A record that is too large by
// itself is an error.
func TestWhatTheBrokerTakesForTooLarge(t *testing.T) {
	kafkatest.Parallel(t)
	const limit = 10_000
	k := kafkatest.Start(t)
	c := brokertest.Open(t, k)
	for _, transactional := range []bool{false, true} {
		t.Run(fmt.Sprint("transactional ", transactional), func(t *testing.T) {
			topic := k.Name("limited")
			err := c.CreateTopics(brokertest.Within(t), broker.TopicSpec{
				Name: topic, Partitions: 2, Replication: -1, Config: map[string]string{"max.message.bytes": fmt.Sprint(limit)},
			})
			if err != nil {
				t.Fatal(err)
			}
			tp, other := broker.TopicPartition{Topic: topic}, broker.TopicPartition{Topic: topic, Partition: 1}
			newOne := func() broker.Producer {
				cfg := broker.ProducerConfig{}
				if transactional {
					cfg.TransactionalID = k.Name("limited")
				}
				return brokertest.NewProducer(t, c, cfg)
			}
			p := newOne()
			const n = 3000 // a batch of about 100,000 bytes
			var want []string
			for round := range 2 {
				if err := p.Send(brokertest.Within(t), tp, brokertest.Numbered(round*n, n)); err != nil {
					t.Fatal(err)
				}
				if err := p.Send(brokertest.Within(t), other, brokertest.Numbered(round*n, 1)); err != nil {
					t.Fatal(err)
				}
				if err := p.Flush(brokertest.Within(t)); err != nil {
					t.Fatal(err)
				}
				want = append(want, brokertest.Values(brokertest.Numbered(round*n, n))...)
			}
			if transactional {
				if err := p.Commit(brokertest.Within(t), broker.GroupMember{}, nil, nil); err != nil {
					t.Fatal(err)
				}
			}
			brokertest.WantCommitted(t, c, tp, want...)

			p = newOne()
			err = p.Send(brokertest.Within(t), tp, []broker.Record{{Key: []byte("k"), Value: make([]byte, 2*limit), Millis: brokertest.Now}})
			if err == nil {
				err = p.Flush(brokertest.Within(t))
			}
			delivery, ok := errors.AsType[*broker.DeliveryError](err)
			if !ok || delivery.TopicPartition != tp || !errors.Is(err, sarama.ErrMessageSizeTooLarge) || errors.Is(err, broker.ErrAborted) != transactional {
				t.Fatalf("got %v, want a delivery error of %s", err, tp)
			}
			for _, part := range []string{topic, fmt.Sprintf("a record of %d bytes", 36+1+2*limit), "max.message.bytes"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			if !transactional {
				return
			}
			if err := p.Abort(brokertest.Within(t)); err != nil {
				t.Fatal(err)
			}
			brokertest.Send(t, p, tp, brokertest.Numbered(2*n, 1)...)
			if err := p.Commit(brokertest.Within(t), broker.GroupMember{}, nil, nil); err != nil {
				t.Fatal(err)
			}
			brokertest.WantCommitted(t, c, tp, append(want, fmt.Sprint(2*n))...)
		})
	}
}
