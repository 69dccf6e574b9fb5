package simbroker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir/internal/broker"
)

// group is the coordinator's side of a consumer group, with the cooperative protocol (KIP-429): members join a rebalance
// with their partitions, and go on with them. A member that gives partitions up joins again afterwards, and only the
// generation after that gives them to another member.
//
// No timer runs. Before a call is served, tick applies all events since the last call.
type group struct {
	broker *Broker
	// generation counts assignments. The first is 1.
	generation int32
	// members are sorted by id.
	members []*member
	// rebalancing lasts until all members have joined, or until deadline, when the others are expelled.
	rebalancing bool
	deadline    time.Time
	// joined counts the members that there ever were.
	joined  int
	offsets map[broker.TopicPartition]broker.Commit
}

// member is the coordinator's state of a membership.
type member struct {
	id               string
	instance         string
	process          *membership
	units            [][]string
	warm             []broker.TopicPartition
	sessionTimeout   time.Duration
	rebalanceTimeout time.Duration
	seen             time.Time
	// joined says, during a rebalance, that the member waits for the next generation.
	joined bool
	// claimed are the partitions of the member: those that it named when it joined last, and those assigned since.
	claimed []broker.TopicPartition
	// target is its assignment in generation. A member that claims more has to give up the rest until revokeBy.
	target     []broker.TopicPartition
	generation int32
	revokeBy   time.Time
	fate       fate
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

// tick expels members after the end of their sessions.
func (g *group) tick(now time.Time) {
	if g.broker.down {
		return
	}
	late := func(m *member) bool {
		return now.Sub(m.seen) > m.sessionTimeout || !m.revokeBy.IsZero() && !now.Before(m.revokeBy)
	}
	if g.expel(late) {
		g.prepare(now)
		g.complete(now)
	}
	if g.rebalancing && !now.Before(g.deadline) {
		g.expel(func(m *member) bool { return !m.joined })
		g.complete(now)
	}
}

// postpone gives members the time back that an outage took.
func (g *group) postpone(now time.Time, outage time.Duration) {
	g.deadline = g.deadline.Add(outage)
	for _, m := range g.members {
		m.seen = now
		if !m.revokeBy.IsZero() {
			m.revokeBy = m.revokeBy.Add(outage)
		}
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

// add takes in m, which owns nothing.
func (g *group) add(m *member, now time.Time) {
	if m.instance != "" && g.replace(m) {
		return
	}
	g.insert(m)
	g.prepare(now)
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
	if g.rebalancing || !old.revokeBy.IsZero() || !slices.EqualFunc(old.units, m.units, slices.Equal) {
		return false
	}
	m.claimed, m.target, m.generation = old.claimed, old.target, old.generation
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
	g.complete(now)
}

// topicChanged rebalances if a member subscribes to the topic.
func (g *group) topicChanged(topic string, now time.Time) {
	g.tick(now)
	subscribes := func(m *member) bool {
		return slices.ContainsFunc(m.units, func(unit []string) bool { return slices.Contains(unit, topic) })
	}
	if slices.ContainsFunc(g.members, subscribes) {
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

// join notes that a member waits for the next generation, and keeps its partitions.
func (g *group) join(m *member, owned, warm []broker.TopicPartition, now time.Time) {
	m.joined, m.claimed, m.warm, m.revokeBy = true, slices.Clone(owned), warm, time.Time{}
	g.complete(now)
}

// complete ends a rebalance that nobody has to be waited for.
func (g *group) complete(now time.Time) {
	if !g.rebalancing || slices.ContainsFunc(g.members, func(m *member) bool { return !m.joined }) {
		return
	}
	assigned := g.assign()
	g.rebalancing = false
	g.generation++
	for _, m := range g.members {
		m.joined, m.generation, m.target = false, g.generation, assigned[m.id]
		if len(without(m.claimed, m.target)) > 0 {
			m.revokeBy = now.Add(m.rebalanceTimeout)
		}
		m.claimed = append(m.claimed, without(m.target, m.claimed)...)
	}
}

// find returns the member that goes by a name, if it is one and knows the generation of now.
func (g *group) find(name broker.GroupMember) (*member, error) {
	i := slices.IndexFunc(g.members, func(m *member) bool { return m.id == name.MemberID && m.instance == name.InstanceID })
	switch {
	case i < 0:
		return nil, fmt.Errorf("unknown member %q", name.MemberID)
	case name.Generation != g.generation:
		return nil, fmt.Errorf("member %q is of generation %d, the group is at %d", name.MemberID, name.Generation, g.generation)
	}
	return g.members[i], nil
}

// errNotOwned says that a member commits for a partition that it was not assigned, or has given up. Kafka would not notice.
var errNotOwned = errors.New("not assigned to this member")

// checkOffsets says whether the member may commit offsets.
func (m *member) checkOffsets(offsets map[broker.TopicPartition]broker.Commit) error {
	for _, tp := range sortedPartitions(offsets) {
		if _, err := m.process.broker.partition(tp); err != nil {
			return err
		}
		if !slices.Contains(m.process.owned, tp) {
			return fmt.Errorf("%s: %w", tp, errNotOwned)
		}
		if offsets[tp].Offset < 0 {
			return fmt.Errorf("%s: offset %d is negative", tp, offsets[tp].Offset)
		}
	}
	return nil
}

// without returns the partitions of a that b has not.
func without(a, b []broker.TopicPartition) []broker.TopicPartition {
	var rest []broker.TopicPartition
	for _, tp := range a {
		if !slices.Contains(b, tp) {
			rest = append(rest, tp)
		}
	}
	return rest
}
