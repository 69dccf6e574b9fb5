package simbroker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// defaultBatchRecords is small enough for tests to meet more than one batch.
const defaultBatchRecords = 500

// fetcher reads straight from the logs; nothing is read ahead, so there is nothing to forget when it is told to move.
type fetcher struct {
	broker *Broker
	name   string
	// readings are in the order of their turns; turn is the index of the next.
	readings []*reading
	turn     int
	woken    atomic.Bool
	closed   atomic.Bool
}

type reading struct {
	broker.TopicPartition
	position int64
	paused   bool
	topic    string // the id of the topic when it was read first, empty before
	// epoch is the leader epoch of the log before the position if it is known, and leader the one in which that was compared last.
	epoch, leader int32
}

// NewFetcher implements [broker.Cluster]. The configuration has no effect.
func (b *Broker) NewFetcher(broker.FetcherConfig) (broker.Fetcher, error) {
	f := &fetcher{broker: b}
	err := b.call(context.Background(), Op{Kind: OpNewFetcher}, func() error {
		f.name = b.client("fetcher")
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("new fetcher: %w", err)
	}
	return f, nil
}

func (f *fetcher) find(tp broker.TopicPartition) int {
	return slices.IndexFunc(f.readings, func(r *reading) bool { return r.TopicPartition == tp })
}

// Start leaves a partition that is being read its turn; one that is paused stays so until Resume.
func (f *fetcher) Start(tp broker.TopicPartition, offset int64) {
	f.StartAfter(tp, offset, broker.NoLeaderEpoch)
}

// StartAfter implements [broker.Fetcher].
func (f *fetcher) StartAfter(tp broker.TopicPartition, offset int64, epoch int32) {
	i := f.find(tp)
	if i < 0 {
		i = len(f.readings)
		f.readings = append(f.readings, &reading{TopicPartition: tp})
	}
	r := f.readings[i]
	r.position, r.epoch, r.leader = offset, epoch, broker.NoLeaderEpoch
}

func (f *fetcher) Stop(tp broker.TopicPartition) {
	i := f.find(tp)
	if i < 0 {
		return
	}
	f.readings = slices.Delete(f.readings, i, i+1)
	if i < f.turn {
		f.turn--
	}
}

func (f *fetcher) Pause(tp broker.TopicPartition)  { f.pause(tp, true) }
func (f *fetcher) Resume(tp broker.TopicPartition) { f.pause(tp, false) }

func (f *fetcher) pause(tp broker.TopicPartition, paused bool) {
	if i := f.find(tp); i >= 0 {
		f.readings[i].paused = paused
	}
}

// Wake makes the next Poll return nil, even if there are records.
func (f *fetcher) Wake() { f.woken.Store(true) }

func (f *fetcher) Close() error {
	f.closed.Store(true)
	return nil
}

func (f *fetcher) Poll(ctx context.Context, _ time.Duration) (*broker.Batch, error) {
	if f.closed.Load() {
		return nil, fmt.Errorf("fetch: %w", errClosed)
	}
	if f.woken.Swap(false) {
		return nil, ctx.Err()
	}
	var batch *broker.Batch
	var index int
	err := f.broker.call(ctx, Op{Kind: OpFetch, Client: f.name}, func() (err error) {
		batch, index, err = f.fetch()
		return err
	})
	if outOfRange, ok := errors.AsType[*broker.OffsetOutOfRangeError](err); ok {
		f.Stop(outOfRange.TopicPartition)
	}
	if replaced, ok := errors.AsType[*broker.TopicReplacedError](err); ok {
		f.Stop(replaced.TopicPartition)
	}
	if errors.Is(err, weir.ErrUnavailable) {
		return nil, nil
	}
	if err != nil || batch == nil {
		return nil, err
	}
	// Only now: a response that was lost leaves the position where it was.
	f.readings[index].position, f.readings[index].epoch = batch.NextOffset, batch.LeaderEpoch
	f.turn = index + 1
	f.lend(batch)
	return batch, nil
}

// fetch returns the batch of the first partition in turn that has something, and its index. The records are the log's.
func (f *fetcher) fetch() (*broker.Batch, int, error) {
	limit := f.broker.MaxBatchRecords
	if limit <= 0 {
		limit = defaultBatchRecords
	}
	for i := range f.readings {
		index := (f.turn + i) % len(f.readings)
		r := f.readings[index]
		p, err := f.broker.partition(r.TopicPartition)
		if err != nil || r.paused {
			continue // a topic may still be created
		}
		if r.topic != "" && r.topic != p.topic.id {
			return nil, 0, &broker.TopicReplacedError{TopicPartition: r.TopicPartition, Former: r.topic, ID: p.topic.id}
		}
		r.topic = p.topic.id
		if err := r.compare(p); err != nil {
			return nil, 0, err
		}
		if r.position < p.start || r.position > p.end {
			return nil, 0, &broker.OffsetOutOfRangeError{
				TopicPartition: r.TopicPartition, Offset: r.position, Earliest: p.start, End: p.lastStable(),
			}
		}
		if r.position >= p.lastStable() {
			continue
		}
		records, next := p.read(r.position, limit)
		batch := &broker.Batch{
			TopicPartition: r.TopicPartition, Records: records, NextOffset: next, LeaderEpoch: p.epochBefore(next), EndOffset: p.lastStable(),
		}
		return batch, index, nil
	}
	return nil, 0, nil
}

// compare asks a new leader whether its log holds the records before the position.
func (r *reading) compare(p *partition) error {
	if r.leader == p.leader {
		return nil
	}
	if end, ok := p.epochEnd(r.epoch); r.epoch != broker.NoLeaderEpoch && ok && end < r.position {
		return &broker.TruncatedError{
			OffsetOutOfRangeError: broker.OffsetOutOfRangeError{TopicPartition: r.TopicPartition, Offset: r.position, Earliest: p.start, End: p.lastStable()},
			LeaderEpoch:           r.epoch, Kept: end, KeptEpoch: p.epochBefore(end),
		}
	}
	r.leader = p.leader
	return nil
}

// lend replaces the records of the log by a copy that lasts until Release.
func (f *fetcher) lend(batch *broker.Batch) {
	b := f.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	records, memory := copyRecords(batch.Records)
	batch.Records = records
	b.unreleased++
	released := false
	batch.Release = func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if released {
			panic(fmt.Sprintf("simbroker: batch of %s was released twice", batch.TopicPartition))
		}
		released = true
		b.unreleased--
		poisonRecords(records, memory)
	}
}
