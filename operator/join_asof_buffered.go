package operator

import (
	"math"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/joining"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/join"
)

// buffered is the part of an as-of join with left records that wait, by the clock, for a match.
//
// Records whose wait has ended are emitted when the operator is settled: so the error of one is that record's, and goes to the policy
// with its origin.
type buffered[K, V, R, W any] struct {
	*AsOf[K, V, R, W]
	waits  waitStore[K, V]
	cloned func(V) V
	// ready are records whose wait has ended, in the order of their emission. Those before done are emitted.
	ready []readyRecord[K, V, R]
	done  int
}

// readyRecord is a left record with its match, if it has one.
type readyRecord[K, V, R any] struct {
	left    weir.Record[K, V]
	origin  weir.Origin
	match   state.Timed[version[R]]
	matched bool
}

func newBuffered[K, V, R, W any](
	a *AsOf[K, V, R, W], wait *joining.Wait[join.Overflow], key codec.Codec[K], left codec.Codec[V], cloned func(V) V,
) (*buffered[K, V, R, W], error) {
	waits, err := newWaitStore(a.env, wait, "records of key %v wait for their matches already, and no more may: see join.AsOf.MaxPerKey", key, left)
	if err != nil {
		return nil, err
	}
	b := &buffered[K, V, R, W]{AsOf: a, waits: waits, cloned: cloned}
	a.env.Buffers = append(a.env.Buffers, b)
	a.env.Clocks = append(a.env.Clocks, b)
	a.env.OnHold(a.node, b.hold)
	return b, nil
}

// receiveLeft emits a left record that has its match, and lets any other wait. key is the encoded key of the record.
func (b *buffered[K, V, R, W]) receiveLeft(key []byte, r *weir.Record[K, V]) error {
	if err := b.right.Place(key); err != nil {
		return Fatal(err)
	}
	match, open, err := b.find(r.Millis)
	if err != nil {
		return err
	}
	if match != nil && !open {
		if len(b.ready) == 0 {
			return b.emit(r, match)
		}
		kept := *r // behind those that are ready
		kept.Headers = copyHeaders(r.Headers)
		kept.Value = b.clone(r.Value)
		b.add(kept, b.env.Origin, match)
		return nil
	}
	if err := b.settleDue(r); err != nil {
		return err
	}
	kept := *r
	kept.Value = b.clone(r.Value)
	return b.waits.put(&kept)
}

// settleDue ends the waits of those records of a left record's key that have waited long enough, or have to make room for it.
func (b *buffered[K, V, R, W]) settleDue(r *weir.Record[K, V]) error {
	key, err := b.waits.encode(r)
	if err != nil {
		return err
	}
	if err := b.waits.waiting.Place(key); err != nil {
		return Fatal(err)
	}
	first, ok := b.waits.waiting.First()
	if !ok {
		return nil
	}
	over := 0
	if b.waits.policy == join.SettleOldest {
		n, err := b.waits.count()
		if err != nil {
			return Fatal(err)
		}
		over = max(0, n-b.waits.most+1)
	}
	due := b.waits.now() - b.waits.wait
	if first > due && over == 0 {
		return nil
	}
	return b.endWaits(key, func(i int, at int64, _, _ bool) bool { return i < over || at <= due })
}

// receiveRight keeps a right record, and ends the waits of the left records that it gives their match.
func (b *buffered[K, V, R, W]) receiveRight(key []byte, r *weir.Record[K, R]) error {
	left := &weir.Record[K, V]{Key: r.Key}
	waiting, err := b.waits.encode(left)
	if err != nil {
		return err
	}
	if err := b.waits.waiting.Place(waiting); err != nil {
		return Fatal(err)
	}
	first, waits := b.waits.waiting.First()
	due := b.waits.now() - b.waits.wait
	if waits && first <= due { // their time was over before the right record came
		if err := b.endWaits(waiting, func(_ int, at int64, _, _ bool) bool { return at <= due }); err != nil {
			return err
		}
	}
	kept, err := b.keep(key, r)
	if err != nil || !kept || !waits {
		return err
	}
	return b.endWaits(waiting, func(_ int, _ int64, matched, open bool) bool { return matched && !open })
}

