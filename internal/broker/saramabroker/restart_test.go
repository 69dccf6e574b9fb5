package saramabroker_test

import (
	"errors"
	"flag"
	"sync"
	"sync/atomic"
	"testing"

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
	var sent, committed atomic.Int64
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
				if err := idempotent.Send(t.Context(), plain, brokertest.Numbered(int(sent.Load()), 20)); err != nil {
					t.Error(err)
					return
				}
				sent.Add(20)
			}
			if err := idempotent.Flush(t.Context()); err != nil {
				t.Error(err)
				return
			}
		}
	})
	workers.Go(func() {
		for round := 0; running(); round++ {
			if err := transactional.Send(t.Context(), inTransactions, brokertest.Numbered(int(committed.Load()), 20)); err != nil {
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
			if err := transactional.Commit(t.Context(), broker.GroupMember{}, nil, nil); err != nil {
				t.Error(err)
				return
			}
			committed.Add(20)
		}
	})
	// work waits until both producers have got on.
	work := func() {
		t.Helper()
		plainBefore, committedBefore := sent.Load(), committed.Load()
		brokertest.Await(t, "progress of both producers", func() bool {
			return t.Failed() || sent.Load() >= plainBefore+1000 && committed.Load() >= committedBefore+100
		})
	}
	work()
	k.Crash(t)
	brokertest.Await(t, "a cluster whose only broker was killed is unreachable", func() bool {
		_, unreachable := c.Unreachable()
		return unreachable
	})
	for range 2 {
		k.Restart(t)
		work()
	}
	close(over)
	workers.Wait()
	if t.Failed() {
		return
	}
	if _, ok := c.Unreachable(); ok {
		t.Error("the cluster counts as unreachable although it answers")
	}
	t.Logf("%d records plain, %d in transactions", sent.Load(), committed.Load())
	wantEpochs(t, c, plain, sent.Load())
	brokertest.WantCommitted(t, c, plain, brokertest.Values(brokertest.Numbered(0, int(sent.Load())))...)
	brokertest.WantCommitted(t, c, inTransactions, brokertest.Values(brokertest.Numbered(0, int(committed.Load())))...)
}

// wantEpochs checks that the broker tells the end of the first leader epoch of a partition, and does not mind a position in its last.
func wantEpochs(t *testing.T, c broker.Cluster, tp broker.TopicPartition, end int64) {
	t.Helper()
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{})
	f.Start(tp, 0)
	first, last, second := int32(broker.NoLeaderEpoch), int32(broker.NoLeaderEpoch), int64(0)
	for position := int64(0); position < end; {
		batch := brokertest.Poll(t, f)
		for _, r := range batch.Records {
			switch {
			case first < 0:
				first = r.LeaderEpoch
			case second == 0 && r.LeaderEpoch > first:
				second = r.Offset
			}
		}
		position, last = batch.NextOffset, batch.LeaderEpoch
		batch.Release()
	}
	f.StartAfter(tp, end, first)
	err := brokertest.PollError(t, f)
	if truncated, ok := errors.AsType[*broker.TruncatedError](err); !ok || truncated.Kept != second || truncated.Offset != end {
		t.Errorf("error %v, want a *broker.TruncatedError of offset %d, kept %d", err, end, second)
	}
	f.StartAfter(tp, end-1, last)
	if got := brokertest.ReadTo(t, f, tp, end); len(got) != 1 {
		t.Errorf("read %q, want the last record", got)
	}
}
