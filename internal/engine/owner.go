package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/offsets"
	"github.com/weirstreams/weir/internal/state"
)

// epoch identifies the owner that wrote a record of a changelog. At least once nothing keeps a process that has lost a task, and does
// not know it, from appending to the task's changelogs. So each owner begins with a claim: a record with its epoch, which
// is greater than that of all owners before. Then it restores the state, up to its claim. Records behind the claim with
// a lesser epoch do not count.
//
//	term        4 bytes  how often the group has begun anew to count generations
//	generation  4 bytes  of the group, when the task was assigned
//	stamp       8 bytes  the time of that in nanoseconds: a static member can take another's place within a generation
//
// Exactly once, transactions do the same. Their records have no epoch, and all of them count.
type epoch [16]byte

const (
	// ownerHeader is the header of a changelog record that holds an epoch.
	ownerHeader = "__owner__"
	// claimKey is the key of claims. It is in no store but by an accident that we rule out.
	claimKey = "\x00\xff__weir_owner_of_the_task__\xff\x00"
)

func newEpoch(term uint32, generation int32, at time.Time) (e epoch) {
	binary.BigEndian.PutUint32(e[:], term)
	binary.BigEndian.PutUint32(e[4:], uint32(generation))
	binary.BigEndian.PutUint64(e[8:], uint64(at.UnixNano()))
	return e
}

// String returns the epoch in an order-preserving form.
func (e epoch) String() string { return hex.EncodeToString(e[:]) }

func (e epoch) term() uint32 { return binary.BigEndian.Uint32(e[:]) }

// withTerm returns the epoch of the same owner in another term.
func (e epoch) withTerm(term uint32) epoch {
	binary.BigEndian.PutUint32(e[:], term)
	return e
}

func (e epoch) before(other epoch) bool { return bytes.Compare(e[:], other[:]) < 0 }

// epochOf returns the epoch of a changelog record; zero, which is before all others, if it has none.
func epochOf(r *broker.Record) (e epoch, err error) {
	for i := range r.Headers {
		if h := &r.Headers[i]; h.Key == ownerHeader {
			if len(h.Value) != len(e) {
				return e, fmt.Errorf("header %s: %d bytes, want %d", ownerHeader, len(h.Value), len(e))
			}
			copy(e[:], h.Value)
		}
	}
	return e, nil
}

// claimTasks makes this process the owner of those tasks that are restored up to the former ends of the changelogs. Records since
// then lie before the claim, and are restored too.
func (w *Worker) claimTasks(ctx context.Context) (err error) {
	if !w.claiming {
		return nil
	}
	w.claiming = false
	var claiming []*task
	for _, t := range w.sortedTasks() {
		if t.unclaimed {
			claiming = append(claiming, t)
		}
	}
	defer func() {
		if err == nil {
			return
		}
		w.claiming = true // if the worker goes on
		for _, t := range claiming {
			if t.state == restoring && len(t.restores) == 0 {
				t.unclaimed, t.claimed = true, false
			}
		}
	}()
	for _, t := range claiming {
		if err := w.sendClaims(ctx, t); err != nil {
			return fmt.Errorf("task %s: claim: %w", t.name, err)
		}
	}
	if err := w.send(); err != nil {
		return fmt.Errorf("claim: %w", err)
	}
	if err := w.producer.Flush(ctx); err != nil {
		return fmt.Errorf("claim: %w", err)
	}
	for _, t := range claiming {
		if err := w.restoreToClaims(ctx, t); err != nil {
			return fmt.Errorf("task %s: claim: %w", t.name, err)
		}
	}
	return nil
}

// sendClaims chooses the epoch of a task, and appends a claim to each changelog.
func (w *Worker) sendClaims(ctx context.Context, t *task) error {
	var last epoch
	for i := range t.stores {
		if s := &t.stores[i]; last.before(s.seen) {
			last = s.seen
		}
	}
	t.epoch = t.assigned.withTerm(last.term())
	if !last.before(t.epoch) {
		// Either somebody owns the task by now, or this is an owner that begins anew, or the group has.
		if err := w.confirm(ctx, t); err != nil {
			return err
		}
		t.epoch = t.assigned.withTerm(last.term() + 1)
	}
	t.claimed, t.unclaimed = true, false
	claim := broker.Record{
		Key: []byte(claimKey), Value: t.epoch[:], Headers: []header{{Key: ownerHeader, Value: t.epoch[:]}},
		Millis: w.config.Clock.Now().UnixMilli(),
	}
	for i := range t.stores {
		if err := t.stores[i].changelog.Append(t.id.Partition, &claim); err != nil {
			return err
		}
	}
	return nil
}

