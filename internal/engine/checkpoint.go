package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/state"
)

// Checkpoint makes all processed records count. Operators emit held-back results first, then sinks are flushed.
// Then, at least once:
//
//  1. Changes in the stores are encoded and appended to the changelogs, with the offsets that they reflect.
//  2. All output and all changelog records are acknowledged.
//  3. The offsets are committed.
//  4. One batch per task writes the state, the changelog's position and the offsets to the database.
//
// A crash before 3 leaves changelog records behind with uncommitted offsets; a restore skips them. A crash
// between 3 and 4 leaves the database behind; a restore catches up from the changelog.
//
// Exactly once, output, changelog records and offsets belong to one transaction, and 2 and 3 are its commit. A crash
// before it leaves nothing that anybody can see.
//
// An error that gate.IsPressure says that a sink takes no more, or that a lookup cannot be asked: nothing is lost, and the
// checkpoint can be made later.
//
// errTasksLost says that the group has given the partitions away: the tasks are closed, nothing since the last checkpoint
// counts, and the worker can go on with new tasks. After any other error the worker has to be rewound, or is lost.
func (w *Worker) Checkpoint(ctx context.Context) error {
	w.running = ctx
	var changed []*task
	for _, t := range w.sortedTasks() {
		if t.changed {
			changed = append(changed, t)
		}
	}
	defer func() { w.records, w.checkpointed = 0, w.config.Clock.Now() }()
	if len(changed) == 0 {
		w.uncommitted = 0
		return nil
	}
	if err := w.checkDamage(); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := w.awaitCommits(ctx, changed); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	defer w.landing(changed)()
	for _, t := range changed {
		t.written.Reset()
		if err := t.settle(w.onError); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		if err := t.beforeCheckpoint(); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	if err := w.flushSinks(ctx, changed); err != nil {
		return err
	}
	batches := make([]state.Batch, len(changed))
	defer func() {
		for _, b := range batches {
			if b != nil {
				_ = b.Close() // nothing depends on it: it was committed, or is not to be
			}
		}
	}()
	if err := w.flush(ctx, changed, batches); err != nil {
		return err
	}
	if err := w.send(ctx); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	offsets := map[broker.TopicPartition]int64{}
	for _, t := range changed {
		for topic, offset := range t.positions {
			offsets[broker.TopicPartition{Topic: topic, Partition: t.id.Partition}] = offset
		}
	}
	if err := w.commit(ctx, changed, offsets); err != nil {
		return err
	}
	w.membership.accepted()
	for i, t := range changed {
		if err := w.commitState(t, batches[i]); err != nil {
			return fmt.Errorf("checkpoint: task %s: write state: %w", t.name, err)
		}
		w.countOutputs(t)
		t.feedsCommitted()
	}
	if w.uncommitted > 0 { // else it was of what no record has caused
		w.search.Accepted()
	}
	w.uncommitted = 0
	w.forgetSkips()
	w.endOutages()
	w.gate.Checkpointed()
	return w.commitPrepared(ctx)
}

// commit is steps 2 and 3 of a checkpoint. Changes in stores without a changelog are written ahead of the offsets.
func (w *Worker) commit(ctx context.Context, tasks []*task, offsets map[broker.TopicPartition]int64) error {
	if w.config.ExactlyOnce {
		if err := w.writeAhead(tasks); err != nil {
			return err
		}
		if err := w.producer.Commit(ctx, w.group.Member(), offsets, commitMetadata(tasks...)); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		return nil
	}
	if err := w.producer.Flush(ctx); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := w.writeAhead(tasks); err != nil {
		return err
	}
	err := w.group.Commit(ctx, offsets, commitMetadata(tasks...))
	if errors.Is(err, weir.ErrFenced) {
		return w.loseTasks(err)
	}
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// flush appends the changes in the stores of tasks to the changelogs and to batches.
//
// At least once, changes made by timers carry no input offset, so a restore always applies them, also if the checkpoint is
// never completed. So their output is acknowledged before their changes of state are, and
// those before the timers and waiting records that have caused them are deleted (state.Cause). Then it happens again after a crash, and is not lost.
func (w *Worker) flush(ctx context.Context, tasks []*task, batches []state.Batch) error {
	causeless := func(t *task) bool { return !w.config.ExactlyOnce && maps.Equal(t.positions, t.committed) }
	acknowledged := func() error {
		err := w.send(ctx)
		if err == nil {
			err = w.producer.Flush(ctx)
		}
		if err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		return nil
	}
	now := w.config.Clock.Now().UnixMilli()
	if slices.ContainsFunc(tasks, causeless) {
		if err := acknowledged(); err != nil {
			return err
		}
	}
	for i, t := range tasks {
		if t.database == nil {
			continue
		}
		batches[i] = t.database.Backend.NewBatch()
		all := !causeless(t)
		if err := t.flush(batches[i], now, func(s taskStore) bool { return all || !isCause(s) }); err != nil {
			return fmt.Errorf("checkpoint: task %s: %w", t.name, err)
		}
	}
	// Then the causes, those that come last in the topology first: a cause may have changed the next one.
	for level := 0; ; level++ {
		begun := false
		for i, t := range tasks {
			if !causeless(t) || batches[i] == nil {
				continue
			}
			causes := t.causes()
			if level >= len(causes) {
				continue
			}
			if !begun {
				begun = true
				if err := acknowledged(); err != nil {
					return err
				}
			}
			if err := t.flush(batches[i], now, func(s taskStore) bool { return s.opened == causes[level] }); err != nil {
				return fmt.Errorf("checkpoint: task %s: %w", t.name, err)
			}
		}
		if !begun {
			return nil
		}
	}
}

// isCause reports whether the entries of a store cause other changes.
func isCause(s taskStore) bool {
	cause, ok := s.store.(state.Cause)
	return ok && cause.WrittenLast()
}

// causes returns the causes among the stores, in the order of their opening: from the end of the topology on.
func (t *task) causes() (opened []int) {
	for _, stores := range [][]taskStore{t.stores, t.unlogged} {
		for _, s := range stores {
			if isCause(s) {
				opened = append(opened, s.opened)
			}
		}
	}
	slices.Sort(opened)
	return opened
}

// flush appends the changes in some stores to the changelogs and to the batch. Changelog records carry the time of now, in
// milliseconds.
func (t *task) flush(batch state.Batch, now int64, which func(taskStore) bool) error {
	record := broker.Record{Headers: t.changelogHeaders(t.positions), Millis: now}
	var key []byte
	for i := range t.stores {
		s := &t.stores[i]
		if !which(*s) {
			continue
		}
		s.flushed, s.largest = false, 0
		emit := func(k, v []byte) error {
			s.flushed = true
			s.appended++
			record.Key, record.Value = k, v
			if n := len(k) + len(v); n > s.largest {
				s.largest, s.largestKey = n, append(s.largestKey[:0], k...)
			}
			if err := s.changelog.Append(t.id.Partition, &record); err != nil {
				if refused, ok := errors.AsType[*weir.ProduceError](err); ok {
					err = &weir.StateError{Store: s.Name, Key: bytes.Clone(k), Size: len(k) + len(v), Err: refused}
				}
				return err
			}
			key = append(append(key[:0], s.prefix...), k...)
			if v == nil {
				return batch.Delete(key)
			}
			return batch.Set(key, v)
		}
		if err := t.flushStanding(s, batch, now); err != nil {
			return err
		}
		if _, ok := s.store.(*state.Tokens); t.emptying && !ok { // committed checkpoints of sinks count
			if err := s.empty(t.database.Backend, emit); err != nil {
				return err
			}
		}
		if err := s.store.Flush(emit); err != nil {
			return err
		}
	}
	return t.flushUnlogged(batch, which)
}

// syncInterval is how often checkpoints of one task are made durable at most. It bounds the part of the changelog that is read
// after a crash, and the time spent on waiting for the disk where checkpoints are frequent.
const syncInterval = time.Second

// commitState writes a task's batch, and the offsets that it reflects, to the database.
func (w *Worker) commitState(t *task, batch state.Batch) error {
	t.changed, t.emptying = false, false
	t.committed = maps.Clone(t.positions)
	if batch == nil {
		return nil
	}
	for i := range t.stores {
		s := &t.stores[i]
		if !s.flushed && !s.tookBack {
			continue
		}
		tp := broker.TopicPartition{Topic: s.Changelog, Partition: t.id.Partition}
		last, ok := w.producer.LastOffset(tp)
		if !ok {
			return fmt.Errorf("%s: records were acknowledged without an offset", tp)
		}
		alone, err := s.advancePosition(batch, last, w.config.ExactlyOnce)
		if err != nil {
			return err
		}
		if !alone {
			t.strangers, w.strangers = true, true
		}
	}
	for topic, offset := range t.positions {
		if err := database.SetOffset(batch, database.InputOffset, topic, offset); err != nil {
			return err
		}
		if id := t.topicIDs[topic]; id != "" && !t.idsWritten {
			if err := batch.Set(database.MetaKey(database.TopicIDRow, topic), []byte(id)); err != nil {
				return err
			}
		}
	}
	if len(t.unlogged) > 0 {
		t.kept = w.keptNow(t)
		if err := database.SetKept(batch, database.KeptRow, t.kept, nil); err != nil {
			return err
		}
	}
	// Unsynced writes lie in the memory of this process for a while, and a kill takes them.
	now := w.config.Clock.Now()
	sync := now.Sub(t.synced) >= syncInterval
	if err := batch.Commit(sync); err != nil {
		return err
	}
	if sync {
		t.synced = now
	}
	t.idsWritten = true
	for i := range t.stores {
		t.stores[i].tookBack = false
		t.stores[i].standing = t.stores[i].flushedStanding
		t.stores[i].store.Committed()
	}
	for i := range t.unlogged {
		t.unlogged[i].store.Committed()
	}
	return nil
}
