package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/backoff"
	"github.com/weirstreams/weir/internal/broker"
)

// follower reads the topic. Its methods are called by Open's goroutine, then by one of its own, but for trouble and status.
type follower struct {
	*Configurations
	cluster   broker.Cluster
	fetcher   broker.Fetcher
	positions map[broker.TopicPartition]position

	mu      sync.Mutex // guards what follows
	since   time.Time  // of failure
	failure error      // why the topic cannot be followed
	seen    Status     // Records, Skipped and Lag
}

// position is how far a partition was read, and where it ends.
type position struct{ next, end int64 }

// pollTime is how long to wait for records at a time.
const pollTime = 100 * time.Millisecond

// load reads the topic from the beginning to where it ends now, into a new table.
func (f *follower) load(ctx context.Context, progress func(Progress)) error {
	if err := f.stop(); err != nil {
		return err
	}
	ctx, done := f.whileReachable(ctx)
	defer done()
	tps, err := f.partitions(ctx)
	if err != nil {
		return err
	}
	first, err := f.cluster.Offsets(ctx, broker.Earliest, tps...)
	if err != nil {
		return withCause(ctx, err)
	}
	end, err := f.cluster.Offsets(ctx, broker.End, tps...)
	if err != nil {
		return withCause(ctx, err)
	}
	if f.fetcher, err = f.cluster.NewFetcher(broker.FetcherConfig{}); err != nil {
		return err
	}
	f.positions = make(map[broker.TopicPartition]position, len(tps))
	report := &Progress{Partitions: len(tps)}
	for _, tp := range tps {
		f.positions[tp] = position{first[tp], end[tp]}
		f.fetcher.Start(tp, first[tp])
		report.Left += end[tp] - first[tp]
		if first[tp] >= end[tp] {
			report.Done++
		}
	}
	f.mu.Lock()
	f.seen = Status{}
	f.mu.Unlock()
	t := newTable(f.table.Load())
	began, told := time.Now(), time.Now()
	for report.Done < report.Partitions {
		batch, err := f.fetcher.Poll(ctx, pollTime)
		if err != nil {
			return fmt.Errorf("%w, with %d offsets left of %d of %d partitions", withCause(ctx, err), report.Left,
				report.Partitions-report.Done, report.Partitions)
		}
		if batch != nil {
			tp := batch.TopicPartition
			before, left := f.positions[tp].next, end[tp]-f.positions[tp].next
			report.Records += int64(len(batch.Records))
			f.take(t, batch)
			if left > 0 {
				now := f.positions[tp].next
				report.Left -= min(now-before, left)
				if now >= end[tp] {
					report.Done++
				}
			}
		}
		if progress != nil && time.Since(told) > time.Second {
			told = time.Now()
			progress(*report)
		}
	}
	if progress != nil {
		progress(*report)
	}
	t.old = nil
	if old := f.table.Swap(t); old != nil {
		old.retire()
	}
	configurations, versions := t.size()
	f.config.Logger.Info("configurations: read the configurations", "topic", f.config.Topic, "records", report.Records,
		"configurations", configurations, "versions", versions, "took", time.Since(began))
	return nil
}

// partitions returns those of the topic.
func (f *follower) partitions(ctx context.Context) ([]broker.TopicPartition, error) {
	topics, err := f.cluster.Topics(ctx, f.config.Topic)
	if err != nil {
		return nil, withCause(ctx, err)
	}
	info, ok := topics[f.config.Topic]
	if !ok {
		return nil, weir.ErrUnknownTopic
	}
	tps := make([]broker.TopicPartition, info.Partitions)
	for i := range tps {
		tps[i] = broker.TopicPartition{Topic: f.config.Topic, Partition: int32(i)}
	}
	return tps, nil
}

