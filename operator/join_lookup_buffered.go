package operator

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/join"
)

// BufferedLookup is a [Lookup] that keeps records without a row in a store. They wait for a later record of their key, or
// for the end of their time by the clock.
//
// Records that are to be looked up again form a round. A round is begun by an arriving record, for its key, or by the clock, for
// all keys; it ends before anything else is handled, and before each checkpoint.
type BufferedLookup[K, V, Q, R, W any] struct {
	env      *Env
	node     int
	keys     keyEncoder[K]
	key      codec.Codec[K]
	null     nullRule[V]
	buffer   join.Buffer
	complete func(*R) bool // or nil
	wait     int64
	arrivals *Lookup[K, V, Q, R, W]
	again    *Lookup[K, V, Q, R, W]
	// waiting are the records that wait, by key and time of arrival.
	waiting *state.Timestamped[waiter[V]]
	// times are the least event times of the records of each key that wait.
	times *state.Timestamped[struct{}]
	round round[K, V]
	// prepared is the arrived record, counted from 1, that has had its round.
	prepared int
	storeKey []byte // scratch: what kind of key, and the key
	timesKey []byte // scratch
	overflow overflowWarning
	sweep    sweep
}

// round is the records that are being looked up again.
type round[K, V any] struct {
	active bool
	// record is the arrived record, counted from 1, that has begun it, or 0.
	record int
	items  []roundItem[K, V]
	// queried is how many items were handed to the lookup; asked are the positions of those that have a query.
	queried int
	asked   []int
	// fresh says that caches do not count.
	fresh bool
	// kept says that those that still have no row stay in the store, at the key, and which.
	kept bool
	key  []byte
	stay []bool
}

// roundItem is a record of a round.
type roundItem[K, V any] struct {
	key     K
	keyNull bool
	waiter  waiter[V]
	// last says that its wait is over.
	last bool
}

// The first byte of keys in the stores.
const (
	nullKey byte = iota
	someKey
)

// NewBufferedLookup opens the stores of a buffered lookup join in the task of env and returns the operator. See [NewLookup]. cloned,
// if not nil, copies values that may change while they are held.
func NewBufferedLookup[K, V, Q, R, W any](
	env *Env, node int, lookup join.Lookup[Q, R], unmatched bool, key codec.Codec[K], value codec.Codec[V], cloned func(V) V,
	query func(ctx context.Context, r *weir.Record[K, V]) (Q, error),
	merge func(ctx context.Context, r *weir.Record[K, V], row *R) (W, error), next Receiver[K, W],
) (*BufferedLookup[K, V, Q, R, W], error) {
	buffer, complete, _ := join.BufferOf(lookup)
	waiting, times := buffer.StoreNames()
	b := &BufferedLookup[K, V, Q, R, W]{
		env: env, node: node, keys: newKeyEncoder(key, waiting), key: key, null: newNullRule(value), buffer: buffer, complete: complete,
		wait:     buffer.WaitMillis(),
		arrivals: newLookup(env, node, lookup, unmatched, query, merge, next),
		again:    newLookup(env, node, lookup, unmatched, query, merge, next),
	}
	b.arrivals.Clone = cloned
	b.arrivals.before, b.arrivals.handle, b.again.handle = b.prepare, b.arrived, b.found
	b.sweep.changes = join.ChangesOf(lookup)
	options := state.TimestampedOptions{Duplicates: true, Index: true, Cause: true, Ahead: max(b.wait/4, 10_000)}
	var err error
	b.waiting, err = openStore(env, waiting, func(space state.Space) *state.Timestamped[waiter[V]] {
		return state.OpenTimestamped(space, codec.Codec[waiter[V]](waiterCodec[V]{heldCodec[V]{value}}), options)
	})
	if err != nil {
		return nil, err
	}
	b.times, err = openStore(env, times, func(space state.Space) *state.Timestamped[struct{}] {
		return state.OpenTimestamped(space, codec.Codec[struct{}](nothing{}), state.TimestampedOptions{Index: true, Ahead: b.wait})
	})
	if err != nil {
		return nil, err
	}
	env.Buffers = append(env.Buffers, b)
	env.Clocks = append(env.Clocks, b)
	env.OnHold(node, b.hold)
	return b, nil
}

// Receive implements [Receiver].
func (b *BufferedLookup[K, V, Q, R, W]) Receive(r *weir.Record[K, V]) error {
	return b.arrivals.Receive(r)
}

