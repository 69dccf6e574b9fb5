package simbroker_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/longtest"
)

// TestNoPartitionHasTwoOwners lets members join, poll, dawdle, commit, leave and crash at random.
func TestNoPartitionHasTwoOwners(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	longtest.Seeds(t, rounds, func(t *testing.T, seed uint64) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { randomGroup(t, seed) })
	})
}

const (
	randomSession   = 10 * time.Second
	randomRebalance = time.Minute
)

type randomRun struct {
	t       *testing.T
	rand    *rand.Rand
	broker  *simbroker.Broker
	clock   *clock.Virtual
	members []*randomMember
	// assigned is who was last told that a partition is its own.
	assigned map[broker.TopicPartition]*randomMember
}

type randomMember struct {
	broker.Group
	owned []broker.TopicPartition
	event *broker.GroupEvent // not done yet
	seen  time.Time
	// idle is when a poll last had no event for the member: it took part in all rebalances up to then.
	idle time.Time
	// late says that the group may have expelled the member since it last said what the member owns.
	late bool
}

func randomGroup(t *testing.T, seed uint64) {
	r := &randomRun{t: t, rand: rand.New(rand.NewPCG(seed, 0)), assigned: map[broker.TopicPartition]*randomMember{}}
	r.broker, r.clock = newBroker(t, map[string]int32{"a": 1 + r.rand.Int32N(7), "b": 1 + r.rand.Int32N(7)})
	r.join()
	for range 400 {
		r.step()
		r.checkOwners()
	}
	r.settle()
}

func (r *randomRun) join() {
	g := newMember(r.t, r.broker, broker.GroupConfig{
		Group: "g", Topics: [][]string{{"a", "b", "late"}}, SessionTimeout: randomSession, RebalanceTimeout: randomRebalance,
	})
	r.members = append(r.members, &randomMember{Group: g, seen: r.clock.Now(), idle: r.clock.Now()})
}

func (r *randomRun) step() {
	dice := r.rand.IntN(100)
	if dice < 3 && len(r.members) < 6 || len(r.members) == 0 {
		r.join()
		return
	}
	i := r.rand.IntN(len(r.members))
	m := r.members[i]
	switch {
	case dice < 50:
		r.poll(m)
	case dice < 75:
		r.done(m)
	case dice < 84:
		r.commit(m)
	case dice < 94:
		r.clock.Advance(time.Duration(r.rand.IntN(2000)) * time.Millisecond)
	case dice < 96:
		r.clock.Advance(time.Duration(r.rand.IntN(15_000)) * time.Millisecond)
	case dice < 98:
		check(r.t, m.Leave(r.t.Context()))
		r.members = slices.Delete(r.members, i, i+1)
	case dice < 99:
		r.broker.Kill(m.Group)
		// Its owner is gone, and with it whoever could use the partitions.
		r.members = slices.Delete(r.members, i, i+1)
	default:
		create(r.t, r.broker, "late", 3, nil)
	}
}

func (r *randomRun) poll(m *randomMember) {
	r.alive(m)
	event, err := m.Poll(r.t.Context(), 0)
	check(r.t, err)
	if m.event == nil {
		m.late = false // or the event says so
	}
	if event == nil {
		if m.event == nil {
			m.idle = r.clock.Now()
		}
		return
	}
	if m.event != nil {
		r.t.Fatalf("%s while %s is not done", event.Kind, m.event.Kind)
	}
	m.event = event
	for _, tp := range event.Partitions {
		if slices.Contains(m.owned, tp) != (event.Kind != broker.Assigned) {
			r.t.Fatalf("%s %s, which the member had or had not", event.Kind, tp)
		}
	}
	switch event.Kind {
	case broker.Assigned:
		m.owned = append(m.owned, event.Partitions...)
		for _, tp := range event.Partitions {
			r.assigned[tp] = m
		}
	case broker.Lost:
		equal(r.t, "partitions of which nobody said that they are lost", len(m.owned), len(event.Partitions))
		m.owned = nil
	}
}

func (r *randomRun) done(m *randomMember) {
	if m.event == nil {
		return
	}
	r.alive(m)
	if m.event.Kind == broker.Revoked {
		m.owned = slices.DeleteFunc(m.owned, func(tp broker.TopicPartition) bool { return slices.Contains(m.event.Partitions, tp) })
	}
	m.event.Done()
	m.event = nil
}

// commit succeeds only for the one who was assigned the partition last.
func (r *randomRun) commit(m *randomMember) {
	if len(m.owned) == 0 {
		return
	}
	r.alive(m)
	tp := m.owned[r.rand.IntN(len(m.owned))]
	err := m.Commit(r.t.Context(), at(tp.Topic, tp.Partition, 1), nil)
	switch {
	case err == nil && r.assigned[tp] != m:
		r.t.Fatalf("%s: committed by one who lost it", tp)
	case err != nil && !errors.Is(err, weir.ErrFenced):
		r.t.Fatal(err)
	case err != nil && !r.expelled(m):
		r.t.Fatalf("%s: its owner was fenced: %v", tp, err)
	}
}

// alive notes a call of m, too late as it may be.
func (r *randomRun) alive(m *randomMember) {
	m.late = r.expelled(m)
	m.seen = r.clock.Now()
}

// expelled says whether the group may have expelled m: for its silence, or because it had been waiting for m for too long.
func (r *randomRun) expelled(m *randomMember) bool {
	now := r.clock.Now()
	return m.late || now.Sub(m.seen) > randomSession || now.Sub(m.idle) >= randomRebalance
}

func (r *randomRun) checkOwners() {
	owners := map[broker.TopicPartition]*randomMember{}
	for _, m := range r.members {
		if r.expelled(m) {
			continue
		}
		for _, tp := range m.owned {
			if owners[tp] != nil {
				r.t.Fatalf("%s has two owners", tp)
			}
			owners[tp] = m
		}
	}
}

// settle lets everyone behave for as long as it takes to get over what happened before.
func (r *randomRun) settle() {
	if len(r.members) == 0 {
		r.join()
	}
	for range 40 {
		for _, m := range r.members {
			r.poll(m)
			r.done(m)
			r.checkOwners()
		}
		r.clock.Advance(3 * time.Second)
	}
	owner := map[int32]*randomMember{}
	count := 0
	for _, m := range r.members {
		for _, tp := range m.owned {
			count++
			if owner[tp.Partition] != nil && owner[tp.Partition] != m {
				r.t.Fatalf("partitions with the number %d have two owners", tp.Partition)
			}
			owner[tp.Partition] = m
		}
	}
	want := 0
	infos, err := r.broker.Topics(r.t.Context(), "a", "b", "late")
	check(r.t, err)
	for _, info := range infos {
		want += int(info.Partitions)
	}
	if count != want {
		r.t.Fatalf("%d of %d partitions have an owner", count, want)
	}
}
