package simbroker

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// transactional is the transaction coordinator's state of a transactional id. It is guarded by Broker.mu.
//
// A transaction ends in two steps, as in Kafka: the coordinator decides, which is when offsets count, and then its
// partitions are told by a marker each, which is when records count. As in Kafka 4 (KIP-890) the epoch moves on with
// each transaction, so that a request that was held up does not end up in the next one.
type transactional struct {
	broker *Broker
	id     string

	producer int64
	// epoch is unlike Kafka's not bounded by 16 bits.
	epoch   int32
	timeout time.Duration

	open    bool
	started time.Time
	// partitions are those that the open transaction has written to, in the order of the first records.
	partitions []*partition
	// offsets are those that were added to the open transaction, by group.
	offsets map[string]map[broker.TopicPartition]broker.Commit

	// committed says how the transaction ended that the producer itself ended last, in epoch ended. It answers
	// repeated requests after a lost answer.
	committed bool
	ended     int32

	markers []marker
}

// marker is the end of a transaction on its way to a partition.
type marker struct {
	*partition
	producer int64
	commit   bool
	due      time.Time
}

// defaultTransactionTimeout is that of broker.ProducerConfig.
const defaultTransactionTimeout = time.Minute

// initProducer makes the caller the one producer of a transactional id: it aborts an open transaction of another one, and
// fences it.
func (b *Broker) initProducer(id string, timeout time.Duration) *transactional {
	t := b.transactional[id]
	if t == nil {
		b.producers++
		t = &transactional{broker: b, id: id, producer: b.producers, epoch: -1, ended: -1}
		b.transactional[id] = t
	}
	if t.open {
		t.end(false)
	}
	t.settle()
	t.timeout = timeout
	t.epoch++
	return t
}

// checkEpoch says whether a request comes from the producer of now.
func (t *transactional) checkEpoch(epoch int32) error {
	if epoch != t.epoch {
		return fmt.Errorf("transactional id %q: another producer has taken over, or the transaction took too long: %w", t.id, weir.ErrFenced)
	}
	return nil
}

// begin opens a transaction unless one is open.
func (t *transactional) begin() {
	if t.open {
		return
	}
	t.settle() // a cluster lets the producer wait until the last one is through
	t.open, t.started = true, t.broker.clock.Now()
}

// join notes that the open transaction has records in a partition, from first on at the earliest.
func (t *transactional) join(p *partition, first int64) {
	if !slices.Contains(t.partitions, p) {
		t.partitions = append(t.partitions, p)
		p.beginTransaction(t.producer, first)
	}
}

// addOffsets adds offsets to the transaction if they come from a member of the group as it is.
func (t *transactional) addOffsets(epoch int32, from broker.GroupMember, offsets map[broker.TopicPartition]broker.Commit) error {
	if err := t.checkEpoch(epoch); err != nil {
		return err
	}
	g := t.broker.groups[from.Group]
	if g == nil {
		return fmt.Errorf("group %q has no members: %w: %w", from.Group, broker.ErrAborted, weir.ErrFenced)
	}
	g.tick(t.broker.clock.Now())
	m, err := g.find(from)
	if err != nil {
		return fmt.Errorf("group %q: %w: %w: %w", from.Group, err, broker.ErrAborted, weir.ErrFenced)
	}
	if err := m.checkOffsets(offsets); err != nil {
		return fmt.Errorf("group %q: %w", from.Group, err)
	}
	t.begin()
	if t.offsets == nil {
		t.offsets = map[string]map[broker.TopicPartition]broker.Commit{}
	}
	if t.offsets[from.Group] == nil {
		t.offsets[from.Group] = map[broker.TopicPartition]broker.Commit{}
	}
	maps.Copy(t.offsets[from.Group], offsets)
	return nil
}

// finish ends the transaction for its producer, and returns the epoch of the next one.
func (t *transactional) finish(epoch int32, commit bool) (int32, error) {
	if !t.open && epoch == t.ended && epoch == t.epoch-1 && commit == t.committed {
		return t.epoch, nil
	}
	if err := t.checkEpoch(epoch); err != nil {
		return epoch, err
	}
	if t.open {
		t.end(commit)
	}
	t.ended, t.committed = epoch, commit
	t.epoch++
	return t.epoch, nil
}

// expire aborts a transaction that is open for too long, and fences its producer.
func (t *transactional) expire() {
	t.end(false)
	t.epoch++
}

// end decides on the open transaction.
func (t *transactional) end(commit bool) {
	now := t.broker.clock.Now()
	for _, p := range t.partitions {
		due := now
		if t.broker.MarkerDelay != nil {
			due = now.Add(t.broker.MarkerDelay(p.TopicPartition))
		}
		t.markers = append(t.markers, marker{partition: p, producer: t.producer, commit: commit, due: due})
	}
	if commit {
		for group, offsets := range t.offsets {
			maps.Copy(t.broker.groups[group].offsets, offsets)
		}
	}
	t.open, t.partitions, t.offsets = false, nil, nil
	t.deliver(now)
}

// deliver writes the markers that have arrived.
func (t *transactional) deliver(now time.Time) {
	t.markers = slices.DeleteFunc(t.markers, func(m marker) bool {
		if now.Before(m.due) {
			return false
		}
		m.mark(m.producer, m.commit)
		return true
	})
}

// settle writes the markers that are still under way.
func (t *transactional) settle() {
	for _, m := range t.markers {
		m.mark(m.producer, m.commit)
	}
	t.markers = nil
}

// deadline returns when the open transaction has taken too long.
func (t *transactional) deadline() time.Time { return t.started.Add(t.timeout) }

// tickTransactions applies all due events to transactions.
func (b *Broker) tickTransactions() {
	if len(b.transactional) == 0 || b.down {
		return
	}
	now := b.clock.Now()
	for _, id := range slices.Sorted(maps.Keys(b.transactional)) {
		t := b.transactional[id]
		t.deliver(now)
		if t.open && !now.Before(t.deadline()) {
			t.expire()
		}
	}
}

// pending returns an open transaction with offsets of a group's partitions, or nil.
func (b *Broker) pending(group string, tps []broker.TopicPartition) *transactional {
	for _, id := range slices.Sorted(maps.Keys(b.transactional)) {
		t := b.transactional[id]
		for _, tp := range tps {
			if _, ok := t.offsets[group][tp]; ok {
				return t
			}
		}
	}
	return nil
}