// Full implements [Buffer].
func (b *BufferedLookup[K, V, Q, R, W]) Full() bool { return b.arrivals.Full() }

// Held implements [Buffer].
func (b *BufferedLookup[K, V, Q, R, W]) Held() int {
	held := b.arrivals.Held()
	if b.round.active {
		held += len(b.round.items)
	}
	return held
}

// Discard implements [Buffer].
func (b *BufferedLookup[K, V, Q, R, W]) Discard() {
	b.arrivals.Discard()
	b.again.Discard()
	b.endRound()
	b.prepared = 0
}

// Settle implements [Buffer].
func (b *BufferedLookup[K, V, Q, R, W]) Settle() error {
	if b.round.active {
		if err := b.runRound(); err != nil {
			return err
		}
	}
	err := b.arrivals.Settle()
	if b.arrivals.Held() == 0 {
		b.prepared = 0
	}
	return err
}

// Next implements [Clock].
func (b *BufferedLookup[K, V, Q, R, W]) Next() int64 {
	if b.Held() > 0 {
		return math.MaxInt64 // they go first
	}
	next := b.waiting.NextDue()
	if b.sweep.active {
		return math.MinInt64
	}
	if b.sweep.changed() {
		return b.sweep.next
	}
	if next > math.MaxInt64-b.wait {
		return math.MaxInt64
	}
	return next + b.wait
}

// Ring implements [Clock]. It begins a round of records whose wait is over, or of one key after a change of the lookup.
func (b *BufferedLookup[K, V, Q, R, W]) Ring(now int64) error {
	b.env.Enter(b.node)
	if b.Held() > 0 {
		return nil
	}
	for len(b.round.items) < maxLookupBatch {
		encoded, ok, err := b.waiting.Due(now - b.wait)
		if err != nil {
			return Fatal(err)
		}
		if !ok {
			break
		}
		if err := b.takeDue([]byte(encoded), now-b.wait, 0); err != nil {
			return err
		}
	}
	if b.round.active {
		return nil
	}
	return b.sweepOn(now)
}

// hold returns the event time before which the operator emits nothing any more when its input has reached a time.
func (b *BufferedLookup[K, V, Q, R, W]) hold(reached int64) (int64, error) {
	for _, l := range []*Lookup[K, V, Q, R, W]{b.arrivals, b.again} {
		for i := l.done; i < len(l.records); i++ {
			reached = min(reached, l.records[i].Millis)
		}
	}
	for i := b.round.queried; i < len(b.round.items); i++ {
		reached = min(reached, b.round.items[i].waiter.Millis)
	}
	if _, ok, err := b.times.Due(reached); err != nil || !ok {
		return reached, Fatal(err)
	}
	first, _ := b.times.First()
	return min(reached, first), nil
}

// prepare runs the round that comes before an arrived record: what is due of its key, and, if it has a row, all that waits.
func (b *BufferedLookup[K, V, Q, R, W]) prepare(i int) error {
	if b.prepared == i+1 {
		return nil
	}
	r := &b.arrivals.records[i]
	b.env.Origin = b.arrivals.origins[i]
	b.env.Enter(b.node)
	key, err := b.encode(r)
	if err != nil {
		b.arrivals.done = i + 1 // it cannot be handled
		b.arrivals.fail()
		return err
	}
	if err := b.waiting.Place(key); err != nil {
		return Fatal(err)
	}
	if first, ok := b.waiting.First(); ok {
		due := b.now() - b.wait
		if b.isComplete(b.arrivals.found[i]) {
			err = b.takeAll(key, due)
		} else {
			over := 0
			if b.buffer.Overflow() == join.SettleOldest {
				if over, err = b.count(); err != nil {
					return Fatal(err)
				}
				over = max(0, over-b.buffer.Max()+1)
			}
			if first <= due || over > 0 {
				err = b.takeDue(key, due, over)
			}
		}
		if err != nil {
			return err
		}
	}
	if b.round.active {
		b.round.record = i + 1
		return b.runRound()
	}
	b.prepared = i + 1
	return nil
}

