package operator

import (
	"cmp"
	"math"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/window"
)

// session is the operator for sessions. A session is stored under the time of its first record; its Latest is the time
// of its last record.
//
// One bound, the oldest time that is accepted, decides about late records and closed sessions. A session is
// closed when no record from there on can reach it. So no record that is accepted finds its session closed, in any order of
// arrival, and late records never extend one.
type session[K, V, A, R any] struct{ windows *windows[K, V, A, R] }

// Receive implements [Receiver].
func (w *session[K, V, A, R]) Receive(r *weir.Record[K, V]) error {
	k, err := w.windows.place(r)
	if k == nil || err != nil {
		return err
	}
	at := r.Millis
	if rejected, err := w.windows.reject(r, at, at); rejected {
		return err
	}
	reached, err := w.windows.reached(k)
	if err != nil {
		return err
	}
	reached = max(reached, w.windows.pace.bound(at))
	if at < w.bound(reached) {
		return cmp.Or(w.windows.late(r, window.Closed, at, at, reached), w.windows.drop(r, weir.DropLate))
	}
	// The sessions that the record belongs to, or joins.
	from := 0
	for from < len(k.Open) && k.Open[from].Latest < at-w.windows.size {
		from++
	}
	to := from
	for to < len(k.Open) && k.Open[to].Start <= at+w.windows.size {
		to++
	}
	if err := w.windows.collect(r, at); err != nil {
		return err
	}
	w.windows.enumerate(k)
	o, latest := w.join(k, r, from, to)
	w.windows.idleFrom = min(w.windows.idleFrom, at+w.windows.grace)
	var failed error
	if w.windows.emitsOnChange {
		failed = w.windows.updated(r, k, o, spanOf(o), latest)
	}
	if w.windows.byPartition {
		w.windows.advancePartition(at)
		err = w.closePartition(r.Origin, reached)
	} else {
		err = w.closeKey(r.Key, r.Origin, k, reached)
		w.windows.keyClosed(k, reached)
	}
	if failed == nil {
		failed = err
	}
	return w.windows.emitDeferred(r, failed)
}

func spanOf[A any](o *state.Window[A]) span { return span{o.Start, o.Latest, o.Start, o.Latest} }

// join makes one session of those with the indexes from <= i < to, and adds the record. latest is the time of the last
// record before.
func (w *session[K, V, A, R]) join(k *state.Windows[A], r *weir.Record[K, V], from, to int) (o *state.Window[A], latest int64) {
	if from == to || from+1 == to && k.Open[from].Start <= r.Millis {
		start := r.Millis
		if from < to {
			start = k.Open[from].Start
		}
		return w.windows.update(k, r, start)
	}
	joined := k.Open[from]
	w.windows.first = joined.Acc
	if w.windows.counts(r) { // before the later session is merged: the record lies between the two
		w.windows.add(&w.windows.first, r)
	}
	for i := from + 1; i < to; i++ {
		w.windows.merger.Merge(&w.windows.first, k.Open[i].Acc)
		joined.Records += k.Open[i].Records
	}
	latest = k.Open[to-1].Latest
	start := min(joined.Start, r.Millis)
	for i := to - 1; i >= from; i-- {
		if k.Open[i].Start != start {
			w.windows.store.Remove(i)
		}
	}
	o, _ = w.windows.store.Update(start, max(latest, r.Millis))
	o.Acc, o.Records = w.windows.first, joined.Records+1
	if w.windows.orderer != nil {
		o.Mark = w.windows.number << 1
	}
	if w.windows.byPartition {
		w.windows.store.Index(o)
	}
	return o, latest
}

// bound returns the time before which records are late, once reached is reached: a gap of tolerance, and the grace period.
func (w *session[K, V, A, R]) bound(reached int64) int64 {
	return reached - w.windows.tolerance - w.windows.grace
}

// isClosed reports whether a session is out of reach of all records that are not late.
func (w *session[K, V, A, R]) isClosed(o *state.Window[A], reached int64) bool {
	return o.Latest+w.windows.size < w.bound(reached)
}

// closeKey closes the sessions of the current key.
func (w *session[K, V, A, R]) closeKey(key K, origin *weir.Origin, k *state.Windows[A], reached int64) error {
	if len(k.Open) == 0 || !w.isClosed(&k.Open[0], reached) {
		return nil
	}
	var failed error
	for len(k.Open) > 0 && w.isClosed(&k.Open[0], reached) {
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

// closed emits the results of closing the session in done.
func (w *session[K, V, A, R]) closed(key K, origin *weir.Origin, k *state.Windows[A]) error {
	w.windows.closings++
	if w.windows.emission.Current {
		return nil
	}
	return w.windows.emit(key, origin, k, &w.windows.done, spanOf(&w.windows.done))
}

func (w *session[K, V, A, R]) closePartition(origin *weir.Origin, reached int64) error {
	return w.windows.closeDue(origin, reached, w.closed)
}

// closeIdle closes sessions because time has passed without records.
func (w *session[K, V, A, R]) closeIdle(key K, k *state.Windows[A], _, reached int64) error {
	return w.closeKey(key, &w.windows.env.Origin, k, reached)
}

// nextClose returns when the next session of a key closes.
func (w *session[K, V, A, R]) nextClose(k *state.Windows[A], _ int64) int64 {
	if len(k.Open) == 0 {
		return math.MaxInt64
	}
	return k.Open[0].Latest + 2*w.windows.size + w.windows.grace + 1 // see isClosed
}

// hold returns the watermark of the operator: the start of the first session that is open, or can begin.
func (w *session[K, V, A, R]) hold(reached int64) (int64, error) {
	oldest, err := w.windows.oldestOpen()
	if err != nil {
		return NoWatermark, err
	}
	return min(reached, oldest, w.windows.pending.oldest()), nil
}
