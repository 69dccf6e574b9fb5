package operator

import (
	"context"
	"math"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
)

// BufferedLookup is a [Lookup] that keeps records without a row in a store. They wait for a later record of their key, or
// for the end of their time by the clock.
//
// Records that are to be looked up again form a round. A round is begun by an arriving record, for its key, or by the clock, for
// all keys; it ends before anything else is handled, and before each checkpoint.
type BufferedLookup[K, V, Q, R, W any] struct {
	waitStore[K, V]
	node     int
	complete func(*R) bool // or nil
	arrivals *Lookup[K, V, Q, R, W]
	again    *Lookup[K, V, Q, R, W]
	round    round[K, V]
	// prepared is the arrived record, counted from 1, that has had its round.
	prepared int
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

// NewBufferedLookup opens the stores of a buffered lookup join in the task of env and returns the operator. See [NewLookup]. cloned,
// if not nil, copies values that may change while they are held.
func NewBufferedLookup[K, V, Q, R, W any](
	env *Env, node int, lookup join.Lookup[Q, R], unmatched bool, key codec.Codec[K], value codec.Codec[V], cloned func(V) V,
	query func(ctx context.Context, r *weir.Record[K, V]) (Q, error),
	merge func(ctx context.Context, r *weir.Record[K, V], row *R) (W, error), next Receiver[K, W],
) (*BufferedLookup[K, V, Q, R, W], error) {
	settings := join.SettingsOf(lookup)
	waits, err := newWaitStore(env, settings.Wait, "records of key %v wait for their rows already, and no more may: see join.BufferedLookup.MaxPerKey", key, value)
	if err != nil {
		return nil, err
	}
	b := &BufferedLookup[K, V, Q, R, W]{
		waitStore: waits, node: node, complete: settings.Resolved,
		arrivals: newLookup(env, node, lookup, unmatched, query, merge, next),
		again:    newLookup(env, node, lookup, unmatched, query, merge, next),
	}
	b.arrivals.Clone = cloned
	b.arrivals.before, b.arrivals.handle, b.again.handle = b.prepare, b.arrived, b.found
	b.sweep.changes = settings.Changes
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
	if b.sweep.active {
		return math.MinInt64
	}
	if b.sweep.changed() {
		return b.sweep.next
	}
	return b.nextDue()
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
	return b.least(reached)
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
			if b.policy == join.SettleOldest {
				if over, err = b.count(); err != nil {
					return Fatal(err)
				}
				over = max(0, over-b.most+1)
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
	b.env.Origin = b.arrivals.origins[i]
	b.env.Enter(b.node)
	return b.put(&b.arrivals.records[i])
}

func (b *BufferedLookup[K, V, Q, R, W]) isComplete(row *R) bool {
	return row != nil && (b.complete == nil || b.complete(row))
}
