package saramabroker_test

import (
	"flag"
	"sync"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
)

var restart = flag.Bool("restart", false, "kill and restart the broker of internal/testserver, which disturbs every other test that uses it")

// Run as go run ./internal/testserver kafka -- go test ./internal/broker/saramabroker -run Restart -restart.
func TestARestartOfTheBrokerNeitherLosesNorRepeatsRecords(t *testing.T) {
	if !*restart || !kafkatest.Crashable() {
		t.Skip("kills the broker: go run ./internal/testserver kafka -- go test -restart")
	}
	k := kafkatest.Start(t)
	c := brokertest.Open(t, k)
	topic := k.Topic(t, "restart", 2)
	plain := broker.TopicPartition{Topic: topic, Partition: 0}
	inTransactions := broker.TopicPartition{Topic: topic, Partition: 1}
	over := make(chan struct{})
	var workers sync.WaitGroup
	var sent, committed int
	idempotent := brokertest.NewProducer(t, c, broker.ProducerConfig{Compression: "zstd"})
	transactional := brokertest.NewProducer(t, c, broker.ProducerConfig{TransactionalID: k.Name("restart")})
	running := func() bool {
		select {
		case <-over:
			return false
		default:
			return true
		}
	}
	workers.Go(func() {
		for running() {
			for range 10 {
				if err := idempotent.Send(t.Context(), plain, brokertest.Numbered(sent, 20)); err != nil {
					t.Error(err)
					return
				}
				sent += 20
			}
			if err := idempotent.Flush(t.Context()); err != nil {
				t.Error(err)
				return
			}
		}
	})
	workers.Go(func() {
		for round := 0; running(); round++ {
			if err := transactional.Send(t.Context(), inTransactions, brokertest.Numbered(committed, 20)); err != nil {
				t.Error(err)
				return
			}
			if round%5 == 4 {
				if err := transactional.Abort(t.Context()); err != nil {
					t.Error(err)
					return
				}
				continue
			}
			if err := transactional.Commit(t.Context(), broker.GroupMember{}, nil); err != nil {
				t.Error(err)
				return
			}
			committed += 20
		}
	})
	time.Sleep(time.Second) // let them work
	k.Crash(t)
	time.Sleep(3 * time.Second)
	_, unreachable := c.Unreachable()
	for range 2 {
		time.Sleep(time.Second) // let them work
		k.Restart(t)
	}
	time.Sleep(3 * time.Second)
	close(over)
	workers.Wait()
	if t.Failed() {
		return
	}
	if !unreachable {
		t.Error("a cluster whose only broker was killed counts as reachable")
	}
	if _, ok := c.Unreachable(); ok {
		t.Error("the cluster counts as unreachable although it answers")
	}
	t.Logf("%d records plain, %d in transactions", sent, committed)
	brokertest.WantCommitted(t, c, plain, brokertest.Values(brokertest.Numbered(0, sent))...)
	brokertest.WantCommitted(t, c, inTransactions, brokertest.Values(brokertest.Numbered(0, committed))...)
}
