package sourcing

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/inline"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/source"
)

// Store is the name of the store of positions.
const Store = "positions"

// maxEnded is how many splits may be at their ends, and open, before a checkpoint is due: their readers are closed behind it.
const maxEnded = 256

// Slot reads the splits of a source that belong to one task. It is an [operator.Feed].
type Slot[K, V any] struct {
	env     *operator.Env
	node    int
	from    source.Source[K, V]
	options source.Options
	slots   int32
	task    source.Task
	next    operator.Receiver[K, V]
	store   *positions
	topic   string

	ctx    context.Context
	cancel context.CancelFunc
	// news is set when there may be a batch, splits or a failure that the worker has not seen.
	news    atomic.Bool
	looking *looking[K, V]
	begun   bool
	// lookingDone is closed when the goroutine that looks for splits has ended; nil if there is none.
	lookingDone chan struct{}
	looked      bool

	// open are the splits that are read, and ended how many of them are at their ends. waiting are the others that were found, in order,
	// and known are all of these, and those at their ends.
	open    []*reading[K, V]
	ended   int
	waiting []source.Split
	known   map[string]bool
	// closing are readers that were told to end.
	closing []*reading[K, V]
	turn    int // in open: whose batch is next

	// current is the batch that is being handed on, of is its split, and at the next record.
	current filled[K, V]
	of      *reading[K, V]
	at      int
	out     weir.Record[K, V]

	taken int
	moved bool
	err   error
	// owed is when the records that were handed on are paid for, by the rate that is allowed.
	owed time.Time

	mu     sync.Mutex // guards report
	report source.Status
	rate   meter
}

