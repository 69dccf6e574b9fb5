package operator

import (
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/window"
)

// suppressed are held-back results: the last one of each window. They are emitted
// before a checkpoint begins, so that they need not be stored.
type suppressed[K, R any] struct {
	active bool
	window.Suppression
	interval int64 // milliseconds
	now      int64 // the greatest time of a record
	results  map[suppressedID]*heldBack[K, R]
	queue    []*heldBack[K, R] // in the order in which they are due
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
	}
	w.env.OnRewind = append(w.env.OnRewind, func() {
		w.pending.queue, w.pending.now = nil, 0
		clear(w.pending.results)
	})
	w.env.BeforeCheckpoint = append(w.env.BeforeCheckpoint, func() error { return w.release(0) })
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
	if len(p.queue) >= p.MaxResults {
		if p.WhenFull == window.FullFails {
			return Fatal(fmt.Errorf("store %q: %d results are held back, which is the most that Suppress allows", w.store.Name(), p.MaxResults))
		}
		if err := w.release(len(p.queue) - 1); err != nil {
			return err
		}
	}
	h := &heldBack[K, R]{id: id, since: p.now}
	h.set(&w.out)
	p.results[h.id] = h
	p.queue = append(p.queue, h)
	return nil
}

// releaseDue emits results that were held back for the longest allowed time.
func (w *windows[K, V, A, R]) releaseDue(at int64) error {
	p := &w.pending
	if at <= p.now {
		return nil
	}
	p.now = at
	n := len(p.queue)
	for n > 0 && p.queue[len(p.queue)-n].since+p.interval <= at {
		n--
	}
	return w.release(n)
}

// release emits the oldest results until as many as given are left.
func (w *windows[K, V, A, R]) release(left int) error {
	p := &w.pending
	var failed error
	for len(p.queue) > left {
		h := p.queue[0]
		p.queue[0], p.queue = nil, p.queue[1:]
		delete(p.results, h.id)
		w.env.Enter(w.node)
		if err := w.next.Receive(&h.record); err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}
