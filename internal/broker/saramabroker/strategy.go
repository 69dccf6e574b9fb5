package saramabroker

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/assignor"
)

// strategy is how the client's consumer group assigns partitions: by package assignor, incrementally.
//
// To the client it is an eager strategy, and its sessions end with each rebalance, but no partition is tied to a session:
// the members tell the group in their subscription what they own, and events tell only what an assignment changes. The
// client's own incremental protocol would read every partition, which nobody needs, and end all of them when the reading
// of one fails or a connection breaks during a join.
//
// The goroutine of group.run calls all methods.
type strategy struct {
	group *group
	// assigned is the last assignment.
	assigned []broker.TopicPartition
	// incomplete says that something in the last assignment waits for a member to give it up and to join again.
	incomplete bool
	// data is what comes with the assignments that this member has made last, if it has made any.
	data []byte
}

// incompleteData is what comes with the assignments of a generation in which some member has to give something up.
var incompleteData = []byte("incomplete")

var (
	_ sarama.SubscriptionUserDataBalanceStrategy = (*strategy)(nil)
	_ sarama.OnAssignmentBalanceStrategy         = (*strategy)(nil)
)

// Name implements sarama.BalanceStrategy.
func (*strategy) Name() string { return assignor.Protocol }

// SubscriptionUserData is called before each join.
func (s *strategy) SubscriptionUserData([]string) ([]byte, error) {
	g := s.group
	g.joining.Store(true)
	now := g.current()
	subscription := assignor.Subscription{
		Units: g.cfg.Topics, Owned: sortedPartitions(now.owned), MemberID: now.memberID, Generation: now.generation,
	}
	for _, topic := range g.topics {
		subscription.Known += int(g.client.known[topic])
	}
	if g.cfg.Warm != nil {
		subscription.Warm = g.cfg.Warm()
	}
	return subscription.Encode(), nil
}

// Plan is called at one member of the group. A member whose subscription cannot be read owns nothing, and its topics
// belong together as those of no unit do.
func (s *strategy) Plan(members map[string]sarama.ConsumerGroupMemberMetadata, topics map[string][]int32) (sarama.BalanceStrategyPlan, error) {
	subscriptions := make(map[string]assignor.Subscription, len(members))
	for id, m := range members {
		subscription, err := assignor.Decode(m.UserData)
		if err != nil {
			s.group.cluster.log.Warn("cannot read the subscription of a member", "group", s.group.cfg.Group, "member", id, "error", err)
			subscription = assignor.Subscription{}
			for _, topic := range m.Topics {
				subscription.Units = append(subscription.Units, []string{topic})
			}
		}
		subscriptions[id] = subscription
	}
	sizes := make(map[string]int32, len(topics))
	for topic, partitions := range topics {
		sizes[topic] = int32(len(partitions))
	}
	plan := make(sarama.BalanceStrategyPlan, len(members))
	s.data = nil
	for id, tps := range assignor.Assign(subscriptions, sizes) {
		// What a member says to own by another id is void, and nobody waits for it.
		member := subscriptions[id]
		if member.MemberID == id && slices.ContainsFunc(member.Owned, func(tp broker.TopicPartition) bool { return !slices.Contains(tps, tp) }) {
			s.data = incompleteData
		}
		plan[id] = map[string][]int32{}
		for _, tp := range tps {
			plan.Add(id, tp.Topic, tp.Partition)
		}
	}
	return plan, nil
}

// AssignmentData is called after Plan, for each member. The coordinator keeps the data with the assignment, so that also a
// static member gets it that restarts within the generation.
func (s *strategy) AssignmentData(string, map[string][]int32, int32) ([]byte, error) {
	return s.data, nil
}

// OnAssignment is called after each join. It leaves nothing of the assignment to the client, which would otherwise look
// up the committed offset of each partition, one after the other.
func (s *strategy) OnAssignment(assignment *sarama.ConsumerGroupMemberAssignment, _ int32) {
	s.assigned = nil
	s.incomplete = bytes.Equal(assignment.UserData, incompleteData)
	for topic, partitions := range assignment.Topics {
		for _, p := range partitions {
			s.assigned = append(s.assigned, broker.TopicPartition{Topic: topic, Partition: p})
		}
	}
	clear(assignment.Topics)
}

func sortedPartitions(set map[broker.TopicPartition]bool) []broker.TopicPartition {
	return slices.SortedFunc(maps.Keys(set), comparePartitions)
}

func comparePartitions(a, b broker.TopicPartition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}
