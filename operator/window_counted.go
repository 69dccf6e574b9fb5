package operator

import (
	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/state"
)

// counted is the operator for windows by count. A window is stored under the number of its first record, counted from
// the first record after the key had no window; Mark is the smallest time in it. Items are kept under the numbers of
// their records.
type counted[K, V, A, R any] struct {
	windows *windows[K, V, A, R]
	count   int64
	every   int64 // a window begins with each of these records; 0 if only when there is none
}

// Receive implements [Receiver].
func (w *counted[K, V, A, R]) Receive(r *weir.Record[K, V]) error {
	k, err := w.windows.place(r)
	if k == nil || err != nil {
		return err
	}
	number, isFirst := int64(0), len(k.Open) == 0
	if !isFirst {
		oldest := &k.Open[0]
		number = oldest.Start + oldest.Records
		isFirst = w.every > 0 && oldest.Records%w.every == 0
	}
	if err := w.windows.collect(r, number); err != nil {
		return err
	}
	if isFirst {
		w.windows.firstItem = r.Millis // the mark of the new window
		w.windows.update(k, r, number)
	}
	var failed error
	for i := range k.Open {
		o, latest := &k.Open[i], r.Millis
		if !isFirst || o.Start != number {
			o, latest = w.windows.update(k, r, o.Start)
			o.Mark = min(o.Mark, r.Millis)
		}
		if !w.windows.emitsOnChange || !w.windows.emission.Current && o.Records >= w.count {
			continue // the result of a full window is its final one
		}
		if err := w.windows.updated(r, k, o, w.span(o), latest); err != nil && failed == nil {
			failed = err
		}
	}
	full := false
	for len(k.Open) > 0 && k.Open[0].Records >= w.count {
		full = true
		w.windows.done = w.windows.store.RemoveFirst()
		if w.windows.emission.Current {
			continue
		}
		if err := w.windows.emit(r.Key, r.Origin, k, &w.windows.done, w.span(&w.windows.done)); err != nil && failed == nil {
			failed = err
		}
	}
	if full && w.windows.collector != nil {
		w.windows.store.DropItems()
	}
	return w.windows.emitDeferred(r, failed)
}

// hold returns the watermark of the operator: none. A result has the time of the first record of its window, which may be any
// time ago when the last one comes.
func (*counted[K, V, A, R]) hold(int64) (int64, error) { return NoWatermark, nil }

func (w *counted[K, V, A, R]) span(o *state.Window[A]) span {
	return span{o.Mark, o.Latest, o.Start, o.Start + o.Records - 1}
}
