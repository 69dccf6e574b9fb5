package operator

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/internal/windowing"
	"github.com/weirstreams/weir/window"
)

// Emission says when the results of windows are emitted. The zero value emits each once, when its window closes.
type Emission[K, V, R any] struct {
	// Current emits a result with every record that changes the window, and none when it closes.
	Current bool
	// EveryRecords, EveryMillis and When emit a result early, in addition: with each n-th record of the window, when the
	// greatest time in it has passed a multiple of the duration from its start, and when a function of the result so
	// far and of the record says so.
	EveryRecords int64
	EveryMillis  int64
	When         Trigger[K, V, R]
	// CloseAfter closes a window, and emits its result, as soon as the function says so of its result.
	CloseAfter Trigger[K, V, R]
	// CloseBefore does so before a record is added, which is then added to a new window.
	CloseBefore Trigger[K, V, R]
	// Suppress, if not nil, holds back results of Current.
	Suppress *window.Suppression
	// NilFunction names the method that was given no function, if there is one.
	NilFunction string
}

// Trigger decides about a window from the result so far and the record that is being processed. An error is one of the
// record.
type Trigger[K, V, R any] func(ctx context.Context, soFar R, r *weir.Record[K, V]) (bool, error)

// millis returns a duration, or the longest that there is.
func millis(n int64) time.Duration {
	const most = math.MaxInt64 / int64(time.Millisecond)
	return time.Duration(min(n, most)) * time.Millisecond
}

// result sets out to the result of a window. items are those with from <= at <= to.
func (w *windows[K, V, A, R]) result(k *state.Windows[A], o *state.Window[A], from, to int64) error {
	if w.collector == nil {
		w.out.Value.Value = w.aggregator.Result(&o.Acc)
		return nil
	}
	since := o.Mark
	if w.step == 0 { // only windows that triggers close have a past
		since = 0
	}
	var err error
	if w.out.Value.Value, err = w.collector.ResultOf(&o.Acc, k.Items(from, to, since, w.untilItem)); err != nil {
		return &weir.CodecError{Part: codec.State.String(), Err: err}
	}
	return nil
}

// send emits the result that out holds.
func (w *windows[K, V, A, R]) send(key K, origin *weir.Origin, start, end int64) error {
	w.out.Key = key
	w.out.Value.StartMillis = start
	w.out.Value.EndMillis = end
	w.out.Millis = start
	w.out.Origin = origin
	if w.pending.active {
		return w.hold()
	}
	return w.next.Receive(&w.out)
}

// emit emits the result of a window. start and end are those of the result; items are those from first to last.
func (w *windows[K, V, A, R]) emit(key K, origin *weir.Origin, k *state.Windows[A], o *state.Window[A], s span) error {
	w.env.Enter(w.node)
	if err := w.result(k, o, s.firstItem, s.lastItem); err != nil {
		return err
	}
	return w.send(key, origin, s.start, s.end)
}

// span is a window as results show it.
type span struct {
	start, end          int64
	firstItem, lastItem int64 // the items of the window are from one to the other
}

// early reports whether a window that a record was just added to has a result to emit before it closes. latest is the
// greatest time in the window before. It may compute the result, to ask about it.
func (w *windows[K, V, A, R]) early(r *weir.Record[K, V], k *state.Windows[A], o *state.Window[A], s span, latest int64) (bool, error) {
	e := &w.emission
	if e.EveryRecords > 0 && o.Records%e.EveryRecords == 0 {
		return true, nil
	}
	if d := e.EveryMillis; d > 0 {
		before := int64(0)
		if latest != state.NoTime {
			before = (latest - s.start) / d
		}
		if (o.Latest-s.start)/d > before {
			return true, nil
		}
	}
	if e.When == nil {
		return false, nil
	}
	w.env.Enter(w.node)
	if err := w.result(k, o, s.firstItem, s.lastItem); err != nil {
		return false, err
	}
	return e.When(w.env.Context, w.out.Value.Value, r)
}

// updated emits the results of a change of a window: at once with Current, and by emitDeferred otherwise. It is called only if there
// can be such results; see windows.emitsOnChange.
func (w *windows[K, V, A, R]) updated(r *weir.Record[K, V], k *state.Windows[A], o *state.Window[A], s span, latest int64) error {
	if w.emission.Current {
		return w.emit(r.Key, r.Origin, k, o, s)
	}
	if emit, err := w.early(r, k, o, s, latest); err != nil || !emit {
		return err
	}
	w.env.Enter(w.node)
	if err := w.result(k, o, s.firstItem, s.lastItem); err != nil {
		return err
	}
	w.deferResult(s)
	return nil
}

// deferred is a result that waits until the windows that time closes were emitted.
type deferred[R any] struct {
	value      R
	start, end int64
}

// deferResult keeps the result in out for emitDeferred: windows that close by time begin earlier than those that a record
// changes, and their results come first.
func (w *windows[K, V, A, R]) deferResult(s span) {
	w.deferred = append(w.deferred, deferred[R]{w.out.Value.Value, s.start, s.end})
}

// emitDeferred emits the results that a record calls for in windows that are not closed by time. failed is an error of the
// record so far: results are emitted after it all the same, as the state has changed, unless it is fatal. Most records call for none.
func (w *windows[K, V, A, R]) emitDeferred(r *weir.Record[K, V], failed error) error {
	if len(w.deferred) == 0 {
		return failed
	}
	return w.sendDeferred(r, failed)
}

func (w *windows[K, V, A, R]) sendDeferred(r *weir.Record[K, V], failed error) error {
	for i := range w.deferred {
		if failed != nil && IsFatal(failed) {
			break
		}
		d := &w.deferred[i]
		w.out.Value.Value = d.value
		if err := w.send(r.Key, r.Origin, d.start, d.end); err != nil && failed == nil {
			failed = err
		}
	}
	w.forgetDeferred()
	return failed
}

// forgetDeferred drops deferred results: after they were emitted, and those of a record that ended in a panic.
func (w *windows[K, V, A, R]) forgetDeferred() {
	clear(w.deferred)
	w.deferred = w.deferred[:0]
}

// isEarly reports whether there are early results.
func (e *Emission[K, V, R]) isEarly() bool {
	return e.EveryRecords != 0 || e.EveryMillis != 0 || e.When != nil
}

// Validate returns the mistakes of the emission for windows of a definition.
func (e *Emission[K, V, R]) Validate(d window.Definition) error {
	kind := d.Settings().Kind
	early := e.isEarly()
	switch {
	case e.NilFunction != "":
		return fmt.Errorf("%s: the function is nil", e.NilFunction)
	case e.EveryRecords < 0:
		return errors.New("EveryRecords: the number must be positive")
	case e.EveryMillis < 0:
		return errors.New("EveryTime: the duration must be a positive, whole number of milliseconds")
	case early && e.Current:
		return errors.New("early results (EveryRecords, EveryTime, When) are for Final: with Current every result is emitted already")
	case early && kind == windowing.Sliding:
		return errors.New("results of sliding windows cannot be emitted early")
	case (e.CloseAfter != nil || e.CloseBefore != nil) && kind != windowing.Tumbling && kind != windowing.Hopping:
		return errors.New("CloseAfter and CloseBefore are for tumbling and hopping windows by time")
	case e.Suppress != nil && kind.ByCount():
		return errors.New("results of windows by count cannot be held back")
	case e.Suppress != nil:
		return e.Suppress.Validate()
	}
	return nil
}
