package group

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
)

// Commit implements broker.Group.
//
// The coordinator checks member and generation, but not the owner of a partition. Commit checks the owner, so that a late
// commit cannot take back offsets of the partition's new owner.
//
// The generation may move on while a commit is on its way, and partitions stay all the same; it is then tried again with
// the next generation, for as long as a rebalance may take. Other temporary errors (another coordinator, a coordinator that
// loads) are tried again until ctx ends or the partitions are lost.
func (g *group) Commit(ctx context.Context, offsets map[broker.TopicPartition]int64, details broker.CommitDetails) error {
	if len(offsets) == 0 {
		return nil
	}
	begun := time.Now()
	for failures := 1; ; failures++ {
		now := g.current()
		for tp := range offsets {
			if !now.owned[tp] {
				return fmt.Errorf("commit offsets of group %q: %w: %s is not assigned to this member", g.cfg.Group, weir.ErrFenced, tp)
			}
		}
		err := g.cluster.Await(ctx, func() error { return g.commits.commit(g.cfg, now, offsets, details) })
		if err == nil {
			return nil
		}
		code, _ := fault.CodeOf(err)
		rebalance := code == sarama.ErrIllegalGeneration || code == sarama.ErrRebalanceInProgress
		again := fault.IsRetriable(err) || rebalance && time.Since(begun) < g.cfg.RebalanceTimeout
		// The first retry follows at once: a new coordinator is known by then.
		if again && (rebalance || failures > 1) {
			again = g.awaitStanding(ctx, now, fault.Backoff.Wait(failures)) == nil
		}
		if !again {
			return fmt.Errorf("commit offsets of group %q: %w", g.cfg.Group, fault.Translate(err))
		}
	}
}

// awaitStanding waits until another standing is in force, and at the longest for limit.
func (g *group) awaitStanding(ctx context.Context, s *standing, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-s.replaced:
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// commitLink is a connection of its own to the coordinator, because the one of the membership is locked while the
// coordinator holds a join.
type commitLink struct {
	cluster Cluster
	conns   *conn.Set
	conf    *sarama.Config

	mu   sync.Mutex // guards link; is held over a request
	link *sarama.Broker
}

func newCommitLink(c Cluster) *commitLink {
	l := &commitLink{cluster: c, conns: conn.NewSet()}
	l.conf = c.ClientConfig(l.conns)
	return l
}

// commit sends offsets once. After a failure the next call looks for the coordinator anew.
func (l *commitLink) commit(
	cfg broker.GroupConfig, s *standing, offsets map[broker.TopicPartition]int64, details broker.CommitDetails,
) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() {
		if err != nil && fault.IsRetriable(err) && l.link != nil {
			l.link.Close()
			l.link = nil
		}
	}()
	if l.link == nil {
		addr, err := l.cluster.Coordinator(sarama.CoordinatorGroup, cfg.Group)
		if err != nil {
			return err
		}
		l.link = sarama.NewBroker(addr)
	}
	if err := conn.Open(l.link, l.conf); err != nil {
		return err
	}
	request := sarama.NewOffsetCommitRequest(l.conf, cfg.Group)
	request.ConsumerID = s.memberID
	request.ConsumerGroupGeneration = s.generation
	if cfg.InstanceID != "" {
		request.GroupInstanceId = &cfg.InstanceID
	}
	for tp, offset := range offsets {
		detail := details.Of(tp)
		request.AddBlockWithLeaderEpoch(tp.Topic, tp.Partition, offset, detail.LeaderEpoch, 0, detail.Metadata)
	}
	response, err := l.link.CommitOffset(request)
	if err != nil {
		return err
	}
	var failure error
	for tp := range offsets {
		code, ok := response.Errors[tp.Topic][tp.Partition]
		if !ok {
			failure = fault.Worse(failure, fmt.Errorf("%s: %w", tp, sarama.ErrIncompleteResponse))
		} else if code != sarama.ErrNoError {
			failure = fault.Worse(failure, fmt.Errorf("%s: %w", tp, code))
		}
	}
	return failure
}

// close gives up a request that is on its way.
func (l *commitLink) close() {
	l.conns.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.link != nil {
		l.link.Close()
		l.link = nil
	}
}
