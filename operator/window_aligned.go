package operator

import (
	"math"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/window"
)

// aligned is the operator for tumbling and hopping windows. A window is stored under its start.
type aligned[K, V, A, R any] struct{ *windows[K, V, A, R] }

// Receive implements [Receiver].
func (w *aligned[K, V, A, R]) Receive(r *weir.Record[K, V]) error {
	k, err := w.place(r)
	if k == nil || err != nil {
		return err
	}
	at := r.Millis
	last := at - at%w.step
	if last > at { // before the epoch
		last -= w.step
	}
	if rejected, err := w.reject(r, last, last+w.size); rejected {
		return err
	}
	reached, err := w.reached(k)
	if err != nil {
		return err
	}
	reached = max(reached, w.pace.bound(at))
	// The first window that contains the record, and that does not begin before the epoch.
	start := last
	if w.step < w.size {
		start = last - (w.size-1-at%w.step)/w.step*w.step
		if start < 0 {
			start += (-start + w.step - 1) / w.step * w.step
		}
	}
	w.firstItem = k.NextItem()
	if last+w.size+w.grace > reached {
		if err := w.collect(r, at); err != nil {
			return err
		}
	}
	var failed error
	for ; start <= last; start += w.step {
		if start+w.size+w.grace <= reached {
			err = w.late(r, window.Closed, start, start+w.size, reached)
		} else {
			err = w.addTo(r, k, start)
		}
		if err != nil && failed == nil {
			failed = err
		}
	}
	if last+w.size+w.grace <= reached && failed == nil {
		failed = w.drop(r, weir.DropLate)
	}
	if w.byPartition {
		w.advancePartition(at)
		err = w.closePartition(r.Origin, reached)
	} else {
		w.idleFrom = min(w.idleFrom, at+w.grace)
		err = w.closeKey(r.Key, r.Origin, k, reached)
		w.keyClosed(k, reached)
	}
	if failed == nil {
		failed = err
	}
	return w.emitDeferred(r, failed)
}

// addTo adds a record to one window.
func (w *aligned[K, V, A, R]) addTo(r *weir.Record[K, V], k *state.Windows[A], start int64) error {
	w.env.Enter(w.node)
	if w.emission.CloseBefore != nil && w.counts(r) {
		if err := w.closeBefore(r, k, start); err != nil {
			return err
		}
	}
	o, latest := w.update(k, r, start)
	s := w.span(start)
	var failed error
	if w.emitsOnChange {
		failed = w.updated(r, k, o, s, latest)
	}
	if w.emission.CloseAfter != nil {
		if err := w.closeAfter(r, k, o, s); err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}

func (w *aligned[K, V, A, R]) span(start int64) span {
	return span{start, start + w.size, start, start + w.size - 1}
}

// closeKey closes the windows of the current key. A closed window is removed before its result is emitted, and the
// others are still emitted after an error: where the policy is to skip a record that fails, no other result may be lost
// with it.
func (w *aligned[K, V, A, R]) closeKey(key K, origin *weir.Origin, k *state.Windows[A], reached int64) error {
	if len(k.Open) == 0 || k.Open[0].Start+w.size+w.grace > reached {
		return nil
	}
	var failed error
	for len(k.Open) > 0 && k.Open[0].Start+w.size+w.grace <= reached {
		w.done = w.store.RemoveFirst()
		if err := w.closed(key, origin, k); err != nil && failed == nil {
			failed = err
		}
	}
	if w.collector != nil {
		w.store.DropItems()
	}
	return failed
}

// closed emits the results of closing the window in done.
func (w *aligned[K, V, A, R]) closed(key K, origin *weir.Origin, k *state.Windows[A]) error {
	w.closings++
	if w.emission.Current || w.done.Records == 0 { // none since a trigger closed it
		return nil
	}
	return w.emit(key, origin, k, &w.done, w.span(w.done.Start))
}

func (w *aligned[K, V, A, R]) closePartition(origin *weir.Origin, reached int64) error {
	return w.closeDue(origin, reached, w.closed)
}

// closeIdle closes windows because time has passed without records.
func (w *aligned[K, V, A, R]) closeIdle(key K, k *state.Windows[A], _, reached int64) error {
	return w.closeKey(key, &w.env.Origin, k, reached)
}

// nextClose returns when the next window of a key closes.
func (w *aligned[K, V, A, R]) nextClose(k *state.Windows[A], _ int64) int64 {
	if len(k.Open) == 0 {
		return math.MaxInt64
	}
	return k.Open[0].Start + w.size + w.grace
}

// hold returns the watermark of the operator: the start of the first window that a record can still come into, or that is to
// close.
func (w *aligned[K, V, A, R]) hold(reached int64) (int64, error) {
	last := reached - reached%w.step
	if last > reached { // before the epoch
		last -= w.step
	}
	least := last
	if w.step < w.size {
		least -= (w.size - 1 - (reached - last)) / w.step * w.step
	}
	if !w.emission.Current {
		oldest, err := w.oldestOpen()
		if err != nil {
			return NoWatermark, err
		}
		least = min(least, oldest)
	}
	return min(least, w.pending.oldest()), nil
}
