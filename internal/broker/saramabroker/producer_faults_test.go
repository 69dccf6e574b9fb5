package saramabroker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/kafkatest"
)

// flaky opens connections that break in the middle of requests: before they are sent, or when they have been carried
// out and the response is lost.
type flaky struct {
	perMille atomic.Int64 // of reads and writes
	broken   atomic.Int64

	mu     sync.Mutex
	random *rand.Rand
}

func newFlaky(t testing.TB) *flaky {
	seed := rand.Uint64()
	t.Logf("seed of broken connections: %d", seed)
	return &flaky{random: rand.New(rand.NewPCG(seed, 0))}
}

func (f *flaky) Dial(network, addr string) (net.Conn, error) {
	conn, err := net.Dial(network, addr)
	if err != nil {
		return nil, err
	}
	return &flakyConn{Conn: conn, flaky: f}, nil
}

func (f *flaky) breaks() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.random.Int64N(1000) >= f.perMille.Load() {
		return false
	}
	f.broken.Add(1)
	return true
}

func (f *flaky) open(t testing.TB, k *kafkatest.Kafka) broker.Cluster {
	t.Helper()
	c, err := saramabroker.Open(t.Context(), saramabroker.Config{
		Brokers: k.Brokers, Logger: logger(t),
		Tune: func(conf *sarama.Config) { conf.Net.Proxy.Enable, conf.Net.Proxy.Dialer = true, f },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

type flakyConn struct {
	net.Conn
	flaky *flaky
}

func (c *flakyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil && c.flaky.breaks() {
		c.Conn.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

func (c *flakyConn) Write(p []byte) (int, error) {
	if c.flaky.breaks() {
		c.Conn.Close()
		return 0, io.ErrClosedPipe
	}
	return c.Conn.Write(p)
}

func TestLostResponsesNeitherLoseNorRepeatRecords(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t, kfake.NumBrokers(3))
	f := newFlaky(t)
	c := f.open(t, k)
	topic := k.Topic(t, "lost", 3)
	p := newProducer(t, c, broker.ProducerConfig{Compression: "snappy"})
	f.perMille.Store(50)
	var sent [3]int
	for round := range 40 {
		if !k.Real() && round%4 == 0 {
			if err := k.Cluster().MoveTopicPartition(topic, int32(round/4%3), int32(round/12%3)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range sent {
			for range 4 {
				if err := p.Send(within(t), broker.TopicPartition{Topic: topic, Partition: int32(i)}, numbered(sent[i], 5)); err != nil {
					t.Fatal(err)
				}
				sent[i] += 5
			}
		}
		if err := p.Flush(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	f.perMille.Store(0)
	t.Logf("%d connections were broken", f.broken.Load())
	if f.broken.Load() == 0 {
		t.Error("nothing went wrong")
	}
	for i, n := range sent {
		tp := broker.TopicPartition{Topic: topic, Partition: int32(i)}
		if last, _ := p.LastOffset(tp); last != int64(n)-1 {
			t.Errorf("last offset of %s is %d, want %d", tp, last, n-1)
		}
		f := newFetcher(t, c, broker.FetcherConfig{})
		f.Start(tp, 0)
		wantNumbers(t, readTo(t, f, tp, int64(n)), 0, n)
	}
}

func TestTransactionsOutlastLostResponses(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t, kfake.NumBrokers(3))
	f := newFlaky(t)
	c := f.open(t, k)
	topic := k.Topic(t, "txn-lost", 3)
	input := broker.TopicPartition{Topic: k.Topic(t, "txn-lost-input", 1)}
	group := broker.GroupMember{Group: k.Name("txn-lost"), Generation: -1}
	p := newProducer(t, c, broker.ProducerConfig{TransactionalID: k.Name("txn-lost")})
	if err := p.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
	f.perMille.Store(60)
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
				records[i] = numbered(round*10, 10)
				if err := p.Send(within(t), broker.TopicPartition{Topic: topic, Partition: i}, records[i]); err != nil {
					return err
				}
			}
			ctx := within(t)
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
			return p.Commit(within(t), group, map[broker.TopicPartition]int64{input: int64(round)})
		}()
		switch {
		case err == nil:
			offset = int64(round)
			for i := range int32(3) {
				want[i] = append(want[i], values(records[i])...)
			}
		case errors.Is(err, broker.ErrAborted) && !errors.Is(err, broker.ErrFenced):
			aborted++
			if err := p.Abort(within(t)); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatal(err)
		}
	}
	f.perMille.Store(0)
	t.Logf("%d connections were broken, %d transactions aborted", f.broken.Load(), aborted)
	for i := range int32(3) {
		t.Run(fmt.Sprint("partition ", i), func(t *testing.T) {
			wantCommitted(t, c, broker.TopicPartition{Topic: topic, Partition: i}, want[i]...)
		})
	}
	got, err := c.CommittedOffsets(within(t), group.Group, input)
	if diff := cmp.Diff(map[broker.TopicPartition]int64{input: offset}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestACommitWhoseFateIsUnknownSaysSo(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	f := newFlaky(t)
	c := f.open(t, k)
	tp := broker.TopicPartition{Topic: k.Topic(t, "fate", 1)}
	p := newProducer(t, c, broker.ProducerConfig{TransactionalID: k.Name("fate")})
	send(t, p, tp, numbered(0, 1)...)
	f.perMille.Store(1000)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := p.Commit(ctx, broker.GroupMember{}, nil)
	if err == nil || errors.Is(err, broker.ErrFenced) {
		t.Errorf("got %v", err)
	}
	f.perMille.Store(0)
	if again := p.Send(within(t), tp, numbered(1, 1)); again == nil {
		t.Error("nothing is wrong any more")
	}
}
