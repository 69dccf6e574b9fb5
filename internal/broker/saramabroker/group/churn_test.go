package group_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	membership "github.com/weirstreams/weir/internal/broker/saramabroker/group"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/longtest"
)

// ledger knows who owns what, and fails a test when a partition has two owners.
type ledger struct {
	t      testing.TB
	mu     sync.Mutex
	owners map[broker.TopicPartition]*tenant
	change chan struct{} // closed with the next change
	moves  int
}

func newLedger(t testing.TB) *ledger {
	return &ledger{t: t, owners: map[broker.TopicPartition]*tenant{}, change: make(chan struct{})}
}

// tenant is a member that does what its events say, until it stops or is killed.
type tenant struct {
	broker.Group
	name    string
	ledger  *ledger
	cancel  context.CancelFunc
	done    chan struct{}
	dead    atomic.Bool
	lost    atomic.Int32
	commits atomic.Int32
	owned   map[broker.TopicPartition]int64 // of run
}

func (l *ledger) tenant(name string, c broker.Cluster, cfg broker.GroupConfig) *tenant {
	l.t.Helper()
	g, err := c.NewGroup(cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &tenant{Group: g, name: name, ledger: l, cancel: cancel, done: make(chan struct{}), owned: map[broker.TopicPartition]int64{}}
	go m.run(ctx)
	l.t.Cleanup(m.stop)
	return m
}

func (m *tenant) run(ctx context.Context) {
	defer close(m.done)
	for ctx.Err() == nil {
		event, err := m.Poll(ctx, 5*time.Millisecond)
		if err != nil && ctx.Err() == nil && !m.dead.Load() {
			m.ledger.t.Errorf("%s: %v", m.name, err)
			return
		}
		if event != nil {
			m.handle(ctx, event)
		}
		m.commit(ctx, m.owned)
	}
}

func (m *tenant) handle(ctx context.Context, event *broker.GroupEvent) {
	if event.Kind == broker.Revoked {
		revoked := map[broker.TopicPartition]int64{}
		for _, tp := range event.Partitions {
			revoked[tp] = m.owned[tp]
		}
		m.commit(ctx, revoked)
	}
	for _, tp := range event.Partitions {
		if _, owned := m.owned[tp]; owned == (event.Kind == broker.Assigned) {
			m.ledger.t.Errorf("%s: %s %s, owned before: %t", m.name, tp, event.Kind, owned)
		}
		if event.Kind == broker.Assigned {
			m.owned[tp] = 0
		} else {
			delete(m.owned, tp)
		}
	}
	if event.Kind == broker.Lost {
		m.lost.Add(1)
	}
	m.ledger.note(m, event)
	event.Done()
}

// commit commits what the member owns, which must succeed as long as it has not lost it.
func (m *tenant) commit(ctx context.Context, offsets map[broker.TopicPartition]int64) {
	for tp := range offsets {
		offsets[tp]++
	}
	err := m.Commit(ctx, offsets, nil)
	if err == nil && len(offsets) > 0 {
		m.commits.Add(1)
	}
	if err != nil && ctx.Err() == nil && !m.dead.Load() {
		// The group has thrown the member out; Lost follows.
		if member := m.Member(); !errors.Is(err, weir.ErrFenced) {
			m.ledger.t.Errorf("%s: generation %d: %v", m.name, member.Generation, err)
		}
		m.lost.Add(1)
	}
}

func (l *ledger) note(m *tenant, event *broker.GroupEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m.dead.Load() {
		return
	}
	for _, tp := range event.Partitions {
		switch owner := l.owners[tp]; {
		case event.Kind == broker.Assigned && owner != nil:
			l.t.Errorf("%s is assigned to %s while %s has it", tp, m.name, owner.name)
		case event.Kind == broker.Assigned:
			l.owners[tp] = m
			l.moves++
		case owner == m:
			delete(l.owners, tp)
		}
	}
	l.changed()
}

func (l *ledger) changed() {
	close(l.change)
	l.change = make(chan struct{})
}

// forget drops what a member owns.
func (l *ledger) forget(m *tenant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m.dead.Store(true)
	for tp, owner := range l.owners {
		if owner == m {
			delete(l.owners, tp)
		}
	}
	l.changed()
}

// counts returns how many partitions members have.
func (l *ledger) counts() map[*tenant]int {
	counts := map[*tenant]int{}
	for _, owner := range l.owners {
		counts[owner]++
	}
	return counts
}

// await waits until as many partitions are assigned, and all members have so many at least.
func (l *ledger) await(partitions, least int, members ...*tenant) {
	l.t.Helper()
	ctx := brokertest.Within(l.t)
	for {
		l.mu.Lock()
		total, uneven := len(l.owners), false
		counts := l.counts()
		for _, m := range members {
			uneven = uneven || counts[m] < least
		}
		change := l.change
		l.mu.Unlock()
		if total == partitions && !uneven {
			return
		}
		select {
		case <-change:
		case <-ctx.Done():
			l.t.Fatalf("%d of %d partitions are assigned, by members: %v", total, partitions, counts)
		}
	}
}

// stop leaves the group.
func (m *tenant) stop() {
	m.cancel()
	<-m.done
	m.ledger.forget(m)
	ctx, cancel := context.WithTimeout(context.Background(), brokertest.Patience)
	defer cancel()
	m.Leave(ctx)
}

// kill ends a member as the end of its process does.
func (m *tenant) kill() {
	m.ledger.forget(m)
	membership.Kill(m.Group)
	m.cancel()
	<-m.done
}

func tenancy(k *kafkatest.Kafka, topics ...[]string) broker.GroupConfig {
	return broker.GroupConfig{
		Group: k.Name("group"), Topics: topics, SessionTimeout: max(k.SessionTimeout(), 5*time.Second),
		HeartbeatInterval: 50 * time.Millisecond, RebalanceTimeout: 20 * time.Second,
	}
}

func TestNoPartitionHasTwoOwnersWhileMembersComeAndGo(t *testing.T) {
	k, c := brokertest.Start(t)
	r := rand.New(rand.NewPCG(longtest.Seed(t), 0))
	cfg := tenancy(k, []string{k.Topic(t, "a", 6), k.Topic(t, "b", 6)}, []string{k.Topic(t, "c", 5)})
	const partitions = 17
	l := newLedger(t)
	var members []*tenant
	started, kills := 0, 0
	join := func() {
		started++
		members = append(members, l.tenant(fmt.Sprint("member ", started), c, cfg))
	}
	join()
	l.await(partitions, partitions, members...)
	for step := range 14 {
		i := r.IntN(len(members))
		switch roll := r.IntN(6); {
		case len(members) == 1 || len(members) < 4 && roll < 3:
			join()
		case roll == 3 && kills < 3:
			kills++
			members[i].kill()
			members = append(members[:i], members[i+1:]...)
		default:
			members[i].stop()
			members = append(members[:i], members[i+1:]...)
		}
		if step%3 == 2 { // and otherwise amid the rebalance
			l.await(partitions, 1, members...)
		}
	}
	l.await(partitions, 11/len(members), members...)
	lost := int32(0)
	for _, m := range members {
		lost += m.lost.Load()
	}
	t.Logf("%d members, %d killed, %d assignments of a partition", started, kills, l.moves)
	if lost > 0 {
		t.Errorf("members that were not killed lost partitions %d times", lost)
	}
}

func TestMembersThatJoinAtOnceShareEvenly(t *testing.T) {
	k, c := brokertest.Start(t)
	cfg := tenancy(k, []string{k.Topic(t, "at-once", 12)})
	l := newLedger(t)
	first := l.tenant("first", c, cfg)
	l.await(12, 12, first)
	second, third, fourth := l.tenant("second", c, cfg), l.tenant("third", c, cfg), l.tenant("fourth", c, cfg)
	l.await(12, 3, first, second, third, fourth)
	if l.moves > 12+12 {
		t.Errorf("partitions were assigned %d times", l.moves)
	}
	if first.lost.Load() > 0 || first.commits.Load() == 0 {
		t.Error("the first member could not commit all the while")
	}
}

func TestMembersOfTwoVersionsShareWhatBothKnow(t *testing.T) {
	k, c := brokertest.Start(t)
	a, b, d := k.Topic(t, "both", 4), k.Topic(t, "before", 2), k.Topic(t, "after", 3)
	before := tenancy(k, []string{a}, []string{b})
	after := before
	after.Topics = [][]string{{a}, {d}}
	l := newLedger(t)
	first, second := l.tenant("before 1", c, before), l.tenant("before 2", c, before)
	l.await(6, 3, first, second)
	third := l.tenant("after 1", c, after)
	l.await(9, 3, third)
	first.stop()
	l.await(9, 4, second, third)
	fourth := l.tenant("after 2", c, after)
	l.await(9, 2, second, third, fourth)
	second.stop() // with which nobody knows b any more
	l.await(7, 3, third, fourth)
}

func TestPartitionsGoWhereTheirStateIs(t *testing.T) {
	k, c := brokertest.Start(t)
	topic := k.Topic(t, "warm", 6)
	cfg := tenancy(k, []string{topic})
	l := newLedger(t)
	first, second := l.tenant("first", c, cfg), l.tenant("second", c, cfg)
	l.await(6, 3, first, second)
	l.mu.Lock()
	var warm []broker.TopicPartition
	for tp, owner := range l.owners {
		if owner == first {
			warm = append(warm, tp)
		}
	}
	l.mu.Unlock()
	first.stop()
	l.await(6, 6, second)
	cfg.Warm = func() []broker.TopicPartition { return warm }
	again := l.tenant("first again", c, cfg)
	l.await(6, 3, again, second)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, tp := range warm {
		if l.owners[tp] != again {
			t.Errorf("%s did not come back to its state", tp)
		}
	}
}

func TestPartitionsThatStayAreReadThroughoutARebalance(t *testing.T) {
	k, c := brokertest.Start(t)
	topic := k.Topic(t, "stay", 4)
	cfg := tenancy(k, []string{topic})
	l := newLedger(t)
	first := l.tenant("first", c, cfg)
	l.await(4, 4, first)

	// The second member learns of a rebalance late, so that the first one's join is held for about as long.
	slow := cfg
	slow.HeartbeatInterval = 1500 * time.Millisecond
	const most = 750 * time.Millisecond // half of that: a busy machine stands still for some of it
	second := l.tenant("second", c, slow)
	l.await(4, 2, first, second)
	l.mu.Lock()
	var stays broker.TopicPartition
	for tp, owner := range l.owners {
		if owner == first {
			stays = tp
		}
	}
	l.mu.Unlock()

	p := brokertest.NewProducer(t, c, broker.ProducerConfig{})
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{})
	f.Start(stays, 0)
	var widest time.Duration
	for range 3 { // as the machine itself may stand still
		begun := time.Now()
		third := l.tenant("third", c, cfg)
		rebalanced := make(chan struct{})
		go func() { defer close(rebalanced); l.await(4, 1, first, second, third) }()
		widest = 0
		for last, reading := time.Now(), true; reading; {
			brokertest.Send(t, p, stays, broker.Record{Value: []byte("x"), Millis: time.Now().UnixMilli()})
			brokertest.Poll(t, f).Release()
			widest = max(widest, time.Since(last))
			last = time.Now()
			select {
			case <-rebalanced:
				reading = false
			default:
			}
		}
		t.Logf("the rebalance took %s, the longest wait for a record was %s", time.Since(begun), widest)
		if widest <= most {
			break
		}
		third.stop()
		l.await(4, 2, first, second)
	}
	if widest > most && !k.Real() {
		t.Errorf("the partition stood still for %s", widest)
	}
	if first.lost.Load() > 0 {
		t.Error("the member lost partitions")
	}
}
