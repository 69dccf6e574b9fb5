package sourcing

import (
	"context"
	"fmt"
	"math"
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
	if rate := options.RecordsPerSecond / float64(s.slots); rate > 0 {
		s.task.BatchRecords = int(min(max(1, rate/10), math.MaxInt32))
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
	s.begun, s.moved, s.owed = true, true, s.task.Now()
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
