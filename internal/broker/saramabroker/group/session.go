package group

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
)

// errSessionEnded is the error of Setup when a session is over. The client then ends it in the regular way and Consume
// returns this error.
var errSessionEnded = errors.New("the session has ended")

// standing has the identity of this member and its partitions. It is never changed, only replaced.
type standing struct {
	memberID   string
	generation int32
	owned      map[broker.TopicPartition]bool
	// told is the identity of this member for transactions: the former one, until the workers have given up all partitions
	// that were taken away since. The coordinator checks member and generation of a transaction's offsets, but not the
	// owner of their partitions.
	told identity
	// replaced is closed when another standing is in force.
	replaced chan struct{}
}

// identity is the member and generation that the coordinator checks.
type identity struct {
	memberID   string
	generation int32
}

// current returns the standing of now.
func (g *group) current() *standing {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.standing
}

// stand replaces the standing by a copy that change has changed.
func (g *group) stand(change func(*standing)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	next := &standing{
		memberID: g.standing.memberID, generation: g.standing.generation,
		owned: maps.Clone(g.standing.owned), told: g.standing.told, replaced: make(chan struct{}),
	}
	if next.owned == nil {
		next.owned = map[broker.TopicPartition]bool{}
	}
	change(next)
	close(g.standing.replaced)
	g.standing = next
}

func (g *group) disown(tps []broker.TopicPartition) {
	g.stand(func(s *standing) {
		for _, tp := range tps {
			delete(s.owned, tp)
		}
	})
}

// tell lets transactions be committed as the member and generation of now, unless workers have something to let go of.
func (g *group) tell() {
	if len(g.owed) > 0 {
		return
	}
	g.stand(func(now *standing) { now.told = identity{now.memberID, now.generation} })
}

// handler is the group as the client's consumer group sees it. The client begins to read when Setup has returned; this
// Setup stays until the session has ended, and heartbeats go on meanwhile.
type handler group

// Setup acts on an assignment and waits for the end of the session.
func (h *handler) Setup(s sarama.ConsumerGroupSession) error {
	g := (*group)(h)
	g.joining.Store(false)
	g.attend(s, g.strategy.assigned)
	if isLost(context.Cause(s.Context())) {
		g.lose()
	}
	return errSessionEnded
}