// arrived emits an arrived record that has a row, and keeps any other.
func (b *BufferedLookup[K, V, Q, R, W]) arrived(i int) error {
	if b.isComplete(b.arrivals.found[i]) {
		return b.arrivals.emit(i)
	}
	r := &b.arrivals.records[i]
	b.env.Origin = b.arrivals.origins[i]
	b.env.Enter(b.node)
	key, err := b.encode(r)
	if err != nil {
		return err
	}
	if err := b.waiting.Place(key); err != nil {
		return Fatal(err)
	}
	last, err := b.waiting.Before(math.MaxInt64)
	if err != nil {
		return Fatal(err)
	}
	w := waiter[V]{Held: held(r, &b.null), Number: 1, Millis: r.Millis}
	w.from(&b.env.Origin)
	w.Headers = copyHeaders(r.Headers)
	now := b.now()
	if last != nil {
		if last.Value.Number >= b.buffer.Max() {
			return b.overflown(r)
		}
		w.Number = last.Value.Number + 1
		now = max(now, last.At) // the clock may have been set back: the order is that of arrival
	}
	if _, err := b.waiting.Put(now, w); err != nil {
		return Fatal(err)
	}
	return b.lower(r.Millis)
}

// overflown does what the policy says with a record that does not fit.
func (b *BufferedLookup[K, V, Q, R, W]) overflown(r *weir.Record[K, V]) error {
	if b.buffer.Overflow() == join.FailNewest {
		return fmt.Errorf("store %q: %d records of key %v wait for their rows already, and no more may: see join.BufferedLookup.MaxPerKey",
			b.waiting.Name(), b.buffer.Max(), r.Key)
	}
	if n := b.overflow.count(b.env.now()); n > 0 {
		b.env.Logger.Warn("records dropped: as many of their key as may wait for a lookup already do",
			"store", b.waiting.Name(), "key", r.Key, "most", b.buffer.Max(), "dropped", n,
			"topic", b.env.Origin.Topic, "partition", b.env.Origin.Partition, "offset", b.env.Origin.Offset)
	}
	return nil
}

// overflowWarning counts dropped records, for a warning a minute.
type overflowWarning struct {
	dropped int64
	warned  time.Time
}

// count counts one, and returns how many there were since the last warning if it is time for one, and else 0.
func (o *overflowWarning) count(now time.Time) int64 {
	o.dropped++
	if !o.warned.IsZero() && now.Sub(o.warned) < time.Minute {
		return 0
	}
	n := o.dropped
	o.dropped, o.warned = 0, now
	return n
}

func (b *BufferedLookup[K, V, Q, R, W]) isComplete(row *R) bool {
	return row != nil && (b.complete == nil || b.complete(row))
}

func (b *BufferedLookup[K, V, Q, R, W]) now() int64 { return b.env.now().UnixMilli() }

// encode returns the key of a record in the stores, valid until the next call.
func (b *BufferedLookup[K, V, Q, R, W]) encode(r *weir.Record[K, V]) ([]byte, error) {
	encoded, ok, err := b.keys.encode(r.Key, r.KeyNull)
	kind := someKey
	if !ok {
		kind = nullKey
	}
	b.storeKey = append(append(b.storeKey[:0], kind), encoded...)
	return b.storeKey, err
}

// decode is the opposite of encode.
func (b *BufferedLookup[K, V, Q, R, W]) decode(key []byte) (k K, null bool, err error) {
	if len(key) == 0 || key[0] == nullKey {
		return k, true, nil
	}
	if k, err = b.key.Decode(&b.keys.context, slices.Clone(key[1:])); err != nil {
		return k, false, Fatal(fmt.Errorf("store %q: decode key %q: %w", b.waiting.Name(), key[1:], err))
	}
	return k, false, nil
}

// count returns how many records of the current key wait.
func (b *BufferedLookup[K, V, Q, R, W]) count() (int, error) {
	last, err := b.waiting.Before(math.MaxInt64)
	if err != nil || last == nil {
		return 0, err
	}
	return last.Value.Number, nil
}

// lower makes a time the least of the current key if it is.
func (b *BufferedLookup[K, V, Q, R, W]) lower(millis int64) error {
	if err := b.times.Place(b.storeKey); err != nil {
		return Fatal(err)
	}
	if first, ok := b.times.First(); ok && first <= millis {
		return nil
	}
	return b.setLeast(millis)
}

// setLeast sets the least time of the key that times is on.
func (b *BufferedLookup[K, V, Q, R, W]) setLeast(millis int64) error {
	if err := b.times.Remove(func(int) bool { return true }); err != nil {
		return Fatal(err)
	}
	_, err := b.times.Put(millis, struct{}{})
	return Fatal(err)
}