// New returns the slot of a task. Its operator writes to next, and its store is opened in env.
func New[K, V any](
	env *operator.Env, node int, topic string, from source.Source[K, V], options source.Options, next operator.Receiver[K, V],
) (*Slot[K, V], error) {
	space, err := env.Space(Store)
	if err != nil {
		return nil, fmt.Errorf("open the store of positions: %w", err)
	}
	options = WithDefaults(options, from)
	s := &Slot[K, V]{
		env: env, node: node, from: from, options: options, slots: options.Slots, next: next, topic: topic, store: newPositions(space),
		known: map[string]bool{},
		task: source.Task{
			Application: env.Group, Source: options.Name, Slot: env.Origin.Partition, Now: env.Now,
			Logger: env.Logger.With("source", options.Name, "slot", env.Origin.Partition),
		},
	}
	if s.task.Now == nil {
		s.task.Now = time.Now
	}
	s.report = source.Status{Source: options.Name, Slot: s.task.Slot}
	s.looking = &looking[K, V]{slot: s, finished: map[string]bool{}}
	ctx := env.Context
	if s.inline() {
		ctx = inline.With(ctx)
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	env.Stores = append(env.Stores, s.store)
	env.Feeds = append(env.Feeds, s)
	env.OnRewind = append(env.OnRewind, s.rewound)
	env.OnClose = append(env.OnClose, s.close)
	return s, nil
}

// inline reports whether the worker makes the calls of the source itself.
func (s *Slot[K, V]) inline() bool { return s.env.MayRead != nil }

// wake tells the worker that there is something to do. Any goroutine may call it.
func (s *Slot[K, V]) wake() {
	s.news.Store(true)
	if s.env.Wake != nil && !s.inline() {
		s.env.Wake()
	}
}

// Node implements [operator.Feed].
func (s *Slot[K, V]) Node() int { return s.node }

// Next implements [operator.Feed].
func (s *Slot[K, V]) Next() int64 {
	switch {
	case !s.begun:
		return 0
	case s.inline():
		return s.nextInline()
	case !s.news.Load() && s.rate.stale:
		return s.rate.published.Add(publishInterval).UnixMilli()
	case !s.news.Load():
		return math.MaxInt64
	case s.options.RecordsPerSecond > 0:
		return s.owed.UnixMilli()
	default:
		return 0
	}
}

// Taken implements [operator.Feed].
func (s *Slot[K, V]) Taken() (records int, moved bool) {
	records, moved = s.taken, s.moved
	s.taken, s.moved = 0, false
	return records, moved
}

// Err implements [operator.Feed].
func (s *Slot[K, V]) Err() error { return s.err }

// Settled implements [operator.Feed].
func (s *Slot[K, V]) Settled() bool {
	if !s.looked || s.of != nil || s.news.Load() {
		return false
	}
	for _, r := range s.open {
		if !r.isEmpty() {
			return false
		}
	}
	return true
}

// Full implements [operator.Feed].
func (s *Slot[K, V]) Full() bool { return s.ended >= maxEnded }

// Take implements [operator.Feed].
func (s *Slot[K, V]) Take(limit int) error {
	if !s.begun {
		if err := s.begin(); err != nil {
			return operator.Fatal(err)
		}
	}
	s.news.Store(false)
	if s.inline() {
		s.actInline()
	}
	s.collect()
	for s.err == nil && (s.of != nil || s.taken < limit && s.pick()) {
		if err := s.handOn(); err != nil {
			return err
		}
		s.complete()
	}
	if s.taken >= limit {
		s.news.Store(true) // there may be more
	}
	s.publish()
	return nil
}

// begin reads the positions, and begins to look for splits.
func (s *Slot[K, V]) begin() error {
	if err := s.checkPartitions(); err != nil {
		return err
	}
	if err := s.store.load(); err != nil {
		return err
	}
	for id, r := range s.store.durable {
		if r.finished {
			s.known[id], s.looking.finished[id] = true, true
		}
	}
	s.begun, s.moved = true, true
	if !s.inline() {
		s.lookingDone = make(chan struct{})
		go s.looking.run(s.ctx, s.lookingDone)
	}
	return nil
}

// collect takes over the splits and the failures that goroutines have found, and opens splits.
func (s *Slot[K, V]) collect() {
	if _, _, failed := s.looking.status(); failed != nil {
		s.err = failed
		return
	}
	for _, r := range s.open {
		if _, _, failed := r.status(); failed != nil {
			s.err = failed
			return
		}
	}
	found, news := s.looking.take()
	if !news {
		return
	}
	s.moved = true
	s.looked = true
	var begun []source.Split // which have a position already
	for _, split := range found {
		if s.known[split.ID] {
			continue
		}
		s.known[split.ID] = true
		if _, ok := s.store.get(split.ID); ok {
			begun = append(begun, split)
		} else {
			s.waiting = append(s.waiting, split)
		}
	}
	var gone []source.Split // which the source does not name any more
	for id := range s.store.durable {
		if !s.known[id] {
			s.known[id] = true
			gone = append(gone, source.Split{ID: id})
		}
	}
	slices.SortFunc(gone, func(a, b source.Split) int { return compare(a.ID, b.ID) })
	s.waiting = slices.Concat(gone, begun, s.waiting)
	s.openWaiting()
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

// openWaiting opens splits as far as the options allow.
func (s *Slot[K, V]) openWaiting() {
	for len(s.waiting) > 0 && len(s.open)-s.ended < s.options.OpenSplits {
		split := s.waiting[0]
		s.waiting[0] = source.Split{}
		s.waiting = s.waiting[1:]
		row, _ := s.store.get(split.ID)
		s.open = append(s.open, newReading(s, split, row.position, nil))
		s.moved = true
	}
}

// pick takes the next batch of any split, in turn, if the rate allows it.
func (s *Slot[K, V]) pick() bool {
	if s.options.RecordsPerSecond > 0 && s.task.Now().Before(s.owed) {
		s.news.Store(true)
		return false
	}
	for range s.open {
		if s.turn >= len(s.open) {
			s.turn = 0
		}
		r := s.open[s.turn]
		s.turn++
		if f, ok, more := r.pop(); ok {
			if more {
				s.news.Store(true)
			}
			s.current, s.of, s.at = f, r, 0
			return true
		}
	}
	return false
}

// handOn hands on the rest of the current batch.
func (s *Slot[K, V]) handOn() error {
	records := s.current.batch.Records
	for ; s.at < len(records); s.at++ {
		s.moved = true
		if len(s.env.LeftOut) > 0 && s.leavesOut(&records[s.at]) {
			s.taken++
			continue
		}
		s.env.Enter(s.node)
		s.env.Origin.Topic, s.env.Origin.Offset, s.env.Origin.Size, s.env.Origin.LeaderEpoch = s.topic, -1, 0, 0
		s.out = records[s.at]
		s.out.Origin = &s.env.Origin
		if s.out.Millis == 0 {
			s.out.Millis = s.task.Now().UnixMilli()
		}
		if err := s.write(); err != nil {
			return fmt.Errorf("source %q: split %q: %w", s.options.Name, s.of.split.ID, err)
		}
		if s.env.AfterFed != nil {
			if err := s.env.AfterFed(s.fed()); err != nil {
				return err
			}
		}
		s.taken++
	}
	return nil
}

// fed describes the record that was handed on.
func (s *Slot[K, V]) fed() operator.FedRecord {
	place := fmt.Sprintf("source %q: split %q: record %d from the start of the split on", s.options.Name, s.of.split.ID, s.at+1)
	if row, ok := s.store.get(s.of.split.ID); ok && row.position != nil {
		place = fmt.Sprintf("source %q: split %q: record %d behind position %q", s.options.Name, s.of.split.ID, s.at+1, row.position)
	}
	return operator.FedRecord{
		Split: s.of.split.ID, Record: s.current.batch.Records[s.at], Place: place, Origin: s.env.Origin, Ahead: s.of.handed + s.at + 1,
	}
}

// leavesOut reports whether a record is one that the error policy skips.
func (s *Slot[K, V]) leavesOut(r *weir.Record[K, V]) bool {
	for _, left := range s.env.LeftOut {
		if !left.Passed && left.Split == s.of.split.ID && reflect.DeepEqual(left.Record, *r) {
			left.Passed = true
			return true
		}
	}
	return false
}

// write writes a record to the partition that its batch names, or that of its key.
func (s *Slot[K, V]) write() error {
	partition, ok := s.current.batch.Partition()
	if !ok {
		return s.next.Receive(&s.out)
	}
	next, ok := s.next.(placed[K, V])
	if !ok {
		return operator.Fatal(fmt.Errorf("a batch names partition %d, and its records are not written to a topic", partition))
	}
	if n := next.Partitions(); partition >= n {
		return operator.Fatal(s.tooFew(n, partition+1)) // and not for the error policy to skip
	}
	return next.ReceiveIn(partition, &s.out)
}

// placed is a receiver that writes to a topic.
type placed[K, V any] interface {
	ReceiveIn(partition int32, r *weir.Record[K, V]) error
	Partitions() int32
}

// checkPartitions returns an error if the topic has less partitions than the source.
func (s *Slot[K, V]) checkPartitions() error {
	from, isPartitioned := s.from.(source.Partitioned)
	next, isPlaced := s.next.(placed[K, V])
	if !isPartitioned || !isPlaced {
		return nil
	}
	has, needs := next.Partitions(), from.Partitions()
	if has < needs {
		return fmt.Errorf("source %q: %w", s.options.Name, s.tooFew(has, needs))
	}
	if has > needs && needs > 0 {
		s.task.Logger.Warn("the source keeps the partitions of its records, and its topic has more; a join of it with another topic finds only keys that are in equal partitions of both",
			"topic", s.topic, "partitions", has, "source_partitions", needs)
	}
	return nil
}

func (s *Slot[K, V]) tooFew(has, needs int32) error {
	return fmt.Errorf("%w: the source keeps the partitions of its records and has %d, and its topic had %d when the task was opened: give the topic %d partitions, "+
		"and start the application again, or let the source write records to the partitions of their keys", weir.ErrTopicSettings, needs, has, needs)
}

// Skip implements [operator.Feed].
func (s *Slot[K, V]) Skip() {
	s.at++
	s.taken++
}

// complete notes the position behind the current batch.
func (s *Slot[K, V]) complete() {
	r, batch, end := s.of, s.current.batch, s.current.end
	s.current, s.of = filled[K, V]{}, nil
	old, known := s.store.get(r.split.ID)
	position := batch.Position
	if position == nil {
		position = old.position
	}
	if batch.Position != nil || end || !known {
		s.store.set(r.split.ID, row{position: position, finished: end})
	}
	r.moved, s.moved = true, true
	if end {
		r.endTaken = true
		s.ended++
		s.openWaiting()
	}
	n := len(batch.Records)
	r.handed += n
	now := s.task.Now()
	if rate := s.options.RecordsPerSecond / float64(s.slots); rate > 0 {
		if s.owed.Before(now) {
			s.owed = now
		}
		s.owed = s.owed.Add(time.Duration(float64(n) / rate * float64(time.Second)))
	}
	r.report.took(n, batch.Bytes, position, batch.Behind, now)
	s.mu.Lock()
	s.report.Records += int64(n)
	s.report.Bytes += batch.Bytes
	s.rate.add(now, s.report.Records)
	s.mu.Unlock()
	r.release(batch)
}

// Committed implements [operator.Feed].
func (s *Slot[K, V]) Committed() {
	byID := make(map[string]*reading[K, V], len(s.open))
	for _, r := range s.open {
		for _, left := range s.env.LeftOut {
			if left.Split == r.split.ID {
				left.Ahead -= r.handed
				left.Passed = left.Passed || left.Ahead <= 0
			}
		}
		r.moved, r.handed = false, 0
		byID[r.split.ID] = r
	}
	s.store.takeCommitted(func(split string, row row) {
		r := byID[split]
		if row.finished {
			s.looking.finish(split)
		}
		if r == nil {
			return
		}
		if row.position != nil {
			r.committed(row.position)
		}
		if row.finished {
			s.retire(r)
			s.ended--
			s.open = slices.DeleteFunc(s.open, func(o *reading[K, V]) bool { return o == r })
		}
	})
	s.openWaiting()
	s.publish()
}

// retire tells a reader to end, and keeps it until it has.
func (s *Slot[K, V]) retire(r *reading[K, V]) {
	s.closing = slices.DeleteFunc(s.closing, func(o *reading[K, V]) bool {
		select {
		case <-o.done:
			return true
		default:
			return false
		}
	})
	r.stop()
	s.closing = append(s.closing, r)
}

// rewound opens the splits anew that have moved since the last checkpoint. Batches in the queues of their former readers are lost.
func (s *Slot[K, V]) rewound() {
	of := s.of
	s.current, s.of, s.at = filled[K, V]{}, nil, 0
	for i, r := range s.open {
		if !r.moved && r != of {
			continue
		}
		if r.endTaken {
			s.ended--
		}
		row, _ := s.store.get(r.split.ID)
		s.retire(r)
		s.open[i] = newReading(s, r.split, row.position, r.done)
	}
	s.news.Store(true)
}

// Stop implements [operator.Feed].
func (s *Slot[K, V]) Stop() { s.cancel() }

// close ends all goroutines, and waits for them.
func (s *Slot[K, V]) close() error {
	s.cancel()
	for _, r := range s.open {
		r.stop()
	}
	timeout := time.NewTimer(s.options.CloseTimeout)
	defer timeout.Stop()
	waitFor := func(done <-chan struct{}) bool {
		select {
		case <-done:
			return true
		case <-timeout.C:
			timeout.Reset(0) // the others get no more time
			return false
		}
	}
	if s.lookingDone != nil && !waitFor(s.lookingDone) {
		s.task.Logger.Error("a source was left behind: Splits has not returned after its context has ended", "waited", s.options.CloseTimeout)
	}
	for _, r := range slices.Concat(s.open, s.closing) {
		if !waitFor(r.done) {
			r.task.Logger.Error("the reader of a split was left behind: it has not returned after its context has ended", "waited", s.options.CloseTimeout)
		}
	}
	s.open, s.closing = nil, nil
	return nil
}
