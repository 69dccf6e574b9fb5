package saramabroker

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
)

// Commit implements broker.Group.
//
// The coordinator checks member and generation, but not who owns a partition. That is checked here, so that a commit
// that comes late cannot take back what the partition's new owner has committed.
//
// What may pass (another coordinator, a coordinator that loads, a rebalance that is being completed) is tried again
// while the session lasts and ctx does. A session that ends meanwhile makes it an [broker.ErrFenced].
func (g *group) Commit(ctx context.Context, offsets map[broker.TopicPartition]int64) error {
	if len(offsets) == 0 {
		return nil
	}
	now := g.live()
	if now == nil {
		return fmt.Errorf("commit offsets of group %q: %w: there is no session", g.cfg.Group, broker.ErrFenced)
	}
	for tp := range offsets {
		if !slices.Contains(now.partitions, tp) {
			return fmt.Errorf("commit offsets of group %q: %w: %s is not assigned to this member", g.cfg.Group, broker.ErrFenced, tp)
		}
	}
	for failures := 1; ; failures++ {
		err := g.cluster.await(ctx, func() error { return g.commits.commit(g.cfg, now, offsets) })
		if err == nil {
			return nil
		}
		code, _ := codeOf(err)
		again := isRetriable(err) || code == sarama.ErrRebalanceInProgress
		if again && g.live() != now {
			err = fmt.Errorf("%w: the session has ended: %w", broker.ErrFenced, err)
			again = false
		}
		// The first retry follows at once: a new coordinator is known by then.
		if !again || failures > 1 && sleep(ctx, backoff(failures)) != nil {
			return fmt.Errorf("commit offsets of group %q: %w", g.cfg.Group, translate(err))
		}
	}
}

// commitLink is a connection of its own to the coordinator, because the one of the membership is locked while the
// coordinator holds a join.
type commitLink struct {
	cluster *cluster
	conns   *connections
	conf    *sarama.Config

	mu   sync.Mutex // guards link; is held over a request
	link *sarama.Broker
}

func newCommitLink(c *cluster) *commitLink {
	l := &commitLink{cluster: c, conns: newConnections()}
	l.conf = c.clientConfig(l.conns)
	return l
}

// commit sends offsets once. After a failure the next call looks for the coordinator anew.
func (l *commitLink) commit(cfg broker.GroupConfig, s *session, offsets map[broker.TopicPartition]int64) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() {
		if err != nil && isRetriable(err) && l.link != nil {
			l.link.Close()
			l.link = nil
		}
	}()
	if l.link == nil {
		addr, err := l.cluster.coordinator(cfg.Group)
		if err != nil {
			return err
		}
		l.link = sarama.NewBroker(addr)
	}
	if err := connect(l.link, l.conf); err != nil {
		return err
	}
	request := sarama.NewOffsetCommitRequest(l.conf, cfg.Group)
	request.ConsumerID = s.memberID
	request.ConsumerGroupGeneration = s.generation
	if cfg.InstanceID != "" {
		request.GroupInstanceId = &cfg.InstanceID
	}
	for tp, offset := range offsets {
		request.AddBlockWithLeaderEpoch(tp.Topic, tp.Partition, offset, -1, 0, "")
	}
	response, err := l.link.CommitOffset(request)
	if err != nil {
		return err
	}
	var failure error
	for tp := range offsets {
		code, ok := response.Errors[tp.Topic][tp.Partition]
		if !ok {
			failure = worse(failure, fmt.Errorf("%s: %w", tp, sarama.ErrIncompleteResponse))
		} else if code != sarama.ErrNoError {
			failure = worse(failure, fmt.Errorf("%s: %w", tp, code))
		}
	}
	return failure
}

// close gives up a request that is on its way.
func (l *commitLink) close() {
	l.conns.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.link != nil {
		l.link.Close()
		l.link = nil
	}
}
