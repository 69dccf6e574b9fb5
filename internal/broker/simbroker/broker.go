// Package simbroker is a Kafka cluster in memory.
//
// It is single-threaded in spirit: it starts no goroutine, never blocks, and knows no time but that of the virtual
// clock it was given. A call does its work and returns; a Poll returns nil at once if there is nothing, with any
// wait, because time does not pass while it runs. One goroutine that makes the same calls in the same order therefore
// sees the same results, always. One mutex guards the broker, so several goroutines may use it too, at the price of
// that determinism.
//
// It is harsher than a cluster where that finds mistakes in the code that uses it:
//
//   - The bytes of a fetched batch are overwritten by Release. A slice of them that was kept reads 0xDB.
//   - Records that are changed between Send and Flush make Flush panic, as do a second Release and a second Done.
//   - Sent records are appended by Flush, no sooner, unless the buffer of the producer is full (see
//     [Broker.DeliverOnSend]). Offsets committed without a Flush lose data.
//   - A member may commit only partitions that it owns, in a transaction too. Kafka accepts any.
//   - A member sends no heartbeats of its own: it lives by its calls (see [Broker.NewGroup]).
//
// Replicas, retention by time or size, segments, compression, quotas and access control do not exist.
package simbroker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/clock"
)

var _ broker.Cluster = (*Broker)(nil)

// errClosed is the error of a fetcher, producer or membership after it was closed or killed.
var errClosed = errors.New("closed")

// Broker is the cluster. All processes of a test share one and use it as their [broker.Cluster].
//
// The exported fields are set before the calls that they concern, by the goroutine that makes them.
type Broker struct {
	// MaxBatchRecords bounds the records of a fetched batch. The default, for zero, is 500.
	MaxBatchRecords int

	// DeliverOnSend makes producers append within Send, as a quick network would, and not within Flush, as a slow
	// one would. Either may happen with Kafka.
	DeliverOnSend bool

	// OnCall is asked about every call of a client. See [Op].
	OnCall func(Op) error

	// Wait is called when a call can do nothing but wait, until deadline at the latest: for an outage to end, or for
	// another process's transaction. It lets other processes work, or moves the clock. It may be called again and again.
	// If it is nil, calls do not wait: the awaited event happens at once. See [Broker.StopBrokers] and
	// [Broker.CommittedOffsets].
	Wait func(deadline time.Time)

	// MarkerDelay tells how long the end of a transaction takes to come to a partition. The transaction has ended then,
	// and its offsets are committed, but records of it are not visible yet and hold up the last stable offset. The
	// next transaction of the same id, and a producer that takes the id over, wait for the end of that time. nil means no time.
	MarkerDelay func(broker.TopicPartition) time.Duration

	// SlowGroups makes members work with the generation of their last Poll, as if the client lagged behind the group.
	// Their commits in transactions between two generations are refused then.
	SlowGroups bool

	clock *clock.Virtual

	// mu guards everything below, and the contents of topics, groups and memberships.
	mu     sync.Mutex
	topics map[string]*topic
	// created counts the topics that were ever made.
	created int
	groups  map[string]*group
	// transactional holds the state of the transaction coordinator, by transactional id.
	transactional map[string]*transactional
	producers     int64
	clients       int
	unreleased    int
	// late are requests that were held up in the network.
	late      []func() error
	down      bool
	downSince time.Time
}

// New returns a cluster without topics that takes its time from clock.
func New(clock *clock.Virtual) *Broker {
	return &Broker{clock: clock, topics: map[string]*topic{}, groups: map[string]*group{}, transactional: map[string]*transactional{}}
}

