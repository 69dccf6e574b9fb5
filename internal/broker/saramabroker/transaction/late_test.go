package transaction_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
)

// A request whose connection breaks may be carried out later than the one that is sent in its place. By then there may be
// another transaction, which it must not end: one that is aborted like that would lose its records, and its offsets, which
// come last, would be committed.
func TestARequestThatArrivesLateEndsNoOtherTransaction(t *testing.T) {
	kafkatest.Parallel(t)
	for _, commit := range []bool{true, false} {
		t.Run(fmt.Sprint("commit ", commit), func(t *testing.T) {
			k := kafkatest.Start(t)
			if k.Real() {
				t.Skip("holds a request back, which takes kfake")
			}
			var late atomic.Pointer[kmsg.EndTxnRequest]
			k.Cluster().ControlKey(int16(kmsg.EndTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
				request := *r.(*kmsg.EndTxnRequest)
				late.Store(&request)
				return nil, errors.New("cut"), true
			})
			c, id, tp := brokertest.Open(t, k), k.Name("late"), broker.TopicPartition{Topic: k.Topic(t, "late", 1)}
			p := brokertest.NewProducer(t, c, broker.ProducerConfig{TransactionalID: id})
			brokertest.Send(t, p, tp, brokertest.Numbered(0, 1)...)
			want := []string{"1"}
			if commit {
				want = []string{"0", "1"}
				if err := p.Commit(brokertest.Within(t), broker.GroupMember{}, nil, nil); err != nil {
					t.Fatal(err)
				}
			} else if err := p.Abort(brokertest.Within(t)); err != nil {
				t.Fatal(err)
			}
			brokertest.Send(t, p, tp, brokertest.Numbered(1, 1)...)

			conf := sarama.NewConfig()
			conf.Version = sarama.V3_6_0_0
			client, err := sarama.NewClient(k.Brokers, conf)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			coordinator, err := client.TransactionCoordinator(id)
			if err != nil {
				t.Fatal(err)
			}
			response, err := coordinator.EndTxn(&sarama.EndTxnRequest{
				Version: 3, TransactionalID: id, ProducerID: late.Load().ProducerID, ProducerEpoch: late.Load().ProducerEpoch,
				TransactionResult: late.Load().Commit,
			})
			if err != nil {
				t.Fatal(err)
			}
			if response.Err == sarama.ErrNoError || late.Load().Commit != commit {
				t.Errorf("the late request is answered with %v", response.Err)
			}
			if err := p.Commit(brokertest.Within(t), broker.GroupMember{}, nil, nil); err != nil {
				t.Fatal(err)
			}
			brokertest.WantCommitted(t, c, tp, want...)
		})
	}
}
