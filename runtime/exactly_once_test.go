package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
)

// guarantees runs a test with each guarantee.
func guarantees(t *testing.T, f func(t *testing.T, g runtime.Guarantee)) {
	t.Helper()
	for name, g := range map[string]runtime.Guarantee{"at least once": runtime.AtLeastOnce, "exactly once": runtime.ExactlyOnce} {
		t.Run(name, func(t *testing.T) { f(t, g) })
	}
}

// totalsOf is what the pipeline makes of records: for each key its totals, in order.
func totalsOf(t testing.TB, records []broker.Record) map[string][]total {
	t.Helper()
	sums, totals := map[string]int{}, map[string][]total{}
	for _, r := range records {
		n, err := strconv.Atoi(string(r.Value))
		if err != nil {
			t.Fatal(err)
		}
		key := string(r.Key)
		sums[key] += n
		totals[key] = append(totals[key], total{n, sums[key]})
	}
	return totals
}

// checkTotalsExactly checks that the output holds the totals of the input, each once and in order.
func (k *testCluster) checkTotalsExactly(topic string, input []broker.Record) {
	k.t.Helper()
	k.checkTotalsAre(topic, totalsOf(k.t, input))
}

func (k *testCluster) checkTotalsAre(topic string, want map[string][]total) {
	k.t.Helper()
	got := map[string][]total{}
	for _, r := range k.read(topic) {
		var v total
		if err := json.Unmarshal(r.Value, &v); err != nil {
			k.t.Fatal(err)
		}
		got[string(r.Key)] = append(got[string(r.Key)], v)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		k.t.Errorf("topic %s (-want +got):\n%s", topic, diff)
	}
}

// A transaction that a slow function keeps open for too long is aborted by the cluster. Its work is done again, and then
// counts once.
func TestATransactionThatTakesTooLongIsDoneAgain(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
	out := broker.TopicPartition{Topic: p.output}
	var slow sync.Once
	p.f = func(ctx context.Context, n int) (int, error) {
		if n == unlucky {
			slow.Do(func() {
				// The transaction is open until the cluster ends it.
				await(t, "the end of the transaction", func() bool { return k.offset(broker.End, out) == k.offset(broker.Latest, out) })
			})
		}
		return n, nil
	}
	config, log := k.loggingConfig()
	config.Guarantee, config.Checkpoint.Records = runtime.ExactlyOnce, 0
	config.Checkpoint.Interval, config.Checkpoint.TransactionTimeout = 2*time.Second, 4*time.Second
	app := run(t, p.topology(), config)
	k.write(p.input, 0, numbers(0, unlucky)...)
	// What was written is on its way before the checkpoint.
	await(t, "an open transaction", func() bool { return k.offset(broker.End, out) < k.offset(broker.Latest, out) })
	k.write(p.input, 0, numbers(unlucky, 30)...)
	await(t, "everything", func() bool { return k.committed(p.input, 0) == 30 })
	app.stop()
	k.checkTotalsExactly(p.output, numbers(0, 30))
	if n := log.countOf("going back to the last checkpoint"); n != 1 {
		t.Errorf("went back %d times, want once", n)
	}
}

// offset looks up an offset of a partition.
func (k *testCluster) offset(at broker.OffsetAt, tp broker.TopicPartition) int64 {
	k.t.Helper()
	offsets, err := k.Offsets(within(k.t), at, tp)
	if err != nil {
		k.t.Fatal(err)
	}
	return offsets[tp]
}

