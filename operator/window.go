package operator

import (
	"fmt"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/window"
)

// Emission says when a window's result is emitted.
type Emission uint8

const (
	// Final emits a result once, when the window closes.
	Final Emission = iota
	// Current emits a result with every record that changes the window, and none when it closes.
	Current
)

// maxMillis is the last millisecond of the year 9999. Later times are a broken clock's, and arithmetic on them overflows.
const maxMillis = 253402300799999

// Window aggregates records by key and window. Results carry the key, the start of the window as their time, and no
// headers. Records with a null key are skipped and counted.
type Window[K, V, A, R any] struct {
	env        *Env
	node       int
	aggregator window.Aggregator[V, A, R]
	emission   Emission
	size       int64 // milliseconds
	grace      int64 // milliseconds
	store      *store.Windowed[A]
	keys       keyEncoder[K]
	next       Receiver[K, window.Result[R]]
	out        Record[K, window.Result[R]]
	// Here, not on the stack: what an aggregator is given escapes.
	first A
	done  store.Window[A]
}

// NewWindow opens the windows' store in the task of env and returns the operator.
func NewWindow[K, V, A, R any](
	env *Env, node int, d window.Definition, aggregator window.Aggregator[V, A, R], emission Emission,
	key codec.Codec[K], next Receiver[K, window.Result[R]],
) (*Window[K, V, A, R], error) {
	space, err := env.Space(d.StoreName())
	if err != nil {
		return nil, fmt.Errorf("open store %q: %w", d.StoreName(), err)
	}
	windows := store.OpenWindowed(space, aggregator.Codec())
	env.Stores = append(env.Stores, windows)
	return &Window[K, V, A, R]{
		env: env, node: node, aggregator: aggregator, emission: emission,
		size: d.SizeMillis(), grace: d.GraceMillis(),
		store: windows, keys: newKeyEncoder(key, d.StoreName()), next: next,
	}, nil
}

// Receive implements [Receiver].
func (w *Window[K, V, A, R]) Receive(r *Record[K, V]) error {
	w.env.Enter(w.node)
	key, ok, err := w.keys.encode(r.Key, r.KeyNull)
	if err != nil {
		return err
	}
	if !ok {
		w.env.skipNullKey(w.node)
		return nil
	}
	windows, err := w.store.Place(key)
	if err != nil {
		return Fatal(err)
	}
	at := r.Millis
	start := at - at%w.size
	if at < 0 || at > maxMillis || w.closed(start, windows.Latest) {
		w.late(r, start, windows.Latest)
		return nil
	}
	// The aggregator comes first: if it panics, there must be neither a window without records nor a later time.
	open := windows.Find(start)
	if open != nil {
		w.aggregator.Add(&open.Acc, r.Value, at)
		open, _ = w.store.Update(start, at)
	} else {
		w.first = w.aggregator.Init()
		w.aggregator.Add(&w.first, r.Value, at)
		open, _ = w.store.Update(start, at)
		open.Acc = w.first
	}

	var failed error
	if w.emission == Current {
		failed = w.emit(r, open)
	}
	// A closed window is removed before its result is emitted, and the others are still emitted after an error: where
	// the policy is to skip a record that fails, no other result may be lost with it.
	for len(windows.Open) > 0 && w.closed(windows.Open[0].Start, windows.Latest) {
		w.done = w.store.RemoveFirst()
		if w.emission == Final {
			if err := w.emit(r, &w.done); err != nil && failed == nil {
				failed = err
			}
		}
	}
	return failed
}

// closed reports whether the window that begins at start takes no more records of a key whose latest time is given.
func (w *Window[K, V, A, R]) closed(start, latest int64) bool {
	return start+w.size+w.grace <= latest
}

func (w *Window[K, V, A, R]) emit(r *Record[K, V], done *store.Window[A]) error {
	w.env.Enter(w.node)
	w.out.Key = r.Key
	w.out.Value.StartMillis = done.Start
	w.out.Value.EndMillis = done.Start + w.size
	w.out.Value.Value = w.aggregator.Result(&done.Acc)
	w.out.Millis = done.Start
	w.out.Origin = r.Origin
	return w.next.Receive(&w.out)
}

// late counts a record that its window does not take any more.
func (w *Window[K, V, A, R]) late(r *Record[K, V], start, latest int64) {
	w.env.Late++
	if w.env.Late == 1 {
		w.env.Logger.Warn("late record not added to its window; further ones are only counted",
			"store", w.store.Name(), "time", r.Time(), "window_start_ms", start, "stream_time_ms", latest,
			"topic", r.Origin.Topic, "partition", r.Origin.Partition, "offset", r.Origin.Offset)
	}
}
