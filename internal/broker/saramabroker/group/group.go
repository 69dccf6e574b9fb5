// Package group is the membership in a consumer group: joins, incremental rebalances, and commits of offsets.
package group

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
)

// group is a membership by the client's consumer group, which is used for membership only: it joins, sends heartbeats and
// leaves. strategy assigns partitions, and standing has those of this member.
type group struct {
	cluster  Cluster
	cfg      broker.GroupConfig
	topics   []string // of all units
	conns    *conn.Set
	client   *groupClient
	member   sarama.ConsumerGroup
	strategy *strategy
	commits  *commitLink
	// joining is true while a join may be on its way.
	joining atomic.Bool

	events chan *broker.GroupEvent
	// handled is closed when Done of the last event was called. Like owed and sessions it is used by run.
	handled <-chan struct{}
	// sessions counts the assignments that this member has got.
	sessions int
	// owed are partitions that are gone without Poll having told.
	owed   []broker.TopicPartition
	ctx    context.Context // ends with Leave
	cancel context.CancelFunc
	join   sync.Once
	leave  sync.Once
	left   chan struct{} // closed when Leave is through
	gone   error         // why, once left is closed
	ended  chan struct{} // closed when run has returned
	err    error         // why, once ended is closed

	mu       sync.Mutex // guards standing
	standing *standing
}

const (
	defaultSession   = 45 * time.Second
	defaultHeartbeat = 3 * time.Second
	defaultRebalance = 5 * time.Minute
	// coordinatorTries is how often the client looks for the coordinator before a session is lost, 250 ms apart.
	coordinatorTries = 40
	coordinatorPause = 250 * time.Millisecond
	// rejoinTries is how often the client repeats a join that another rebalance overtook, 100 ms apart, before run does.
	rejoinTries = 20
)

// Cluster is the part of a cluster that a group needs.
type Cluster interface {
	// ClientConfig returns a configuration of the client that dials by conns.
	ClientConfig(conns *conn.Set) *sarama.Config
	// Brokers returns the addresses to begin with.
	Brokers() []string
	Logger() *slog.Logger
	// TopicSizes returns the number of partitions of topics. Those that do not exist are absent.
	TopicSizes(ctx context.Context, topics []string) (map[string]int32, error)
	// Coordinator looks up the address of the coordinator of a group or of a transactional id.
	Coordinator(kind sarama.CoordinatorType, key string) (addr string, err error)
	// Await runs a blocking call and returns its error, or that of ctx if it ends first. Then the call goes on by itself.
	Await(ctx context.Context, call func() error) error
}

// New returns a membership in a group with connections of its own. It joins with the first Poll.
func New(c Cluster, cfg broker.GroupConfig) (broker.Group, error) {
	if cfg.Group == "" || len(cfg.Topics) == 0 {
		return nil, errors.New("new group: a name and at least one topic are needed")
	}
	cfg.SessionTimeout = cmp.Or(cfg.SessionTimeout, defaultSession)
	cfg.HeartbeatInterval = cmp.Or(cfg.HeartbeatInterval, defaultHeartbeat)
	cfg.RebalanceTimeout = cmp.Or(cfg.RebalanceTimeout, defaultRebalance)
	g := &group{
		cluster:  c,
		cfg:      cfg,
		topics:   slices.Concat(cfg.Topics...),
		conns:    conn.NewSet(),
		events:   make(chan *broker.GroupEvent),
		handled:  closedChannel,
		left:     make(chan struct{}),
		ended:    make(chan struct{}),
		standing: &standing{generation: -1, told: identity{generation: -1}, replaced: make(chan struct{})},
	}
	g.strategy = &strategy{group: g}
	g.conns.Pause = coordinatorPause
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.commits = newCommitLink(c)
	client, err := sarama.NewClient(c.Brokers(), g.config())
	if err == nil {
		g.client = &groupClient{Client: client, ctx: g.ctx, cluster: c, own: g.topics}
		g.member, err = sarama.NewConsumerGroupFromClient(cfg.Group, g.client)
	}
	if err != nil {
		g.cancel()
		g.conns.Close()
		g.commits.close()
		if client != nil {
			client.Close()
		}
		return nil, fmt.Errorf("new group %q: %w", cfg.Group, fault.Translate(err))
	}
	return g, nil
}

