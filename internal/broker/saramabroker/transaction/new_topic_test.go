package transaction_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/broker/saramabroker/transaction"
	"github.com/weirstreams/weir/internal/kafkatest"
)

// A coordinator may not have heard of a topic that is new. A transaction asks it again, for a while.
func TestTransactionsWaitForCoordinatorsToHearOfATopic(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	if k.Real() {
		t.Skip("answers in place of a coordinator, which takes kfake")
	}
	const tries = 3
	transaction.SetUnknownTries(t, tries)
	c := brokertest.Open(t, k)
	for _, key := range []kmsg.Key{kmsg.AddPartitionsToTxn, kmsg.TxnOffsetCommit} {
		for name, wrong := range map[string]int32{"once": 1, "for ever": 1000} {
			t.Run(key.Name()+" "+name, func(t *testing.T) {
				tp := broker.TopicPartition{Topic: k.Topic(t, "new", 1)}
				member := broker.GroupMember{Group: k.Name("new"), Generation: -1}
				offsets := map[broker.TopicPartition]int64{tp: 1}
				var asked, unheard atomic.Int32
				unheard.Store(wrong)
				defer unheard.Store(0)
				k.Cluster().ControlKey(int16(key), func(r kmsg.Request) (kmsg.Response, error, bool) {
					k.Cluster().KeepControl()
					asked.Add(1)
					if unheard.Add(-1) < 0 {
						return nil, nil, false
					}
					return unknownTopic(r), nil, true
				})
				p := brokertest.NewProducer(t, c, broker.ProducerConfig{TransactionalID: k.Name("new")})
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				commit := func(value int) error {
					if err := p.Send(ctx, tp, brokertest.Numbered(value, 1)); err != nil {
						return err
					}
					return p.Commit(ctx, member, offsets, nil)
				}
				err := commit(0)
				if wrong == 1 {
					if err != nil || asked.Load() != 2 {
						t.Fatalf("got %v after %d requests", err, asked.Load())
					}
					brokertest.WantCommitted(t, c, tp, "0")
					return
				}
				if !errors.Is(err, broker.ErrAborted) || !errors.Is(err, weir.ErrUnknownTopic) || asked.Load() != tries+1 {
					t.Fatalf("got %v after %d requests, want %v and %v", err, asked.Load(), broker.ErrAborted, weir.ErrUnknownTopic)
				}
				unheard.Store(0)
				if err := p.Abort(brokertest.Within(t)); err != nil {
					t.Fatal(err)
				}
				if err := commit(1); err != nil {
					t.Error(err)
				}
				brokertest.WantCommitted(t, c, tp, "1")
			})
		}
	}
}

// unknownTopic answers a request of a transaction with UNKNOWN_TOPIC_OR_PARTITION for all of its partitions.
func unknownTopic(r kmsg.Request) kmsg.Response {
	code := int16(sarama.ErrUnknownTopicOrPartition)
	response := r.ResponseKind()
	switch r := r.(type) {
	case *kmsg.AddPartitionsToTxnRequest:
		for _, topic := range r.Topics {
			one := kmsg.AddPartitionsToTxnResponseTopic{Topic: topic.Topic}
			for _, partition := range topic.Partitions {
				one.Partitions = append(one.Partitions, kmsg.AddPartitionsToTxnResponseTopicPartition{Partition: partition, ErrorCode: code})
			}
			response := response.(*kmsg.AddPartitionsToTxnResponse)
			response.Topics = append(response.Topics, one)
		}
	case *kmsg.TxnOffsetCommitRequest:
		for _, topic := range r.Topics {
			one := kmsg.TxnOffsetCommitResponseTopic{Topic: topic.Topic}
			for _, partition := range topic.Partitions {
				one.Partitions = append(one.Partitions, kmsg.TxnOffsetCommitResponseTopicPartition{Partition: partition.Partition, ErrorCode: code})
			}
			response := response.(*kmsg.TxnOffsetCommitResponse)
			response.Topics = append(response.Topics, one)
		}
	}
	return response
}
