package simbroker

import (
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/assignor"
)

// assign returns the partitions of each member, by member id, as the leader of a group does. Partitions that another member
// still owns are not part of it.
func (g *group) assign() map[string][]broker.TopicPartition {
	members := make(map[string]assignor.Subscription, len(g.members))
	partitions := map[string]int32{}
	for _, m := range g.members {
		members[m.id] = assignor.Subscription{
			Units: m.units, Owned: m.claimed, MemberID: m.id, Generation: g.generation, Warm: m.warm,
		}
		for _, unit := range m.units {
			for _, topic := range unit {
				if t := g.broker.topics[topic]; t != nil {
					partitions[topic] = int32(len(t.partitions))
				}
			}
		}
	}
	return assignor.Assign(members, partitions)
}