// confirm asks the group whether this process owns a task, by repeating the committed offsets.
func (w *Worker) confirm(ctx context.Context, t *task) error {
	repeated := map[broker.TopicPartition]int64{}
	inputs := t.inputPartitions()
	earliest, ends, err := offsets.Bounds(ctx, w.cluster, inputs...)
	if err != nil {
		return err
	}
	w.place(t)
	for _, tp := range inputs {
		offset, ok := t.positions[tp.Topic]
		if t.uncommitted[tp.Topic] {
			t.metadata[tp.Topic] = t.note(tp.Topic).Encode()
		}
		if !ok {
			if offset, err = w.firstOffset(ctx, t, tp, earliest[tp], ends[tp]); err != nil {
				return err
			}
			t.positions[tp.Topic] = offset
		}
		repeated[tp] = offset
	}
	err = w.group.Commit(ctx, repeated, commitMetadata(t))
	if errors.Is(err, weir.ErrFenced) {
		return w.forsake(err)
	}
	return err
}

// restoreToClaims goes on with the restore up to the claims of a task.
func (w *Worker) restoreToClaims(ctx context.Context, t *task) error {
	for i := range t.stores {
		s := &t.stores[i]
		tp := broker.TopicPartition{Topic: s.Changelog, Partition: t.id.Partition}
		offset, ok := w.producer.LastOffset(tp)
		if !ok {
			return fmt.Errorf("%s: records were acknowledged without an offset", tp)
		}
		r := s.restore
		if r.end = offset + 1; r.position < offset {
			t.restores[tp.Topic] = r
			w.route[tp] = t
			w.fetcher.Start(tp, r.position)
			continue
		}
		s.seen, r.position = t.epoch, r.end
		if err := t.write(r, w.config.LoadRecords); err != nil {
			return err
		}
	}
	if len(t.restores) == 0 {
		return w.restored(ctx, t)
	}
	return nil
}

// owned reports whether a task is claimed, and nobody has claimed it since. If somebody has, either the task is theirs by
// now, or they have lost it and been late; then it is claimed again, if the group says so.
func (t *task) owned() bool {
	for i := range t.stores {
		if t.epoch.before(t.stores[i].seen) {
			t.claimed = false
		}
	}
	return t.claimed
}

// strangersInterval is how often the changelogs of tasks that write nothing are compared with their known ends.
const strangersInterval = time.Minute

// lookForStrangers finds out whether another process has written to the changelogs of tasks. Its records do not count,
// but compaction would let them replace valid ones, in the long run. So the task is opened anew, and takes it back.
func (w *Worker) lookForStrangers(ctx context.Context) error {
	if now := w.config.Clock.Now(); !w.config.ExactlyOnce && now.Sub(w.looked) >= strangersInterval {
		w.looked = now
		if err := w.compareEnds(ctx); err != nil {
			return err
		}
	}
	if !w.strangers || w.heldBack() {
		return nil
	}
	for _, t := range w.sortedTasks() {
		if t.state == running && t.strangers {
			w.config.Logger.Warn("another process has written to the changelogs of a task; that is taken back", "task", t.name)
			if t.changed {
				if err := w.Checkpoint(ctx); err != nil {
					return err
				}
			}
			if err := w.reopen(t); err != nil {
				return err
			}
		}
	}
	w.strangers = false
	return nil
}

// compareEnds compares the ends of changelogs with the positions of tasks that write nothing now.
func (w *Worker) compareEnds(ctx context.Context) error {
	var idle []*task
	var changelogs []broker.TopicPartition
	for _, t := range w.sortedTasks() {
		if t.state != running || t.changed {
			continue
		}
		idle = append(idle, t)
		for i := range t.stores {
			changelogs = append(changelogs, broker.TopicPartition{Topic: t.stores[i].Changelog, Partition: t.id.Partition})
		}
	}
	if len(changelogs) == 0 {
		return nil
	}
	ends, err := w.cluster.Offsets(ctx, broker.Latest, changelogs...)
	if errors.Is(err, weir.ErrUnavailable) {
		return nil // there is time
	}
	if err != nil {
		return fmt.Errorf("changelogs: %w", err)
	}
	for _, t := range idle {
		for i := range t.stores {
			if s := &t.stores[i]; ends[broker.TopicPartition{Topic: s.Changelog, Partition: t.id.Partition}] > s.position {
				t.strangers, w.strangers = true, true
			}
		}
	}
	return nil
}

// advancePosition moves a store's position in its changelog past the records of the checkpoint, unless other processes have
// written in between.
func (s *taskStore) advancePosition(batch state.Batch, last int64, exactlyOnce bool) (alone bool, err error) {
	alone = exactlyOnce || last == s.position+s.appended-1
	s.appended = 0
	if !alone {
		return false, nil // so that the next restore meets them
	}
	s.position = last + 1
	if s.tookBack { // the epoch in the database belongs to the position before
		if err := batch.Set(metaKey('e', s.Name), s.seen[:]); err != nil {
			return true, err
		}
	}
	return true, setOffset(batch, changelogOffset, s.Name, s.position)
}

// changelogHeaders returns the headers of the records of one checkpoint.
func (t *task) changelogHeaders(positions map[string]int64) []header {
	headers := encodeProcessed(positions, t.topicIDs)
	if t.epoch != (epoch{}) {
		headers = append(headers, header{Key: ownerHeader, Value: bytes.Clone(t.epoch[:])})
	}
	return headers
}
