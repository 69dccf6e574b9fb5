package operator

import (
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/window"
)

// suppressed are held-back results: the last one of each window. They are emitted
// before a checkpoint begins, so that they need not be stored.
//
// It is a [Buffer] of those that are due: an error of one is that of the record that it came of, and not of the record that was processed when
// it became due.
type suppressed[K, R any] struct {
	active bool
	window.Suppression
	interval int64 // milliseconds
	now      int64 // the greatest time of a record
	results  map[suppressedID]*heldBack[K, R]
	queue    []*heldBack[K, R] // in the order in which they are due
	due      int               // how many of the queue are due

	env  *Env
	node int
	next Receiver[K, window.Result[R]]
}

type suppressedID struct {
	key string
	// window is the start of the result or, for sliding windows, its end.
	window int64
}

type heldBack[K, R any] struct {
	id     suppressedID
	since  int64
	record weir.Record[K, window.Result[R]]
	origin weir.Origin // of the record: that of the task goes on
}

func (h *heldBack[K, R]) set(r *weir.Record[K, window.Result[R]]) {
	h.record, h.origin = *r, *r.Origin
	h.record.Origin = &h.origin
}

// suppress sets up holding back.
func (w *windows[K, V, A, R]) suppress(s window.Suppression) {
	w.pending = suppressed[K, R]{
		active: true, Suppression: s, interval: s.Interval.Milliseconds(), results: map[suppressedID]*heldBack[K, R]{},
		env: w.env, node: w.node, next: w.next,
	}
	p := &w.pending
	w.env.Buffers = append(w.env.Buffers, p)
	w.env.BeforeCheckpoint = append(w.env.BeforeCheckpoint, func() { p.release(len(p.queue)) })
}

// hold keeps the result in out instead of emitting it.
func (w *windows[K, V, A, R]) hold() error {
	p := &w.pending
	id := suppressedID{string(w.keys.buffer), w.out.Millis}
	if w.isSliding {
		id.window = w.out.Value.EndMillis
	}
	if h := p.results[id]; h != nil {
		h.set(&w.out)
		return nil
	}
	if len(p.queue)-p.due >= p.MaxResults {
		if p.WhenFull == window.FullFails {
			return Fatal(fmt.Errorf("store %q: %d results are held back, which is the most that Suppress allows", w.store.Name(), p.MaxResults))
		}
		p.release(1)
	}
	h := &heldBack[K, R]{id: id, since: p.now}
	h.set(&w.out)
	p.results[h.id] = h
	p.queue = append(p.queue, h)
	return nil
}

// reach makes results due that were held back for the longest allowed time.
func (p *suppressed[K, R]) reach(at int64) {
	if at <= p.now {
		return
	}
	p.now = at
	n := p.due
	for n < len(p.queue) && p.queue[n].since+p.interval <= at {
		n++
	}
	p.release(n - p.due)
}

// release makes the n oldest results due that are not yet. A later result of the same window is held back anew.
func (p *suppressed[K, R]) release(n int) {
	n = min(n, len(p.queue)-p.due)
	for _, h := range p.queue[p.due : p.due+n] {
		delete(p.results, h.id)
	}
	p.due += n
}

// Settle implements [Buffer].
func (p *suppressed[K, R]) Settle() error {
	for p.due > 0 {
		h := p.queue[0]
		p.queue[0], p.queue = nil, p.queue[1:]
		p.due--
		p.env.Origin = h.origin
		p.env.Enter(p.node)
		if err := p.next.Receive(&h.record); err != nil {
			return err // of this result alone
		}
	}
	return nil
}

// Full implements [Buffer].
func (p *suppressed[K, R]) Full() bool { return p.due >= maxLookupBatch }

// Held implements [Buffer].
func (p *suppressed[K, R]) Held() int { return p.due }

// Discard implements [Buffer].
func (p *suppressed[K, R]) Discard() {
	p.queue, p.due, p.now = nil, 0, 0
	clear(p.results)
}
