package saramabroker

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
)

// errSessionEnded is what Setup returns when a session is over. The client then ends it in the regular way, with
// Cleanup, and Consume returns this error.
var errSessionEnded = errors.New("the session has ended")

// session is a generation of the group as this member sees it.
type session struct {
	memberID   string
	generation int32
	partitions []broker.TopicPartition
	told       bool // the assignment was handed out
}

// handler is the group as the client's consumer group sees it. The client begins to read a partition when Setup has
// returned; this Setup stays until the session has ended, and heartbeats go on meanwhile. That saves a fetch, its
// megabyte and its wait for each partition and rebalance, and makes it irrelevant whether a committed offset still
// exists.
type handler group

// Setup hands out the assignment and waits for the end of the session.
func (h *handler) Setup(s sarama.ConsumerGroupSession) error {
	g := (*group)(h)
	over := s.Context().Done()
	now := &session{memberID: s.MemberID(), generation: s.GenerationID(), partitions: partitionsOf(s.Claims())}
	g.mu.Lock()
	owed := g.owed
	g.mu.Unlock()
	if len(owed) > 0 {
		if !g.post(broker.Lost, owed, func() {}, over, nil) {
			return errSessionEnded
		}
		g.mu.Lock()
		g.owed = nil
		g.mu.Unlock()
	}
	g.setCurrent(now)
	now.told = g.post(broker.Assigned, now.partitions, func() {}, over, nil)
	if now.told {
		g.awaitEnd(over, g.plan.counts())
	}
	return errSessionEnded
}

// Cleanup takes the assignment back. The time for it is a little less than the rebalance timeout, after which the group
// goes on without this member, and which began up to a heartbeat earlier. What nobody has polled by then is lost.
func (h *handler) Cleanup(s sarama.ConsumerGroupSession) error {
	g := (*group)(h)
	now := g.live()
	if now == nil || g.ctx.Err() != nil || !now.told {
		g.setCurrent(nil)
		return nil
	}
	kind := broker.Revoked
	if isLost(context.Cause(s.Context())) {
		kind = broker.Lost
		g.setCurrent(nil)
	}
	late := make(chan struct{})
	limit := max(g.cfg.RebalanceTimeout-2*g.client.Config().Consumer.Group.Heartbeat.Interval, g.cfg.RebalanceTimeout/2)
	timer := time.AfterFunc(limit, func() { close(late) })
	defer timer.Stop()
	if !g.post(kind, now.partitions, func() { g.setCurrent(nil) }, late, late) && g.ctx.Err() == nil {
		g.mu.Lock()
		g.owed = now.partitions
		g.mu.Unlock()
	}
	g.setCurrent(nil)
	return nil
}

// ConsumeClaim is never called.
func (*handler) ConsumeClaim(s sarama.ConsumerGroupSession, _ sarama.ConsumerGroupClaim) error {
	<-s.Context().Done()
	return nil
}

// post hands an event to Poll and waits until it is done; then is called within Done. It gives up handing over when
// unwanted is closed, and waiting when impatient is. It returns whether the event was handed over.
func (g *group) post(kind broker.GroupEventKind, partitions []broker.TopicPartition, then func(), unwanted, impatient <-chan struct{}) bool {
	done := make(chan struct{})
	event := &broker.GroupEvent{
		Kind: kind, Partitions: slices.Clone(partitions),
		Done: sync.OnceFunc(func() { then(); close(done) }),
	}
	select {
	case g.events <- event:
	case <-unwanted:
		return false
	case <-g.ctx.Done():
		return false
	}
	select {
	case <-done:
	case <-impatient:
	case <-g.ctx.Done():
	}
	return true
}

// awaitEnd waits for the end of a session. The member that made the assignment also ends it when a topic has got more
// partitions, so that they are assigned.
func (g *group) awaitEnd(over <-chan struct{}, counts map[string]int) {
	var tick <-chan time.Time
	if len(counts) > 0 {
		ticker := time.NewTicker(g.client.Config().Metadata.RefreshFrequency)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-over:
			return
		case <-tick:
			for topic, count := range counts {
				if partitions, err := g.client.Partitions(topic); err == nil && len(partitions) != count {
					g.cluster.log.Info("topic has another number of partitions, assigning anew", "topic", topic,
						"before", count, "now", len(partitions))
					return
				}
			}
		}
	}
}

func (g *group) setCurrent(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.current = s
}

// live returns the session, or nil if there is none.
func (g *group) live() *session {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.current
}

// isLost says that the group has gone on without this member.
func isLost(cause error) bool {
	return errors.Is(cause, sarama.ErrUnknownMemberId) || errors.Is(cause, sarama.ErrIllegalGeneration) ||
		errors.Is(cause, sarama.ErrFencedInstancedId)
}

func partitionsOf(claims map[string][]int32) []broker.TopicPartition {
	var tps []broker.TopicPartition
	for topic, partitions := range claims {
		for _, p := range partitions {
			tps = append(tps, broker.TopicPartition{Topic: topic, Partition: p})
		}
	}
	slices.SortFunc(tps, func(a, b broker.TopicPartition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return tps
}

// rangeStrategy is the client's range strategy. It gives equal partition numbers of topics with equally many
// partitions to the same member. It remembers the sizes of the topics that it was asked about, which happens at the
// leader of the group only.
type rangeStrategy struct {
	sarama.BalanceStrategy

	mu     sync.Mutex
	topics map[string]int
}

// Plan implements sarama.BalanceStrategy.
func (r *rangeStrategy) Plan(members map[string]sarama.ConsumerGroupMemberMetadata, topics map[string][]int32) (sarama.BalanceStrategyPlan, error) {
	r.mu.Lock()
	r.topics = make(map[string]int, len(topics))
	for topic, partitions := range topics {
		r.topics[topic] = len(partitions)
	}
	r.mu.Unlock()
	return r.BalanceStrategy.Plan(members, topics)
}

// counts returns the sizes of the topics if this member made the assignment that it just got.
func (r *rangeStrategy) counts() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	counts := maps.Clone(r.topics)
	r.topics = nil
	return counts
}
