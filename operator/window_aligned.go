package operator

import (
	"math"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/window"
)

// aligned is the operator for tumbling and hopping windows. A window is stored under its start.
type aligned[K, V, A, R any] struct{ windows *windows[K, V, A, R] }

// Receive implements [Receiver].
func (w *aligned[K, V, A, R]) Receive(r *weir.Record[K, V]) error {
	k, err := w.windows.place(r)
	if k == nil || err != nil {
		return err
	}
	at := r.Millis
	last := at - at%w.windows.step
	if last > at { // before the epoch
		last -= w.windows.step
	}
	if rejected, err := w.windows.reject(r, last, last+w.windows.size); rejected {
		return err
	}
	reached, err := w.windows.reached(k)
	if err != nil {
		return err
	}
	reached = max(reached, w.windows.pace.bound(at))
	// The first window that contains the record, and that does not begin before the epoch.
	start := last
	if w.windows.step < w.windows.size {
		start = last - (w.windows.size-1-at%w.windows.step)/w.windows.step*w.windows.step
		if start < 0 {
			start += (-start + w.windows.step - 1) / w.windows.step * w.windows.step
		}
	}
	w.windows.firstItem = k.NextItem()
	if last+w.windows.size+w.windows.grace > reached {
		if err := w.windows.collect(r, at); err != nil {
			return err
		}
	}
	var failed error
	for ; start <= last; start += w.windows.step {
		if start+w.windows.size+w.windows.grace <= reached {
			err = w.windows.late(r, window.Closed, start, start+w.windows.size, reached)
		} else {
			err = w.addTo(r, k, start)
		}
		if err != nil && failed == nil {
			failed = err
		}
	}
	if last+w.windows.size+w.windows.grace <= reached && failed == nil {
		failed = w.windows.drop(r, weir.DropLate)
	}
	if w.windows.byPartition {
		w.windows.advancePartition(at)
		err = w.closePartition(r.Origin, reached)
	} else {
		w.windows.idleFrom = min(w.windows.idleFrom, at+w.windows.grace)
		err = w.closeKey(r.Key, r.Origin, k, reached)
		w.windows.keyClosed(k, reached)
	}
	if failed == nil {
		failed = err
	}
	return w.windows.emitDeferred(r, failed)
}

// addTo adds a record to one window.
func (w *aligned[K, V, A, R]) addTo(r *weir.Record[K, V], k *state.Windows[A], start int64) error {
	w.windows.env.Enter(w.windows.node)
	if w.windows.emission.CloseBefore != nil && w.windows.counts(r) {
		if err := w.closeBefore(r, k, start); err != nil {
			return err
		}
	}
	o, latest := w.windows.update(k, r, start)
	s := w.span(start)
	var failed error
	if w.windows.emitsOnChange {
		failed = w.windows.updated(r, k, o, s, latest)
	}
	if w.windows.emission.CloseAfter != nil {
		if err := w.closeAfter(r, k, o, s); err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}

func (w *aligned[K, V, A, R]) span(start int64) span {
	return span{start, start + w.windows.size, start, start + w.windows.size - 1}
}

// closeKey closes the windows of the current key. A closed window is removed before its result is emitted, and the
// others are still emitted after an error: where the policy is to skip a record that fails, no other result may be lost
// with it.
func (w *aligned[K, V, A, R]) closeKey(key K, origin *weir.Origin, k *state.Windows[A], reached int64) error {
	if len(k.Open) == 0 || k.Open[0].Start+w.windows.size+w.windows.grace > reached {
		return nil
	}
	var failed error
	for len(k.Open) > 0 && k.Open[0].Start+w.windows.size+w.windows.grace <= reached {
		w.windows.done = w.windows.store.RemoveFirst()
		if err := w.closed(key, origin, k); err != nil && failed == nil {
			failed = err
		}
	}
	if w.windows.collector != nil {
		w.windows.store.DropItems()
	}
	return failed
}

// closed emits the results of closing the window in done.
func (w *aligned[K, V, A, R]) closed(key K, origin *weir.Origin, k *state.Windows[A]) error {
	w.windows.closings++
	if w.windows.emission.Current || w.windows.done.Records == 0 { // none since a trigger closed it
		return nil
	}
	return w.windows.emit(key, origin, k, &w.windows.done, w.span(w.windows.done.Start))
}

func (w *aligned[K, V, A, R]) closePartition(origin *weir.Origin, reached int64) error {
	return w.windows.closeDue(origin, reached, w.closed)
}

// closeIdle closes windows because time has passed without records.
func (w *aligned[K, V, A, R]) closeIdle(key K, k *state.Windows[A], _, reached int64) error {
	return w.closeKey(key, &w.windows.env.Origin, k, reached)
}

// nextClose returns when the next window of a key closes.
func (w *aligned[K, V, A, R]) nextClose(k *state.Windows[A], _ int64) int64 {
	if len(k.Open) == 0 {
		return math.MaxInt64
	}
	return k.Open[0].Start + w.windows.size + w.windows.grace
}

// hold returns the watermark of the operator: the start of the first window that a record can still come into, or that is to
// close.
func (w *aligned[K, V, A, R]) hold(reached int64) (int64, error) {
	last := reached - reached%w.windows.step
	if last > reached { // before the epoch
		last -= w.windows.step
	}
	least := last
	if w.windows.step < w.windows.size {
		least -= (w.windows.size - 1 - (reached - last)) / w.windows.step * w.windows.step
	}
	if !w.windows.emission.Current {
		oldest, err := w.windows.oldestOpen()
		if err != nil {
			return NoWatermark, err
		}
		least = min(least, oldest)
	}
	return min(least, w.windows.pending.oldest()), nil
}