// When nobody knows whether a transaction was committed, the cluster is asked: its work is done again, or not, and counts
// once. Here the answer to the commit is lost, and when it is repeated the producer is fenced, as it is when the cluster
// has ended the transaction for taking too long.
func TestATransactionOfUnknownFateCountsOnce(t *testing.T) {
	kafkatest.Parallel(t)
	for name, committed := range map[string]bool{"committed": true, "not committed": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKafka(t)
			if k.Real() {
				t.Skip("answers requests in place of kfake")
			}
			proxy := k.StartProxy(t)
			p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
			config, log := k.loggingConfig()
			config.Guarantee, config.Checkpoint.Interval, config.Checkpoint.Records = runtime.ExactlyOnce, 100*time.Millisecond, 0
			config.Connection.Sarama = proxy.Detour().Take
			app := run(t, p.topology(), config)
			k.write(p.input, 0, numbers(0, 10)...)
			await(t, "a checkpoint", func() bool { return k.committed(p.input, 0) == 10 })

			cluster, tries := k.Kafka.Cluster(), 0
			cluster.ControlKey(int16(kmsg.EndTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				switch tries++; tries {
				case 1:
					proxy.Block(true)
					proxy.Block(false)
					return nil, errors.New("lost"), !committed
				case 2:
				default:
					return nil, nil, false
				}
				answer := r.ResponseKind().(*kmsg.EndTxnResponse)
				answer.ErrorCode = 90 // PRODUCER_FENCED
				return answer, nil, true
			})
			k.write(p.input, 0, numbers(10, 20)...)
			await(t, "the work after it", func() bool { return k.committed(p.input, 0) == 20 })
			k.write(p.input, 0, numbers(20, 30)...)
			await(t, "everything", func() bool { return k.committed(p.input, 0) == 30 })
			app.stop()
			k.checkTotalsExactly(p.output, numbers(0, 30))
			if n := log.countOf("going back to what is committed"); n != 1 {
				t.Errorf("asked the cluster %d times, want once", n)
			}
		})
	}
}

// The cluster would end each transaction before its checkpoint is due.
func TestATransactionTimeoutThatIsTooShortIsRefused(t *testing.T) {
	t.Parallel()
	p := pipeline{input: "in", output: "out"}
	_, err := runtime.New(p.topology(), runtime.Config{
		Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}, Group: "g", Guarantee: runtime.ExactlyOnce,
		Checkpoint: runtime.CheckpointConfig{Interval: 2 * time.Second, TransactionTimeout: 3 * time.Second},
	})
	if err == nil || !strings.Contains(err.Error(), "Checkpoint.TransactionTimeout (3s) is less than twice Checkpoint.Interval (2s)") {
		t.Errorf("got %v", err)
	}
}

// A cluster forgets a transactional id that nobody has used for transactional.id.expiration.ms, 7 days by default.
func TestATransactionalIDThatTheClusterHasForgottenIsRegisteredAnew(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	if k.Real() {
		t.Skip("scripts an answer, which takes kfake")
	}
	p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
	config, _ := k.loggingConfig()
	config.Guarantee, config.Checkpoint.Interval, config.Checkpoint.Records = runtime.ExactlyOnce, 100*time.Millisecond, 0
	app := run(t, p.topology(), config)
	k.write(p.input, 0, numbers(0, 10)...)
	await(t, "a checkpoint", func() bool { return k.committed(p.input, 0) == 10 })
	k.Kafka.Cluster().ControlKey(int16(kmsg.AddPartitionsToTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
		request, response := r.(*kmsg.AddPartitionsToTxnRequest), r.ResponseKind().(*kmsg.AddPartitionsToTxnResponse)
		for _, topic := range request.Topics {
			rt := kmsg.NewAddPartitionsToTxnResponseTopic()
			rt.Topic = topic.Topic
			for _, n := range topic.Partitions {
				rp := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
				rp.Partition, rp.ErrorCode = n, 49
				rt.Partitions = append(rt.Partitions, rp)
			}
			response.Topics = append(response.Topics, rt)
		}
		return response, nil, true
	})
	k.write(p.input, 0, numbers(10, 20)...)
	await(t, "the work after it, or the end", func() bool {
		select {
		case <-app.done:
			t.Fatalf("Run has ended: %v", app.err)
		default:
		}
		return k.committed(p.input, 0) == 20
	})
	app.stop()
	k.checkTotalsExactly(p.output, numbers(0, 20))
}
