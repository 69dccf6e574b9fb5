package operator

import (
	"math"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/state"
)

const noItem = math.MaxInt64

// closeBefore asks whether a window is to close before a value is added to it. The window stays in the store, without
// records: so the time of its key is not forgotten.
func (w *aligned[K, V, A, R]) closeBefore(r *weir.Record[K, V], k *state.Windows[A], start int64) error {
	o := k.Find(start)
	if o == nil || o.Records == 0 {
		return nil
	}
	s := w.span(start)
	w.windows.untilItem = w.windows.firstItem // without the value itself
	err := w.windows.result(k, o, s.firstItem, s.lastItem)
	w.windows.untilItem = noItem
	if err != nil {
		return err
	}
	if closes, err := w.windows.emission.CloseBefore(w.windows.env.Context, w.windows.out.Value.Value, r); err != nil || !closes {
		return err
	}
	w.restart(o, w.windows.firstItem)
	if !w.windows.emission.Current {
		w.windows.deferResult(s)
	}
	return nil
}

// closeAfter asks whether a window is to close after a value was added to it.
func (w *aligned[K, V, A, R]) closeAfter(r *weir.Record[K, V], k *state.Windows[A], o *state.Window[A], s span) error {
	w.windows.env.Enter(w.windows.node)
	if err := w.windows.result(k, o, s.firstItem, s.lastItem); err != nil {
		return err
	}
	if closes, err := w.windows.emission.CloseAfter(w.windows.env.Context, w.windows.out.Value.Value, r); err != nil || !closes {
		return err
	}
	w.restart(o, k.NextItem())
	if !w.windows.emission.Current {
		w.windows.deferResult(s)
	}
	return nil
}

// restart empties a window that has just been changed, or is about to be.
func (w *aligned[K, V, A, R]) restart(o *state.Window[A], firstItem int64) {
	o.Acc = w.windows.aggregator.Init()
	o.Records, o.Mark = 0, firstItem
}

// closeDue closes the windows of all keys that end, with grace, at or before reached. closed is called for each, after it was
// put into done.
func (w *windows[K, V, A, R]) closeDue(origin *weir.Origin, reached int64, closed func(K, *weir.Origin, *state.Windows[A]) error) error {
	var failed error
	for {
		k, i, encoded, ok, err := w.store.Due(reached - w.grace)
		if err != nil {
			return Fatal(err)
		}
		if !ok {
			return failed
		}
		w.done = w.store.Remove(i)
		key, err := w.decodeKey(encoded)
		if err == nil {
			err = closed(key, origin, k)
		}
		if w.collector != nil {
			w.store.DropItems()
		}
		if err != nil && failed == nil {
			failed = err
		}
	}
}
