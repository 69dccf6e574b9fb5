package simbroker

import (
	"fmt"
	"maps"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/topicsetting"
)

// The methods in this file are for tests. They are not calls of a client: [Broker.OnCall] does not see them.

// CreateTopic creates a topic. One that exists is left as it is.
func (b *Broker) CreateTopic(spec broker.TopicSpec) error {
	return b.locked(func() error { return b.createTopic(spec) })
}

// TopicNames returns the names of all topics, sorted.
func (b *Broker) TopicNames() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.topics))
}

// TopicID returns the id of a topic, or nothing if it does not exist.
func (b *Broker) TopicID(name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.topics[name]; t != nil {
		return t.id
	}
	return ""
}

// Append appends a copy of records to tp, as one batch.
func (b *Broker) Append(tp broker.TopicPartition, records ...broker.Record) error {
	return b.locked(func() error {
		p, err := b.partition(tp)
		if err == nil {
			err = p.check(records, b.clock.Now())
		}
		if err != nil {
			return fmt.Errorf("append: %w", err)
		}
		if len(records) > 0 {
			p.append(records, unknownSource, b.clock.Now())
		}
		return nil
	})
}

// Read returns copies of all committed records of tp from an offset on; none if tp does not exist.
func (b *Broker) Read(tp broker.TopicPartition, from int64) []broker.Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tickTransactions()
	p, err := b.partition(tp)
	if err != nil {
		return nil
	}
	records, _ := p.read(from, int(p.end))
	copied, _ := copyRecords(records)
	return copied
}

// Committed returns all offsets that a group has committed.
func (b *Broker) Committed(group string) map[broker.TopicPartition]int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tickTransactions()
	if g := b.groups[group]; g != nil {
		return broker.Offsets(g.offsets)
	}
	return map[broker.TopicPartition]int64{}
}

// Commit returns what a group has committed for a partition, or false.
func (b *Broker) Commit(group string, tp broker.TopicPartition) (commit broker.Commit, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tickTransactions()
	if g := b.groups[group]; g != nil {
		commit, ok = g.offsets[tp]
	}
	return commit, ok
}

// IsCut reports whether the log of tp was truncated in front of the offset that a group has committed.
func (b *Broker) IsCut(group string, tp broker.TopicPartition) bool {
	commit, ok := b.Commit(group, tp)
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := b.partition(tp)
	if err != nil || !ok || commit.LeaderEpoch < 0 {
		return false
	}
	end, ok := p.epochEnd(commit.LeaderEpoch)
	return ok && end < commit.Offset
}

// Configure changes a setting of a topic.
func (b *Broker) Configure(topic, setting, value string) error {
	return b.locked(func() error { return b.configure(topic, setting, value) })
}

func (b *Broker) configure(topic, setting, value string) error {
	t := b.topics[topic]
	if t == nil {
		return fmt.Errorf("configure %q: %w", topic, weir.ErrUnknownTopic)
	}
	if err := topicsetting.Check(setting, value); err != nil {
		return fmt.Errorf("configure %q: %s: %w", topic, setting, err)
	}
	t.config[setting] = value
	return nil
}

// Compact compacts all partitions of a topic with a cleanup.policy of compact: the last record of each key stays, at its
// offset, and records younger than min.compaction.lag.ms are left alone. A tombstone stays through the first Compact that
// meets it and goes with the first that comes delete.retention.ms after that one. Unlike a broker it has no active segment,
// which a broker does not compact.
func (b *Broker) Compact(topic string) error {
	return b.locked(func() error {
		t := b.topics[topic]
		if t == nil {
			return fmt.Errorf("compact %q: %w", topic, weir.ErrUnknownTopic)
		}
		if !t.compacted() {
			return fmt.Errorf("compact %q: its cleanup.policy is %q", topic, t.config["cleanup.policy"])
		}
		for _, p := range t.partitions {
			p.compact(b.clock.Now())
		}
		return nil
	})
}

// DeleteRecords makes before the first offset that tp retains; -1 deletes all that is committed.
func (b *Broker) DeleteRecords(tp broker.TopicPartition, before int64) error {
	return b.locked(func() error {
		p, err := b.partition(tp)
		if err != nil {
			return fmt.Errorf("delete records: %w", err)
		}
		if err := p.deleteBefore(before); err != nil {
			return fmt.Errorf("delete records of %s: %w", tp, err)
		}
		return nil
	})
}

// Truncate makes end the end of tp, as the unclean election of a leader does that lacks the records from there on.
func (b *Broker) Truncate(tp broker.TopicPartition, end int64) error {
	return b.locked(func() error {
		p, err := b.partition(tp)
		if err != nil {
			return fmt.Errorf("truncate: %w", err)
		}
		if err := p.truncate(end); err != nil {
			return fmt.Errorf("truncate %s: %w", tp, err)
		}
		return nil
	})
}

// Elect begins a new leader epoch of tp, with all records.
func (b *Broker) Elect(tp broker.TopicPartition) error {
	return b.locked(func() error {
		p, err := b.partition(tp)
		if err != nil {
			return fmt.Errorf("elect: %w", err)
		}
		p.elect()
		return nil
	})
}

// Forget forgets the offsets that a group has committed for some topics, or for all if none is named.
func (b *Broker) Forget(group string, topics ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if g := b.groups[group]; g != nil {
		maps.DeleteFunc(g.offsets, func(tp broker.TopicPartition, _ broker.Commit) bool {
			return len(topics) == 0 || slices.Contains(topics, tp.Topic)
		})
	}
}

// DeleteTopic deletes a topic. Groups hear nothing of it: on a cluster that takes them minutes.
func (b *Broker) DeleteTopic(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.topics, name)
}

// Unreleased returns how many batches were fetched and not released.
func (b *Broker) Unreleased() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.unreleased
}

// Kill ends a membership, producer or fetcher as a crash of its process does: nobody hears of it, the group waits for
// the session to end, and a transaction stays open until its time is up or another producer takes the id over. Later
// calls of the client fail. A process that is only slow needs no Kill: it makes no calls for a while.
func (b *Broker) Kill(client any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch client := client.(type) {
	case *membership:
		client.err = errClosed
	case *producer:
		client.closed.Store(true)
	case *fetcher:
		client.closed.Store(true)
	default:
		panic(fmt.Sprintf("simbroker: Kill of a %T", client))
	}
}