// Topics implements [broker.Cluster].
func (b *Broker) Topics(ctx context.Context, names ...string) (map[string]broker.TopicInfo, error) {
	infos := make(map[string]broker.TopicInfo, len(names))
	err := b.call(ctx, Op{Kind: OpTopics}, func() error {
		for _, name := range names {
			if t := b.topics[name]; t != nil {
				infos[name] = t.info()
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return infos, nil
}

// CreateTopics implements [broker.Cluster]. Valid specs are created even if others are not.
func (b *Broker) CreateTopics(ctx context.Context, specs ...broker.TopicSpec) error {
	return b.call(ctx, Op{Kind: OpCreateTopics}, func() error {
		var errs []error
		for _, spec := range specs {
			errs = append(errs, b.createTopic(spec))
		}
		return errors.Join(errs...)
	})
}

// Offsets implements [broker.Cluster].
func (b *Broker) Offsets(ctx context.Context, at broker.OffsetAt, tps ...broker.TopicPartition) (map[broker.TopicPartition]int64, error) {
	offsets := make(map[broker.TopicPartition]int64, len(tps))
	err := b.call(ctx, Op{Kind: OpOffsets}, func() error {
		for _, tp := range tps {
			p, err := b.partition(tp)
			if err != nil {
				return fmt.Errorf("look up offset: %w", err)
			}
			switch at {
			case broker.Earliest:
				offsets[tp] = p.start
			case broker.Latest:
				offsets[tp] = p.end
			default:
				offsets[tp] = p.lastStable()
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return offsets, nil
}

// OffsetsAtTime implements [broker.Cluster].
func (b *Broker) OffsetsAtTime(ctx context.Context, millis int64, tps ...broker.TopicPartition) (map[broker.TopicPartition]int64, error) {
	offsets := make(map[broker.TopicPartition]int64, len(tps))
	err := b.call(ctx, Op{Kind: OpOffsets}, func() error {
		for _, tp := range tps {
			p, err := b.partition(tp)
			if err != nil {
				return fmt.Errorf("look up offset: %w", err)
			}
			if offset, ok := p.since(millis); ok {
				offsets[tp] = offset
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return offsets, nil
}

// CommittedOffsets implements [broker.Cluster].
//
// While a transaction with offsets of these partitions is open, the call waits, by [Broker.Wait]. If that
// is nil, the transaction is aborted as if its time were up.
func (b *Broker) CommittedOffsets(ctx context.Context, group string, tps ...broker.TopicPartition) (map[broker.TopicPartition]int64, error) {
	commits, err := b.Commits(ctx, group, tps...)
	if err != nil {
		return nil, err
	}
	return broker.Offsets(commits), nil
}

// Commits implements [broker.Cluster]. It waits as CommittedOffsets does.
func (b *Broker) Commits(ctx context.Context, group string, tps ...broker.TopicPartition) (map[broker.TopicPartition]broker.Commit, error) {
	for {
		var pending *transactional
		offsets := make(map[broker.TopicPartition]broker.Commit, len(tps))
		err := b.call(ctx, Op{Kind: OpCommittedOffsets, Group: group}, func() error {
			for pending = b.pending(group, tps); pending != nil && b.Wait == nil; pending = b.pending(group, tps) {
				pending.expire()
			}
			if g := b.groups[group]; g != nil {
				for _, tp := range tps {
					if offset, ok := g.offsets[tp]; ok {
						offsets[tp] = offset
					}
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if pending == nil {
			return offsets, nil
		}
		b.Wait(pending.deadline())
	}
}

// Close does nothing: the cluster outlives the processes that use it.
func (b *Broker) Close() error { return nil }

// partition finds a partition, or says [weir.ErrUnknownTopic].
func (b *Broker) partition(tp broker.TopicPartition) (*partition, error) {
	t := b.topics[tp.Topic]
	if t == nil || tp.Partition < 0 || int(tp.Partition) >= len(t.partitions) {
		return nil, fmt.Errorf("%s: %w", tp, weir.ErrUnknownTopic)
	}
	return t.partitions[tp.Partition], nil
}

// client names a client that connects: a number makes the name unique and repeatable.
func (b *Broker) client(kind string) string {
	b.clients++
	return fmt.Sprintf("%s-%d", kind, b.clients)
}

// sortedPartitions returns the keys of m by topic and number.
func sortedPartitions[V any](m map[broker.TopicPartition]V) []broker.TopicPartition {
	return slices.SortedFunc(maps.Keys(m), broker.TopicPartition.Compare)
}
