package operator

import (
	"math"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/state"
)

// takeDue moves records of a key into the round, and out of the store: those that came up to a time, and at least the first
// few. Their wait is over.
func (b *BufferedLookup[K, V, Q, R, W]) takeDue(key []byte, until int64, atLeast int) error {
	if err := b.waiting.Place(key); err != nil {
		return Fatal(err)
	}
	items, err := b.waiting.Between(state.NoTime, math.MaxInt64)
	if err != nil {
		return Fatal(err)
	}
	n := 0
	for n < len(items) && (n < atLeast || items[n].At <= until) {
		n++
	}
	if err := b.add(key, items[:n], n); err != nil {
		return err
	}
	return b.remove(key, func(i int) bool { return i < n })
}

// takeAll copies all records of a key into the round. Those that came up to a time wait no longer.
func (b *BufferedLookup[K, V, Q, R, W]) takeAll(key []byte, until int64) error {
	items, err := b.waiting.Between(state.NoTime, math.MaxInt64)
	if err != nil {
		return Fatal(err)
	}
	n := 0
	for n < len(items) && items[n].At <= until {
		n++
	}
	if err := b.add(key, items, n); err != nil {
		return err
	}
	r := &b.round
	r.kept, r.key = true, append(r.key[:0], key...)
	for range items {
		r.stay = append(r.stay, false)
	}
	return nil
}

// add adds records of a key to the round. The wait of the first few is over.
func (b *BufferedLookup[K, V, Q, R, W]) add(key []byte, items []state.Timed[waiter[V]], last int) error {
	k, null, err := b.decode(key)
	if err != nil {
		return err
	}
	for i := range items {
		b.round.items = append(b.round.items, roundItem[K, V]{k, null, items[i].Value, i < last})
	}
	b.round.active = true
	return nil
}

// runRound looks up the records of the round, hands on those that have a row or wait no longer, and ends it. After an error it is
// called again.
func (b *BufferedLookup[K, V, Q, R, W]) runRound() error {
	r := &b.round
	for r.queried < len(r.items) {
		it := &r.items[r.queried]
		r.queried++
		b.again.fresh = b.again.fresh || it.last || r.fresh
		b.env.Origin = it.waiter.origin(b.env.Origin.Partition)
		err := b.again.Receive(&weir.Record[K, V]{
			Key: it.key, KeyNull: it.keyNull, Value: it.waiter.Value, ValueNull: it.waiter.Null, Millis: it.waiter.Millis,
			Headers: it.waiter.Headers,
		})
		if err != nil {
			return err // of this record alone
		}
		r.asked = append(r.asked, r.queried-1)
	}
	if err := b.again.Settle(); err != nil {
		return err
	}
	if r.kept {
		if err := b.remove(r.key, func(i int) bool { return !r.stay[i] }); err != nil {
			return err
		}
	}
	b.prepared = r.record
	b.endRound()
	return nil
}

// found hands on a record of the round, or lets it wait on.
func (b *BufferedLookup[K, V, Q, R, W]) found(i int) error {
	at := b.round.asked[i]
	if !b.round.items[at].last && !b.isComplete(b.again.found[i]) {
		b.round.stay[at] = true
		return nil
	}
	if !b.again.unmatched && !b.isComplete(b.again.found[i]) {
		return nil
	}
	return b.again.emit(i)
}

// endRound forgets the round.
func (b *BufferedLookup[K, V, Q, R, W]) endRound() {
	r := &b.round
	clear(r.items)
	*r = round[K, V]{items: r.items[:0], asked: r.asked[:0], stay: r.stay[:0], key: r.key[:0]}
	b.again.fresh = false
}