// take applies the events of a batch and releases it.
func (f *follower) take(t *table, b *broker.Batch) {
	defer b.Release()
	var skipped int64
	for i := range b.Records {
		r := &b.Records[i]
		if r.Value == nil {
			continue
		}
		log := func(level slog.Level, message string, more ...any) {
			where := []any{"topic", b.Topic, "partition", b.Partition, "offset", r.Offset, "key", string(r.Key)}
			f.config.Logger.Log(context.Background(), level, "configurations: "+message, append(where, more...)...)
		}
		e, err := decodeEvent(r.Value, b.Partition, r.Offset)
		if err != nil {
			skipped++
			log(slog.LevelError, "skipped an event that cannot be understood", "error", err)
			continue
		}
		if !e.deleted && e.id != idOf(e.kind, e.key) {
			log(slog.LevelWarn, "the id of an event is not that of its type and key", "type", e.kind, "target_key", e.key)
		}
		dropped, err := t.apply(e)
		if err != nil {
			log(slog.LevelWarn, "an event means nothing", "error", err)
		}
		if dropped != nil {
			f.contents.drop(dropped)
		}
	}
	f.positions[b.TopicPartition] = position{b.NextOffset, max(b.EndOffset, b.NextOffset)}
	var lag int64
	for _, p := range f.positions {
		lag += p.end - p.next
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen.Records += int64(len(b.Records))
	f.seen.Skipped += skipped
	f.seen.Lag = lag
}

// reloads has the waits before the topic is read from the beginning again.
var reloads = backoff.Policy{Base: time.Second, Max: time.Minute}

// run follows the topic until ctx ends. After an error, which it records, it begins anew.
func (f *follower) run(ctx context.Context) {
	for {
		err := f.follow(ctx)
		for failures := 1; ctx.Err() == nil && err != nil; failures++ {
			pause := reloads.Wait(failures)
			f.fail(time.Now(), err)
			f.config.Logger.Error("configurations: cannot follow the topic, reading it again from the beginning",
				"topic", f.config.Topic, "error", err, "in", pause)
			if backoff.Sleep(ctx, pause) == nil {
				err = f.load(ctx, nil)
			}
		}
		if ctx.Err() != nil {
			return
		}
		f.recover()
	}
}

// follow applies events until an error that needs the topic to be read from its beginning.
func (f *follower) follow(ctx context.Context) error {
	for looked := time.Now(); ; {
		batch, err := f.fetcher.Poll(ctx, pollTime)
		if err != nil {
			return err
		}
		if batch != nil {
			f.take(f.table.Load(), batch)
		}
		if since, ok := f.cluster.Unreachable(); ok {
			f.fail(since, weir.ErrUnavailable)
			continue
		}
		if time.Since(looked) > f.config.refresh {
			looked = time.Now()
			err = f.look(ctx)
			if err != nil && !errors.Is(err, weir.ErrUnavailable) {
				return err
			}
		}
		if err == nil {
			f.recover()
		}
	}
}

// look looks whether the topic is still there, and begins to read partitions that it did not have before.
func (f *follower) look(ctx context.Context) error {
	tps, err := f.partitions(ctx)
	if err != nil {
		return err
	}
	if len(tps) < len(f.positions) {
		return fmt.Errorf("the topic has %d partitions, and had %d", len(tps), len(f.positions))
	}
	added := tps[len(f.positions):]
	if len(added) == 0 {
		return nil
	}
	first, err := f.cluster.Offsets(ctx, broker.Earliest, added...)
	if err != nil {
		return err
	}
	for _, tp := range added {
		f.positions[tp] = position{first[tp], first[tp]}
		f.fetcher.Start(tp, first[tp])
	}
	return nil
}

// stop ends reading.
func (f *follower) stop() error {
	if f.fetcher == nil {
		return nil
	}
	err := f.fetcher.Close()
	f.fetcher = nil
	return err
}

// whileReachable returns a context that ends when the cluster has been out of reach for Config.BrokerTimeout.
func (f *follower) whileReachable(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		for tick := time.Tick(pollTime); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick:
			}
			since, ok := f.cluster.Unreachable()
			if limit := f.config.BrokerTimeout; ok && limit > 0 && time.Since(since) > limit {
				cancel(fmt.Errorf("%w for %v", weir.ErrUnavailable, limit))
			}
		}
	})
	return ctx, func() {
		cancel(nil)
		watch.Wait()
	}
}

// withCause adds the cause of a context's end to an error that comes from it.
func withCause(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return context.Cause(ctx)
	}
	return err
}

// fail notes why the topic cannot be followed.
func (f *follower) fail(since time.Time, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failure == nil {
		f.since = since
	}
	f.failure = err
}

func (f *follower) recover() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failure = nil
}

// trouble returns why the topic cannot be followed, and since when. Any goroutine may call it.
func (f *follower) trouble() (time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.since, f.failure
}

// status returns Records, Skipped and Lag. Any goroutine may call it.
func (f *follower) status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}
