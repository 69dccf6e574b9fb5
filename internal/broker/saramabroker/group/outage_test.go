package group_test

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
)

// gate is a dialer whose connections a test can cut.
type gate struct {
	mu    sync.Mutex
	shut  bool
	conns []net.Conn
}

func (g *gate) Dial(network, addr string) (net.Conn, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return nil, errors.New("the gate is shut")
	}
	conn, err := net.Dial(network, addr)
	if err == nil {
		g.conns = append(g.conns, conn)
	}
	return conn, err
}

// cut breaks all connections, and lets there be none any more if shut.
func (g *gate) cut(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, conn := range g.conns {
		conn.Close()
	}
	g.conns, g.shut = nil, shut
}

func (g *gate) open(t testing.TB, k *kafkatest.Kafka) broker.Cluster {
	t.Helper()
	c, err := saramabroker.Open(t.Context(), saramabroker.Config{
		Brokers: k.Brokers, Logger: brokertest.Logger(t),
		Tune: func(conf *sarama.Config) { conf.Net.Proxy.Enable, conf.Net.Proxy.Dialer = true, g },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestAMemberThatWasAwayForTooLongLosesItsPartitions(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	g := &gate{}
	group, topic := k.Name("group"), k.Topic(t, "away", 4)
	first := newMember(t, k, g.open(t, k), group, topic)
	had := first.until(broker.Assigned, 4)
	second := newMember(t, k, brokertest.Open(t, k), group, topic)
	await(
		func() { had = without(had, first.until(broker.Revoked, 2)) },
		func() { second.until(broker.Assigned, 2) },
	)
	g.cut(true)
	if diff := cmp.Diff(had, second.until(broker.Assigned, 2)); diff != "" {
		t.Error(diff)
	}
	first.quiet() // as it cannot know
	before := first.Member()
	g.cut(false)
	if err := first.Commit(brokertest.Within(t), map[broker.TopicPartition]int64{had[0]: 1}, nil); !errors.Is(err, weir.ErrFenced) {
		t.Errorf("got %v, want %v", err, weir.ErrFenced)
	}
	lost := first.next()
	if diff := cmp.Diff(had, lost.Partitions); diff != "" || lost.Kind != broker.Lost {
		t.Errorf("%s: %s", lost.Kind, diff)
	}
	// A transaction may still hold what was written for these partitions.
	if now := first.Member(); now != before {
		t.Errorf("the member was %v and is %v, before the loss is done", before, brokertest.Now)
	}
	lost.Done()
	await(
		func() { first.until(broker.Assigned, 2) },
		func() { second.until(broker.Revoked, 2) },
	)
	if now := first.Member(); now.MemberID == before.MemberID || now.Generation <= before.Generation {
		t.Errorf("the member was %v and is %v", before, brokertest.Now)
	}
}

func TestBrokenConnectionsTakeNothingAway(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	g := &gate{}
	cfg := tenancy(k, []string{k.Topic(t, "broken", 6)})
	cfg.SessionTimeout = 10 * time.Second
	l := newLedger(t)
	first := l.tenant("first", g.open(t, k), cfg)
	l.await(6, 6, first)
	c := brokertest.Open(t, k)
	for i, name := range []string{"second", "third"} {
		other := l.tenant(name, c, cfg)
		// Some of these meet a join, some a heartbeat, some a commit.
		for range 10 {
			g.cut(false)
			for ctx, n := brokertest.Within(t), first.commits.Load(); first.commits.Load() == n && ctx.Err() == nil; {
				<-time.After(time.Millisecond)
			}
		}
		l.await(6, 2-i, first, other)
	}
	if n := first.lost.Load(); n > 0 {
		t.Errorf("the member lost partitions %d times", n)
	}
}