// endWaits makes those records of a key ready that are chosen, by their position, their arrival, and whether they have a match and may get a
// nearer one. key is the key of the stores of the records that wait.
func (b *buffered[K, V, R, W]) endWaits(key []byte, chosen func(i int, arrival int64, matched, open bool) bool) error {
	if err := b.waits.waiting.Place(key); err != nil {
		return Fatal(err)
	}
	items, err := b.waits.waiting.Between(state.NoTime, math.MaxInt64)
	if err != nil || len(items) == 0 {
		return Fatal(err)
	}
	k, _, err := b.waits.decode(key)
	if err != nil {
		return err
	}
	if err := b.right.Place(key[1:]); err != nil {
		return Fatal(err)
	}
	ended := make([]bool, len(items))
	some := false
	for i := range items {
		w := &items[i].Value
		match, open, err := b.find(w.Millis)
		if err != nil {
			return err
		}
		if !chosen(i, items[i].At, match != nil, open) {
			continue
		}
		ended[i], some = true, true
		b.add(weir.Record[K, V]{
			Key: k, Value: w.Value, ValueNull: w.Null, Millis: w.Millis, Headers: w.Headers,
		}, w.origin(b.env.Origin.Partition), match)
	}
	if !some {
		return nil
	}
	return b.waits.remove(key, func(i int) bool { return ended[i] })
}

// add makes a record ready. The match is copied.
func (b *buffered[K, V, R, W]) add(left weir.Record[K, V], origin weir.Origin, match *state.Timed[version[R]]) {
	r := readyRecord[K, V, R]{left: left, origin: origin}
	if match != nil {
		r.match, r.matched = *match, true
	}
	b.ready = append(b.ready, r)
}

func (b *buffered[K, V, R, W]) clone(v V) V {
	if b.cloned == nil {
		return v
	}
	return b.cloned(v)
}

// Settle implements [Buffer].
func (b *buffered[K, V, R, W]) Settle() error {
	for b.done < len(b.ready) {
		r := &b.ready[b.done]
		b.done++
		b.env.Origin = r.origin
		r.left.Origin = &b.env.Origin
		var match *state.Timed[version[R]]
		if r.matched {
			match = &r.match
		}
		if err := b.emit(&r.left, match); err != nil {
			return err // of this record alone
		}
	}
	b.Discard()
	return nil
}

// Full implements [Buffer].
func (b *buffered[K, V, R, W]) Full() bool { return len(b.ready) >= maxLookupBatch }

// Held implements [Buffer].
func (b *buffered[K, V, R, W]) Held() int { return len(b.ready) - b.done }

// Discard implements [Buffer].
func (b *buffered[K, V, R, W]) Discard() {
	clear(b.ready)
	b.ready, b.done = b.ready[:0], 0
}

// Next implements [Clock].
func (b *buffered[K, V, R, W]) Next() int64 {
	if b.Held() > 0 {
		return math.MaxInt64 // they go first
	}
	return b.waits.nextDue()
}

// Ring implements [Clock]. It ends the waits that are over.
func (b *buffered[K, V, R, W]) Ring(now int64) error {
	b.env.Enter(b.node)
	due := now - b.waits.wait
	for len(b.ready) < maxLookupBatch {
		encoded, ok, err := b.waits.waiting.Due(due)
		if err != nil || !ok {
			return Fatal(err)
		}
		if err := b.endWaits([]byte(encoded), func(_ int, at int64, _, _ bool) bool { return at <= due }); err != nil {
			return err
		}
	}
	return nil
}

// hold returns the event time before which the operator emits nothing any more when its input has reached a time.
func (b *buffered[K, V, R, W]) hold(reached int64) (int64, error) {
	for i := b.done; i < len(b.ready); i++ {
		reached = min(reached, b.ready[i].left.Millis)
	}
	return b.waits.least(reached)
}
