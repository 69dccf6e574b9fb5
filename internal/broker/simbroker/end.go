package simbroker

import (
	"slices"

	"github.com/weirstreams/weir/internal/broker"
)

// End returns the offset that the next record of tp gets, and Stable where a reader of committed records has to stop; 0
// if tp does not exist. They are for tests, and no calls of a client.
func (b *Broker) End(tp broker.TopicPartition) int64 {
	return b.offset(tp, func(p *partition) int64 { return p.end })
}

// Stable is described with End.
func (b *Broker) Stable(tp broker.TopicPartition) int64 { return b.offset(tp, (*partition).lastStable) }

func (b *Broker) offset(tp broker.TopicPartition, of func(*partition) int64) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tickTransactions()
	p, err := b.partition(tp)
	if err != nil {
		return 0
	}
	return of(p)
}

// Owns reports whether the group counts a membership among its members, and tp among its partitions. It is for
// tests, and no call of a client.
func (b *Broker) Owns(group broker.Group, tp broker.TopicPartition) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := group.(*membership)
	m.group.tick(b.clock.Now())
	return m.member != nil && m.member.fate == present && slices.Contains(m.owned, tp)
}

// Expelled reports whether the group has expelled a member that does not know it yet. It is for tests, and no call of a
// client.
func (b *Broker) Expelled(group broker.Group) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := group.(*membership)
	m.group.tick(b.clock.Now())
	return m.member != nil && m.member.fate != present
}
