package simbroker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirstreams/weir/internal/broker"
)

const (
	defaultSessionTimeout   = 45 * time.Second
	defaultRebalanceTimeout = 5 * time.Minute
)

// membership is a process's side of a consumer group. Its mutable fields are guarded by Broker.mu.
type membership struct {
	broker *Broker
	name   string
	cfg    broker.GroupConfig
	group  *group

	// member is nil before the first Poll and while expelled.
	member *member
	// generation is the one that owned was assigned in, 0 from when that was given up.
	generation int32
	owned      []broker.TopicPartition
	// waiting says that Done of the last event was not called yet.
	waiting bool
	// err is final; left is too, and no error.
	err  error
	left bool
}

// NewGroup implements [broker.Cluster].
//
// There is no goroutine that sends heartbeats: a member is alive as long as no more than SessionTimeout of virtual
// time passes between its calls of Poll, Commit and Done. A clock that is moved by more than that, in one step,
// expels all members. A member that was expelled gets Lost with its next Poll, and joins again with the Poll after
// Done.
//
// A rebalance begins when a member joins, leaves or is expelled, or when a topic of the group is created. Everyone
// gets Revoked. The new generation is Assigned when everyone has called Done, or after RebalanceTimeout, which expels
// those who have not. Meanwhile Poll returns nil, as it does while Done of an earlier event was not called. There is
// no event about no partitions.
//
// A static member that leaves keeps its place until its session ends. If another joins with its InstanceID before
// that, this one gets the same partitions without a rebalance; if the first has not left, it is fenced for good.
func (b *Broker) NewGroup(cfg broker.GroupConfig) (broker.Group, error) {
	if cfg.Group == "" {
		return nil, errors.New("new group: the name is empty")
	}
	if len(cfg.Topics) == 0 {
		return nil, fmt.Errorf("new group %q: no topics", cfg.Group)
	}
	for _, topic := range slices.Concat(cfg.Topics...) {
		if err := checkTopicName(topic); err != nil {
			return nil, fmt.Errorf("new group %q: topic %q: %w", cfg.Group, topic, err)
		}
	}
	if cfg.SessionTimeout == 0 {
		cfg.SessionTimeout = defaultSessionTimeout
	}
	if cfg.RebalanceTimeout == 0 {
		cfg.RebalanceTimeout = defaultRebalanceTimeout
	}
	m := &membership{broker: b, cfg: cfg}
	err := b.call(context.Background(), Op{Kind: OpNewGroup, Group: cfg.Group}, func() error {
		m.name, _ = b.client("member")
		m.group = b.groups[cfg.Group]
		if m.group == nil {
			m.group = &group{broker: b, offsets: map[broker.TopicPartition]int64{}}
			b.groups[cfg.Group] = m.group
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("new group %q: %w", cfg.Group, err)
	}
	return m, nil
}

// Poll implements [broker.Group], and is the heartbeat of the member. There are no events after Leave.
func (m *membership) Poll(ctx context.Context, _ time.Duration) (event *broker.GroupEvent, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = m.broker.call(context.WithoutCancel(ctx), m.op(OpPoll), func() error {
		if m.err != nil || m.left {
			return m.err
		}
		event, err = m.next(m.broker.clock.Now())
		return err
	})
	if err != nil {
		m.fail(err)
		return nil, m.wrap(OpPoll, err)
	}
	return event, nil
}

// next takes all steps that are due, up to the next event.
func (m *membership) next(now time.Time) (*broker.GroupEvent, error) {
	m.group.tick(now)
	m.heartbeat(now)
	if m.waiting {
		return nil, nil
	}
	if m.member != nil && m.member.fate == replaced {
		return nil, fmt.Errorf("another process joined as instance %q: %w", m.cfg.InstanceID, broker.ErrFenced)
	}
	if m.member != nil && m.member.fate == expelled {
		m.member = nil
		if lost := m.giveUp(); len(lost) > 0 {
			return m.event(broker.Lost, lost, func() {}), nil
		}
	}
	if m.member == nil {
		m.join(now)
	}
	if m.group.rebalancing && !m.member.ready {
		if len(m.owned) > 0 {
			return m.event(broker.Revoked, m.owned, m.ready), nil
		}
		m.ready()
	}
	if m.group.rebalancing || m.generation == m.group.generation {
		return nil, nil
	}
	m.generation = m.group.generation
	m.owned = slices.Clone(m.member.assigned)
	if len(m.owned) == 0 {
		return nil, nil
	}
	return m.event(broker.Assigned, m.owned, func() {}), nil
}

func (m *membership) heartbeat(now time.Time) {
	if m.member != nil {
		m.member.seen = now
	}
}

func (m *membership) join(now time.Time) {
	m.group.joined++
	prefix := "member"
	if m.cfg.InstanceID != "" {
		prefix = m.cfg.InstanceID
	}
	m.member = &member{
		id:               fmt.Sprintf("%s-%06d", prefix, m.group.joined),
		instance:         m.cfg.InstanceID,
		topics:           slices.Compact(slices.Sorted(slices.Values(slices.Concat(m.cfg.Topics...)))),
		sessionTimeout:   m.cfg.SessionTimeout,
		rebalanceTimeout: m.cfg.RebalanceTimeout,
		seen:             now,
	}
	m.group.join(m.member, now)
}

// giveUp forgets, and returns, what the member owned.
func (m *membership) giveUp() []broker.TopicPartition {
	owned := m.owned
	m.owned, m.generation = nil, 0
	return owned
}

// ready tells the group that the member owns nothing any more.
func (m *membership) ready() {
	m.giveUp()
	if m.member != nil && m.member.fate == present {
		m.member.ready = true
		m.group.complete()
	}
}

// event returns an event that keeps the group waiting until done ran, with the broker locked, within Done.
func (m *membership) event(kind broker.GroupEventKind, tps []broker.TopicPartition, done func()) *broker.GroupEvent {
	m.waiting = true
	called := false
	return &broker.GroupEvent{Kind: kind, Partitions: slices.Clone(tps), Done: func() {
		// A hook's error means that the group does not hear of it. There is nobody to return it to.
		_ = m.broker.call(context.Background(), m.op(OpDone), func() error {
			if called {
				panic(fmt.Sprintf("simbroker: Done of an event (%s) was called twice", kind))
			}
			called = true
			if m.err != nil || m.left {
				return nil
			}
			now := m.broker.clock.Now()
			m.group.tick(now)
			m.heartbeat(now)
			m.waiting = false
			done()
			return nil
		})
	}}
}

// Commit implements [broker.Group]. Unlike Kafka it refuses partitions that the member does not own.
func (m *membership) Commit(ctx context.Context, offsets map[broker.TopicPartition]int64) error {
	err := m.broker.call(ctx, m.op(OpCommit), func() error {
		if m.err != nil {
			return m.err
		}
		now := m.broker.clock.Now()
		m.group.tick(now)
		if m.left || !m.group.owns(m.member, m.generation) {
			return broker.ErrFenced
		}
		m.heartbeat(now)
		for _, tp := range sortedPartitions(offsets) {
			if _, err := m.broker.partition(tp); err != nil {
				return err
			}
			if !slices.Contains(m.owned, tp) {
				return fmt.Errorf("%s is not assigned to this member", tp)
			}
			if offsets[tp] < 0 {
				return fmt.Errorf("%s: offset %d is negative", tp, offsets[tp])
			}
		}
		for tp, offset := range offsets {
			m.group.offsets[tp] = offset
		}
		return nil
	})
	return m.wrap(OpCommit, err)
}

// Member implements [broker.Group].
func (m *membership) Member() broker.GroupMember {
	m.broker.mu.Lock()
	defer m.broker.mu.Unlock()
	member := broker.GroupMember{Group: m.cfg.Group, Generation: m.generation, InstanceID: m.cfg.InstanceID}
	if m.member != nil {
		member.MemberID = m.member.id
	}
	return member
}

// Leave implements [broker.Group]. The membership is over even if the group does not hear of it.
func (m *membership) Leave(ctx context.Context) error {
	defer func() {
		m.broker.mu.Lock()
		defer m.broker.mu.Unlock()
		m.left = true
	}()
	err := m.broker.call(ctx, m.op(OpLeave), func() error {
		if m.err != nil || m.left {
			return nil
		}
		now := m.broker.clock.Now()
		m.group.tick(now)
		if m.member != nil && m.member.fate == present && m.cfg.InstanceID == "" {
			m.group.leave(m.member, now)
		}
		return nil
	})
	return m.wrap(OpLeave, err)
}

// fail makes err final, unless another is.
func (m *membership) fail(err error) {
	m.broker.mu.Lock()
	defer m.broker.mu.Unlock()
	if m.err == nil {
		m.err = err
	}
}

func (m *membership) op(kind OpKind) Op {
	return Op{Kind: kind, Client: m.name, Group: m.cfg.Group}
}

func (m *membership) wrap(kind OpKind, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("group %q: %s: %w", m.cfg.Group, kind, err)
}