// Cleanup has nothing to do: partitions outlive sessions.
func (*handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim is never called.
func (*handler) ConsumeClaim(s sarama.ConsumerGroupSession, _ sarama.ConsumerGroupClaim) error {
	<-s.Context().Done()
	return nil
}

// attend hands out the changes of an assignment, and returns when it is time to join again.
//
// Partitions that are taken away come first. When they have been given up the member joins again, so that the group can assign it to
// others; that may take the rebalance timeout, after which the group goes on without this member.
func (g *group) attend(s sarama.ConsumerGroupSession, assigned []broker.TopicPartition) {
	over := s.Context().Done()
	g.sessions++
	if g.current().memberID != s.MemberID() {
		g.forfeit() // the group has gone on without the member that this one was
	}
	g.stand(func(now *standing) { now.memberID, now.generation = s.MemberID(), s.GenerationID() })
	if len(g.owed) > 0 {
		if !g.post(broker.Lost, g.owed, func() {}, over, over) {
			return
		}
		g.owed = nil
	}
	select {
	case <-g.handled:
		g.tell()
	default: // what was revoked in the session before is still being worked on
	}
	owned := g.current().owned
	var added []broker.TopicPartition
	for _, tp := range assigned {
		if !owned[tp] {
			added = append(added, tp)
		}
	}
	var revoked []broker.TopicPartition
	for tp := range owned {
		if !slices.Contains(assigned, tp) {
			revoked = append(revoked, tp)
		}
	}
	if len(revoked) > 0 && !g.revoke(s, revoked) {
		return
	}
	if len(added) > 0 {
		g.stand(func(now *standing) {
			for _, tp := range added {
				now.owned[tp] = true
			}
		})
		patience := over
		if len(revoked) > 0 {
			patience = closedChannel // as others wait for what was revoked
		}
		if !g.post(broker.Assigned, added, func() {}, over, patience) {
			g.disown(added)
			return
		}
	}
	if len(revoked) == 0 {
		g.awaitEnd(over)
	}
}

var closedChannel = func() <-chan struct{} { c := make(chan struct{}); close(c); return c }()

// revoke takes partitions away. It returns false if that was not done in time, or if the membership was lost. The time for
// it is a little less than the rebalance timeout, as another rebalance may wait for this member already.
func (g *group) revoke(s sarama.ConsumerGroupSession, revoked []broker.TopicPartition) bool {
	limit := max(g.cfg.RebalanceTimeout-2*g.client.Config().Consumer.Group.Heartbeat.Interval, g.cfg.RebalanceTimeout/2)
	impatient, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	defer context.AfterFunc(s.Context(), func() {
		// Another rebalance does not change that these partitions are to go.
		if isLost(context.Cause(s.Context())) {
			cancel()
		}
	})()
	handed := g.post(broker.Revoked, revoked, func() { g.disown(revoked) }, impatient.Done(), impatient.Done())
	g.disown(revoked)
	if !handed {
		g.owed = append(g.owed, revoked...)
	}
	return handed && impatient.Err() == nil
}

// forfeit gives up everything, as the group has gone on without this member. Member goes on to return the former identity, so that
// no commit in its name succeeds.
func (g *group) forfeit() {
	owned := sortedPartitions(g.current().owned)
	if len(owned) == 0 {
		return
	}
	g.cluster.Logger().Warn("lost the membership, joining anew", "group", g.cfg.Group, "partitions", len(owned))
	g.owed = append(g.owed, owned...)
	g.stand(func(s *standing) { clear(s.owned) })
}

// lose forfeits everything and waits until that is known.
func (g *group) lose() {
	g.forfeit()
	if len(g.owed) > 0 && g.post(broker.Lost, g.owed, func() {}, nil, nil) {
		g.owed = nil
	}
}

// post hands an event to Poll and waits until it is done; then is called within Done. It gives up handing over when
// unwanted is closed, and waiting when impatient is. It returns whether the event was handed over. An event is not handed
// over before the one before it is done.
func (g *group) post(kind broker.GroupEventKind, partitions []broker.TopicPartition, then func(), unwanted, impatient <-chan struct{}) bool {
	select {
	case <-g.handled:
		g.tell()
	case <-unwanted:
		return false
	case <-g.ctx.Done():
		return false
	}
	done := make(chan struct{})
	partitions = slices.Clone(partitions)
	slices.SortFunc(partitions, broker.TopicPartition.Compare)
	event := &broker.GroupEvent{
		Kind: kind, Partitions: partitions,
		Done: sync.OnceFunc(func() { then(); close(done) }),
	}
	select {
	case g.events <- event:
	case <-unwanted:
		return false
	case <-g.ctx.Done():
		return false
	}
	g.handled = done
	select {
	case <-done:
	case <-impatient:
	case <-g.ctx.Done():
	}
	return true
}

// awaitEnd waits for the end of a session, until a topic has another number of partitions than it had when the partitions were
// assigned, which for a static member may be long before it joined, or, if some member has to give something up for another one, for the rebalance timeout, the time of the member for it: a
// static member that restarts instead gets the assignment of this generation and has nothing to give up (KIP-345), and its partitions
// would have no owner until the next rebalance. It may be that member itself, so the first session of a static member lasts two
// heartbeats only, in which it would hear of a rebalance that others have begun.
//
// Every member looks after that, not only the one that assigns: that one may be a static member that restarted, and the
// group has not told it.
func (g *group) awaitEnd(over <-chan struct{}) {
	ticker := time.NewTicker(g.client.Config().Metadata.RefreshFrequency)
	defer ticker.Stop()
	handled := g.handled
	var overdue <-chan time.Time
	if g.strategy.came.Incomplete {
		patience := g.cfg.RebalanceTimeout
		if g.cfg.InstanceID != "" && g.sessions == 1 {
			patience = min(patience, 2*g.client.Config().Consumer.Group.Heartbeat.Interval)
		}
		overdue = time.After(patience)
	}
	for {
		select {
		case <-over:
			return
		case <-overdue:
			g.cluster.Logger().Info("partitions wait for a member that has not given them up, assigning anew", "group", g.cfg.Group)
			return
		case <-handled:
			g.tell()
			handled = nil
		case <-ticker.C:
			sizes, err := g.cluster.TopicSizes(g.ctx, g.topics)
			for topic, size := range sizes {
				if before := g.assignedSize(topic); err == nil && size != before {
					g.cluster.Logger().Info("topic has another number of partitions, assigning anew", "group", g.cfg.Group,
						"topic", topic, "before", before, "now", size)
					return
				}
			}
		}
	}
}

// assignedSize returns the number of partitions of a topic that the last assignment was made for. If the member that made it
// has not said so, it is that of the last join.
func (g *group) assignedSize(topic string) int32 {
	if size, ok := g.strategy.came.Sizes[topic]; ok {
		return size
	}
	return g.client.known[topic]
}

// isLost says that the group has gone on without this member.
func isLost(cause error) bool {
	return errors.Is(cause, sarama.ErrUnknownMemberId) || errors.Is(cause, sarama.ErrIllegalGeneration) ||
		errors.Is(cause, sarama.ErrFencedInstancedId)
}
