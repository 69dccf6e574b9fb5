package operator

import (
	"cmp"
	"math"
	"sort"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/window"
)

// sliding is the operator for sliding windows. The store holds one accumulator for each distinct time of a key's
// records, under that time; a window is made of those that it spans when its result is needed.
type sliding[K, V, A, R any] struct {
	windows *windows[K, V, A, R]
	sum     state.Window[A]
}

// Receive implements [Receiver].
func (w *sliding[K, V, A, R]) Receive(r *weir.Record[K, V]) error {
	k, err := w.windows.place(r)
	if k == nil || err != nil {
		return err
	}
	at := r.Millis
	own := max(0, at-w.windows.size)
	if rejected, err := w.windows.reject(r, own, at); rejected {
		return err
	}
	before, err := w.windows.reached(k)
	if err != nil {
		return err
	}
	reached := max(before, w.windows.pace.bound(at))
	open := reached - w.windows.grace // the first end of a window that is open
	if at < open-w.windows.size {
		return cmp.Or(w.windows.late(r, window.Closed, own, at, reached), w.windows.drop(r, weir.DropLate))
	}
	if err := w.windows.collect(r, at); err != nil {
		return err
	}
	w.windows.enumerate(k)
	o, _ := w.windows.update(k, r, at)
	w.windows.idleFrom = min(w.windows.idleFrom, at+w.windows.grace)
	var failed error
	keep := func(err error) {
		if failed == nil {
			failed = err
		}
	}
	if at < open {
		if w.windows.byPartition && o.Mark&markClosed == 0 {
			o.Mark |= markClosed
			w.windows.store.Index(o)
		}
		keep(w.windows.late(r, window.Closed, own, at, reached))
	}
	if w.windows.emission.Current {
		for i := w.search(k, max(at, open)); i < len(k.Open) && k.Open[i].Start <= at+w.windows.size; i++ {
			keep(w.emitAt(r.Key, r.Origin, k, i))
		}
	}
	if w.windows.byPartition {
		w.windows.advancePartition(at)
		keep(w.closePartition(r.Origin, reached))
	} else {
		keep(w.closeKey(r.Key, r.Origin, k, before, reached))
		w.windows.keyClosed(k, reached)
	}
	return failed
}

// search returns the index of the first time that is at least millis.
func (w *sliding[K, V, A, R]) search(k *state.Windows[A], millis int64) int {
	return sort.Search(len(k.Open), func(i int) bool { return k.Open[i].Start >= millis })
}

// emitAt emits the result of the window that ends at the time with index i.
func (w *sliding[K, V, A, R]) emitAt(key K, origin *weir.Origin, k *state.Windows[A], i int) error {
	w.windows.env.Enter(w.windows.node)
	end := k.Open[i].Start
	start := max(0, end-w.windows.size)
	w.sum.Acc = w.windows.aggregator.Init()
	for j := w.search(k, start); j <= i; j++ {
		w.windows.merger.Merge(&w.sum.Acc, k.Open[j].Acc)
	}
	return w.windows.emit(key, origin, k, &w.sum, span{start, end, start, end})
}

// closeKey closes the windows of the current key that time has passed on its way from before to reached, and drops values that
// no open window can contain.
func (w *sliding[K, V, A, R]) closeKey(key K, origin *weir.Origin, k *state.Windows[A], before, reached int64) error {
	open := reached - w.windows.grace
	var failed error
	if before == state.NoTime {
		before = w.windows.grace // nothing ends before 0
	}
	for i := w.search(k, before-w.windows.grace); i < len(k.Open) && k.Open[i].Start < open; i++ {
		w.windows.closings++
		if w.windows.emission.Current {
			continue
		}
		if err := w.emitAt(key, origin, k, i); err != nil && failed == nil {
			failed = err
		}
	}
	if len(k.Open) == 0 || k.Open[0].Start >= open-w.windows.size {
		return failed
	}
	for len(k.Open) > 0 && k.Open[0].Start < open-w.windows.size {
		w.windows.store.RemoveFirst()
	}
	if w.windows.collector != nil {
		w.windows.store.DropItems()
	}
	return failed
}

// slotEnd is when, in terms of the index, there is something to do for a time of a key: first to close the window that
// ends then, later to forget it. That is one millisecond later than it could be, so that a window which needs the time
// is closed before.
func (w *windows[K, V, A, R]) slotEnd(o *state.Window[A]) int64 {
	if o.Mark&markClosed == 0 {
		return o.Start + 1
	}
	return o.Start + w.size + 2
}

// closePartition closes the windows of all keys that end before reached, less the grace period, and drops values that no open
// window can contain.
func (w *sliding[K, V, A, R]) closePartition(origin *weir.Origin, reached int64) error {
	var failed error
	for {
		k, i, encoded, ok, err := w.windows.store.Due(reached - w.windows.grace)
		if err != nil {
			return Fatal(err)
		}
		if !ok {
			return failed
		}
		if k.Open[i].Mark&markClosed != 0 {
			w.windows.store.Remove(i)
			if w.windows.collector != nil {
				w.windows.store.DropItems()
			}
			continue
		}
		w.windows.closings++
		o, _ := w.windows.store.Update(k.Open[i].Start, k.Open[i].Latest)
		o.Mark |= markClosed
		w.windows.store.Index(o)
		if w.windows.emission.Current {
			continue
		}
		key, err := w.windows.decodeKey(encoded)
		if err == nil {
			err = w.emitAt(key, origin, k, i)
		}
		if err != nil && failed == nil {
			failed = err
		}
	}
}

// closeIdle closes windows because time has passed without records.
func (w *sliding[K, V, A, R]) closeIdle(key K, k *state.Windows[A], before, reached int64) error {
	return w.closeKey(key, &w.windows.env.Origin, k, before, reached)
}

// nextClose returns when the next window of a key closes.
func (w *sliding[K, V, A, R]) nextClose(k *state.Windows[A], reached int64) int64 {
	if i := w.search(k, reached-w.windows.grace); i < len(k.Open) {
		return k.Open[i].Start + w.windows.grace + 1
	}
	return math.MaxInt64
}

// hold returns the watermark of the operator: the start of the first window that is to close, or that a record can come into.
func (w *sliding[K, V, A, R]) hold(reached int64) (int64, error) {
	end := reached
	if !w.windows.emission.Current {
		oldest, err := w.windows.oldestOpen()
		if err != nil {
			return NoWatermark, err
		}
		end = min(end, oldest)
	}
	return min(end-w.windows.size, w.windows.pending.oldest()), nil
}
