package simbroker

import (
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir/internal/broker"
)

// group is the coordinator's side of a consumer group, with the eager protocol: in a rebalance every member gives up
// everything before anyone is given anything.
//
// No timer runs. Before a call is served, tick does what should have happened since the last one.
type group struct {
	broker *Broker
	// generation counts assignments. The first is 1.
	generation int32
	// members are sorted by id.
	members []*member
	// rebalancing lasts until all members are ready, or until deadline, when the others are expelled.
	rebalancing bool
	deadline    time.Time
	// joined counts the members that there ever were.
	joined  int
	offsets map[broker.TopicPartition]int64
}

// member is what the coordinator knows of a membership.
type member struct {
	id               string
	instance         string
	topics           []string
	sessionTimeout   time.Duration
	rebalanceTimeout time.Duration
	seen             time.Time
	// ready says, during a rebalance, that the member owns nothing and waits for the next generation.
	ready    bool
	assigned []broker.TopicPartition
	fate     fate
}

// fate says whether a member is in its group, and why not.
type fate int8

const (
	present fate = iota
	// expelled members were silent for too long, or held on to their partitions for too long.
	expelled
	// replaced members were static, and another process joined with their instance id.
	replaced
)

// tick expels members whose time is up.
func (g *group) tick(now time.Time) {
	silent := func(m *member) bool { return now.Sub(m.seen) > m.sessionTimeout }
	if g.expel(silent) {
		g.prepare(now)
		g.complete()
	}
	if g.rebalancing && !now.Before(g.deadline) {
		g.expel(func(m *member) bool { return !m.ready })
		g.complete()
	}
}

// expel reports whether it expelled anyone.
func (g *group) expel(which func(*member) bool) bool {
	before := len(g.members)
	g.members = slices.DeleteFunc(g.members, func(m *member) bool {
		if which(m) {
			m.fate = expelled
			return true
		}
		return false
	})
	return len(g.members) < before
}

// join adds m, which owns nothing.
func (g *group) join(m *member, now time.Time) {
	if m.instance != "" && g.replace(m) {
		return
	}
	g.prepare(now)
	g.insert(m)
	m.ready = true
	g.complete()
}

// replace puts a static member in the place that it had, if its group still keeps that.
func (g *group) replace(m *member) bool {
	i := slices.IndexFunc(g.members, func(other *member) bool { return other.instance == m.instance })
	if i < 0 {
		return false
	}
	old := g.members[i]
	old.fate = replaced
	g.members = slices.Delete(g.members, i, i+1)
	if g.rebalancing || !slices.Equal(old.topics, m.topics) {
		return false
	}
	m.assigned = old.assigned
	g.insert(m)
	return true
}

func (g *group) insert(m *member) {
	i, _ := slices.BinarySearchFunc(g.members, m.id, func(other *member, id string) int { return strings.Compare(other.id, id) })
	g.members = slices.Insert(g.members, i, m)
}

// leave removes m.
func (g *group) leave(m *member, now time.Time) {
	g.members = slices.DeleteFunc(g.members, func(other *member) bool { return other == m })
	g.prepare(now)
	g.complete()
}

// topicChanged rebalances if a member subscribes to the topic.
func (g *group) topicChanged(topic string, now time.Time) {
	g.tick(now)
	if slices.ContainsFunc(g.members, func(m *member) bool { return slices.Contains(m.topics, topic) }) {
		g.prepare(now)
	}
}

// prepare begins a rebalance, unless there is one.
func (g *group) prepare(now time.Time) {
	if g.rebalancing {
		return
	}
	g.rebalancing = true
	var timeout time.Duration
	for _, m := range g.members {
		timeout = max(timeout, m.rebalanceTimeout)
	}
	g.deadline = now.Add(timeout)
}

// complete ends a rebalance that nobody has to be waited for.
func (g *group) complete() {
	if !g.rebalancing || slices.ContainsFunc(g.members, func(m *member) bool { return !m.ready }) {
		return
	}
	for _, m := range g.members {
		m.ready = false
	}
	g.rebalancing = false
	g.generation++
	assign(g.members, func(topic string) int32 {
		t := g.broker.topics[topic]
		if t == nil {
			return 0
		}
		return int32(len(t.partitions))
	})
}

// owns says whether the group regards m, as of generation, as the owner of what it was assigned.
func (g *group) owns(m *member, generation int32) bool {
	return m != nil && m.fate == present && generation == g.generation
}
