package group

import (
	"maps"
	"slices"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/assignor"
)

// strategy is how the client's consumer group assigns partitions: by package assignor, incrementally.
//
// To the client it is an eager strategy, and its sessions end with each rebalance, but no partition is tied to a session:
// the members name their partitions in their subscriptions, and events hold only the changes of an assignment. The
// client's own incremental protocol would read every partition, which no task needs, and end all of them when the reading
// of one fails or a connection breaks during a join.
//
// The goroutine of group.run calls all methods.
type strategy struct {
	group *group
	// assigned is the last assignment.
	assigned []broker.TopicPartition
	// came is the data that came with it.
	came assignor.Data
	// data comes with the assignments that this member has made last, if it has made any.
	data []byte
	// warned are the fingerprints of the members when the log last said that they differ.
	warned []string
}

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
		Fingerprint: g.cfg.Fingerprint, Endpoint: g.cfg.Endpoint,
	}
	for _, topic := range g.topics {
		subscription.Known += int(g.client.known[topic])
	}
	if g.cfg.Warm != nil {
		subscription.Warm = g.cfg.Warm()
	}
	return subscription.Encode(), nil
}

// Plan is called at one member of the group. A member with an unreadable subscription owns nothing, and its topics
// form no unit.
func (s *strategy) Plan(members map[string]sarama.ConsumerGroupMemberMetadata, topics map[string][]int32) (sarama.BalanceStrategyPlan, error) {
	subscriptions := make(map[string]assignor.Subscription, len(members))
	for id, m := range members {
		subscription, err := assignor.Decode(m.UserData)
		if err != nil {
			s.group.cluster.Logger().Warn("cannot read the subscription of a member", "group", s.group.cfg.Group, "member", id, "error", err)
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
	data := assignor.Data{Sizes: sizes, Fingerprints: assignor.Fingerprints(subscriptions), Owners: map[string][]broker.TopicPartition{}}
	for id, tps := range assignor.Assign(subscriptions, sizes) {
		// Partitions that a member claims under another id do not count, and the plan does not wait for them.
		member := subscriptions[id]
		if member.MemberID == id && slices.ContainsFunc(member.Owned, func(tp broker.TopicPartition) bool { return !slices.Contains(tps, tp) }) {
			data.Incomplete = true
		}
		if member.Endpoint != "" {
			data.Owners[member.Endpoint] = append(data.Owners[member.Endpoint], tps...)
		}
		plan[id] = map[string][]int32{}
		for _, tp := range tps {
			plan.Add(id, tp.Topic, tp.Partition)
		}
	}
	s.data = data.Encode()
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
	s.came = assignor.Data{}
	if len(assignment.UserData) > 0 {
		var err error
		if s.came, err = assignor.DecodeData(assignment.UserData); err != nil {
			s.group.cluster.Logger().Warn("cannot read the data of an assignment", "group", s.group.cfg.Group, "error", err)
		}
	}
	s.compareTopologies()
	for topic, partitions := range assignment.Topics {
		for _, p := range partitions {
			s.assigned = append(s.assigned, broker.TopicPartition{Topic: topic, Partition: p})
		}
	}
	clear(assignment.Topics)
	if f := s.group.cfg.OnOwners; f != nil {
		f(s.assigned, s.came.Owners)
	}
}

// compareTopologies says in the log when members of the group run different topologies, once for each set of them.
func (s *strategy) compareTopologies() {
	all, own := s.came.Fingerprints, s.group.cfg.Fingerprint
	differ := own != "" && len(all) > 0 && (len(all) > 1 || all[0] != own)
	switch {
	case differ && !slices.Equal(all, s.warned):
		s.warned = all
		s.group.cluster.Logger().Warn("members of the group run different topologies: during an upgrade that passes; otherwise give "+
			"each application a group of its own", "group", s.group.cfg.Group, "own fingerprint", own, "fingerprints", all)
	case !differ && s.warned != nil:
		s.warned = nil
		s.group.cluster.Logger().Info("all members of the group run the same topology", "group", s.group.cfg.Group)
	}
}

func sortedPartitions(set map[broker.TopicPartition]bool) []broker.TopicPartition {
	return slices.SortedFunc(maps.Keys(set), broker.TopicPartition.Compare)
}