func (g *group) config() *sarama.Config {
	conf := g.cluster.ClientConfig(g.conns)
	conf.Metadata.Retry.Max = coordinatorTries
	conf.Metadata.Retry.Backoff = coordinatorPause
	conf.Metadata.RefreshFrequency = min(max(conf.Metadata.RefreshFrequency, time.Second), 30*time.Second) // in which added partitions are noticed
	conf.Net.Proxy.Dialer = patientDialer{g.conns, &g.joining, g.cfg.RebalanceTimeout}
	conf.Consumer.Return.Errors = true
	conf.Consumer.Group.InstanceId = g.cfg.InstanceID
	conf.Consumer.Group.Session.Timeout = g.cfg.SessionTimeout
	conf.Consumer.Group.Heartbeat.Interval = min(g.cfg.HeartbeatInterval, g.cfg.SessionTimeout/3)
	conf.Consumer.Group.Rebalance.Timeout = g.cfg.RebalanceTimeout
	conf.Consumer.Group.Rebalance.Retry.Max = rejoinTries
	conf.Consumer.Group.Rebalance.Retry.Backoff = 100 * time.Millisecond
	conf.Consumer.Group.Rebalance.Strategy = nil
	conf.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{g.strategy}
	return conf
}

// run is the goroutine that keeps up the membership.
func (g *group) run() {
	defer close(g.ended)
	outage := conn.NewOutage(g.cluster.Logger(), fmt.Sprintf("take part in group %q", g.cfg.Group))
	doubt := doubt{limit: 2 * g.cfg.SessionTimeout}
	for failures := 0; ; {
		err := g.member.Consume(g.ctx, g.topics, (*handler)(g))
		g.joining.Store(false)
		mayPass := doubt.aboutFence(err)
		switch {
		case g.ctx.Err() != nil:
			return
		case err == nil, errors.Is(err, errSessionEnded):
			outage.Note(nil)
			failures = 0
			continue
		case mayPass:
			g.lose()
		case isFinal(err):
			g.lose()
			g.err = fmt.Errorf("group %q: %w", g.cfg.Group, fault.Translate(err))
			return
		}
		outage.Note(err)
		failures++
		if fault.Backoff.Sleep(g.ctx, failures) != nil {
			return
		}
	}
}

// isFinal says that joining a group again would fail in the same way.
func isFinal(err error) bool {
	if errors.Is(fault.Translate(err), weir.ErrUnauthorized) || errors.Is(fault.Translate(err), weir.ErrUnknownTopic) ||
		errors.Is(err, sarama.ErrClosedConsumerGroup) {
		return true
	}
	if _, ok := errors.AsType[sarama.ConfigurationError](err); ok {
		return true
	}
	switch code, _ := fault.CodeOf(err); code {
	case sarama.ErrFencedInstancedId, sarama.ErrInvalidSessionTimeout, sarama.ErrInconsistentGroupProtocol,
		sarama.ErrInvalidGroupId, sarama.ErrGroupMaxSizeReached, sarama.ErrInvalidTopic:
		return true
	}
	return false
}

// Poll implements broker.Group. After Leave it returns nothing.
func (g *group) Poll(ctx context.Context, wait time.Duration) (*broker.GroupEvent, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	g.join.Do(func() {
		if g.ctx.Err() != nil {
			close(g.ended)
			return
		}
		go g.run()
		go g.reportErrors()
	})
	if wait <= 0 {
		select {
		case event := <-g.events:
			return event, nil
		case <-g.ended:
			return nil, g.err
		default:
			return nil, nil
		}
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case event := <-g.events:
		return event, nil
	case <-timer.C:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-g.ctx.Done():
		return nil, nil
	case <-g.ended:
		return nil, g.err
	}
}

// reportErrors is the goroutine that takes the client's errors, until Leave closes it.
func (g *group) reportErrors() {
	for err := range g.member.Errors() {
		g.cluster.Logger().Debug("consumer group", "group", g.cfg.Group, "error", err)
	}
}

// Member implements broker.Group. Before the first assignment there is no id, and after a loss it is the one that was lost,
// until an event has told of the loss and is done.
func (g *group) Member() broker.GroupMember {
	now := g.current()
	return broker.GroupMember{
		Group: g.cfg.Group, MemberID: now.told.memberID, Generation: now.told.generation, InstanceID: g.cfg.InstanceID,
	}
}

// Leave implements broker.Group. A static member does not leave: the group keeps its partitions for it until the
// session timeout, as is the purpose of a static membership.
func (g *group) Leave(ctx context.Context) error {
	g.leave.Do(func() {
		g.cancel()
		g.join.Do(func() { close(g.ended) })
		go g.depart()
	})
	select {
	case <-g.left:
		return g.gone
	case <-ctx.Done():
		g.conns.Close()
		g.commits.close()
		<-g.left
		return fmt.Errorf("leave group %q: %w", g.cfg.Group, ctx.Err())
	}
}

// depart ends the membership and closes everything.
func (g *group) depart() {
	defer close(g.left)
	// A join may be held by the coordinator until all other members have joined. The connection is closed under it.
	select {
	case <-g.ended:
	case <-time.After(200 * time.Millisecond):
		g.conns.Interrupt()
		<-g.ended
	}
	if err := g.member.Close(); err != nil && !errors.Is(err, sarama.ErrClosedClient) {
		g.gone = fmt.Errorf("leave group %q: %w", g.cfg.Group, fault.Translate(err))
	}
	g.commits.close()
	g.client.Close()
	g.conns.Close()
}
