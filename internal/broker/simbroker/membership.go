package simbroker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/topicname"
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
	// generation is that of the assignment that was learned last.
	generation int32
	// owned are the partitions that the process was assigned, and has not given up.
	owned []broker.TopicPartition
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
// A rebalance begins when a member joins, leaves, is expelled or has given something up, or when a topic of the group is
// created. A member takes part with its next Poll, unless Done of an event was not called yet. When all take part, or
// after RebalanceTimeout, which expels the others, there is a new generation, and the next Polls return its changes:
// first Revoked, then Assigned. Revoked partitions are assigned to another member in the generation after Done. A member that
// has not called Done within RebalanceTimeout of the generation is expelled. There is no event about no partitions.
//
// A static member that leaves keeps its place until its session ends. If another joins with its InstanceID before
// that, this one gets the same partitions without a rebalance; if the first has not left, it is fenced for good.
func (b *Broker) NewGroup(cfg broker.GroupConfig) (broker.Group, error) {
	if cfg.Group == "" {
		return nil, errors.New("new group: the name is empty")
	}
	topics := slices.Sorted(slices.Values(slices.Concat(cfg.Topics...)))
	if len(topics) == 0 {
		return nil, fmt.Errorf("new group %q: no topics", cfg.Group)
	}
	for i, topic := range topics {
		if err := topicname.Check(topic); err != nil {
			return nil, fmt.Errorf("new group %q: topic %q: %w", cfg.Group, topic, err)
		}
		if i > 0 && topics[i-1] == topic {
			return nil, fmt.Errorf("new group %q: topic %q is named twice", cfg.Group, topic)
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
		m.name = b.client("member")
		m.group = b.groups[cfg.Group]
		if m.group == nil {
			m.group = &group{broker: b, offsets: map[broker.TopicPartition]broker.Commit{}}
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
	warm := m.warm()
	err = m.broker.call(context.WithoutCancel(ctx), m.op(OpPoll), func() error {
		if m.err != nil || m.left {
			return m.err
		}
		event, err = m.next(m.broker.clock.Now(), warm)
		return err
	})
	if errors.Is(err, weir.ErrUnavailable) {
		return nil, nil
	}
	if err != nil {
		m.fail(err)
		return nil, m.wrap(OpPoll, err)
	}
	return event, nil
}

// warm asks for the partitions with local state, if the member may join a rebalance. It holds no lock: the caller
// may have its own.
func (m *membership) warm() []broker.TopicPartition {
	if m.cfg.Warm == nil {
		return nil
	}
	m.broker.mu.Lock()
	settled := m.member != nil && m.member.fate == present && !m.group.rebalancing && m.member.revokeBy.IsZero()
	m.broker.mu.Unlock()
	if settled {
		return nil
	}
	return m.cfg.Warm()
}

// next takes all steps that are due, up to the next event.
func (m *membership) next(now time.Time, warm []broker.TopicPartition) (*broker.GroupEvent, error) {
	m.group.tick(now)
	m.heartbeat(now)
	if m.waiting {
		return nil, nil
	}
	if m.member != nil && m.member.fate == replaced {
		return nil, fmt.Errorf("another process joined as instance %q: %w", m.cfg.InstanceID, weir.ErrFenced)
	}
	if m.member != nil && m.member.fate == expelled {
		m.member = nil
		if lost := m.owned; len(lost) > 0 {
			m.owned = nil
			return m.event(broker.Lost, lost), nil
		}
	}
	if m.member == nil {
		m.join(now)
	}
	if event := m.learn(); event != nil {
		return event, nil
	}
	m.takePart(now, warm)
	return m.learn(), nil
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
	m.generation = 0
	m.member = &member{
		id:               fmt.Sprintf("%s-%06d", prefix, m.group.joined),
		instance:         m.cfg.InstanceID,
		process:          m,
		units:            m.cfg.Topics,
		sessionTimeout:   m.cfg.SessionTimeout,
		rebalanceTimeout: m.cfg.RebalanceTimeout,
		seen:             now,
	}
	m.group.add(m.member, now)
}

// learn returns the next event on the way to the last assignment.
func (m *membership) learn() *broker.GroupEvent {
	m.generation = m.member.generation
	if revoked := without(m.owned, m.member.target); len(revoked) > 0 {
		return m.event(broker.Revoked, revoked)
	}
	if added := without(m.member.target, m.owned); len(added) > 0 {
		m.owned = append(m.owned, added...)
		return m.event(broker.Assigned, added)
	}
	return nil
}

// takePart joins a rebalance, and begins one if the process has given something up.
func (m *membership) takePart(now time.Time, warm []broker.TopicPartition) {
	if len(without(m.member.claimed, m.owned)) > 0 {
		m.group.prepare(now)
	}
	if m.group.rebalancing && !m.member.joined {
		m.group.join(m.member, m.owned, warm, now)
	}
}

// event returns an event that holds up all others until Done.
func (m *membership) event(kind broker.GroupEventKind, tps []broker.TopicPartition) *broker.GroupEvent {
	m.waiting = true
	called := false
	return &broker.GroupEvent{Kind: kind, Partitions: slices.Clone(tps), Done: func() {
		m.broker.mu.Lock()
		if called {
			m.broker.mu.Unlock()
			panic(fmt.Sprintf("simbroker: Done of an event (%s) was called twice", kind))
		}
		called = true
		m.waiting = false
		if kind == broker.Revoked {
			m.owned = without(m.owned, tps)
		}
		m.broker.mu.Unlock()
		warm := m.warm()
		// A hook's error means that the group does not hear of it now. There is nobody to return it to.
		_ = m.broker.call(context.Background(), m.op(OpDone), func() error {
			now := m.broker.clock.Now()
			m.group.tick(now)
			if m.err == nil && !m.left && m.member != nil && m.member.fate == present {
				m.heartbeat(now)
				if len(without(m.member.target, m.owned)) == 0 {
					m.takePart(now, warm)
				}
			}
			return nil
		})
	}}
}

// Commit implements [broker.Group]. Unlike Kafka it refuses partitions that the member does not own.
func (m *membership) Commit(ctx context.Context, offsets map[broker.TopicPartition]int64, details broker.CommitDetails) error {
	m.broker.mu.Lock()
	gone, by := m.err, m.member
	m.broker.mu.Unlock()
	if gone != nil {
		return m.wrap(OpCommit, gone)
	}
	err := m.broker.call(ctx, m.op(OpCommit), func() error {
		now := m.broker.clock.Now()
		m.group.tick(now)
		if by == nil || by.fate != present || m.left {
			return weir.ErrFenced
		}
		by.seen = now
		noted := commits(offsets, details)
		if err := by.checkOffsets(noted); err != nil {
			return err
		}
		maps.Copy(m.group.offsets, noted)
		return nil
	})
	return m.wrap(OpCommit, err)
}

// commits joins offsets with their details.
func commits(offsets map[broker.TopicPartition]int64, details broker.CommitDetails) map[broker.TopicPartition]broker.Commit {
	joined := make(map[broker.TopicPartition]broker.Commit, len(offsets))
	for tp, offset := range offsets {
		joined[tp] = broker.Commit{Offset: offset, CommitDetail: details.Of(tp)}
	}
	return joined
}

// Member implements [broker.Group]. A member knows of a new generation at once, unless [Broker.SlowGroups] is set.
func (m *membership) Member() broker.GroupMember {
	m.broker.mu.Lock()
	defer m.broker.mu.Unlock()
	member := broker.GroupMember{Group: m.cfg.Group, Generation: m.generation, InstanceID: m.cfg.InstanceID}
	if m.member == nil {
		return member
	}
	member.MemberID = m.member.id
	if m.member.fate == present && !m.broker.SlowGroups {
		member.Generation = m.member.generation
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
