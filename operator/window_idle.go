package operator

import (
	"math"

	"github.com/weirstreams/weir/store"
)

// advance closes windows up to a time that is reached without records. By key, all keys are looked at; that happens
// only if one of them may have something to close. closeKey returns the time at which it has more to do for the key.
func (w *windows[K, V, A, R]) advance(
	millis int64,
	closeKey func(key K, k *store.Windows[A], before, reached int64) (next int64, err error),
	closePartition func(origin *Origin, reached int64) error,
) error {
	w.env.Enter(w.node)
	watermark, err := w.store.Watermark()
	if err != nil {
		return Fatal(err)
	}
	if millis <= watermark || millis < w.idleFrom {
		return nil
	}
	if w.byPartition {
		closings := w.closings
		err := closePartition(&w.env.Origin, millis)
		w.advanced(millis, closings)
		return err
	}
	keys, err := w.store.Keys()
	if err != nil {
		return Fatal(err)
	}
	next, closings := int64(math.MaxInt64), w.closings
	var failed error
	for _, encoded := range keys {
		k, err := w.store.Place([]byte(encoded))
		if err != nil {
			return Fatal(err)
		}
		key, err := w.decodeKey(encoded)
		if err != nil {
			return err
		}
		before := max(k.Latest, watermark)
		at, err := closeKey(key, k, before, max(before, millis))
		if err != nil && failed == nil {
			failed = err
		}
		next = min(next, at)
	}
	w.advanced(millis, closings)
	w.idleFrom = next
	return failed
}

// advanced makes what comes for windows that idleness has closed late. If none was closed, nothing is: the input may be
// silent before old records come, as it is when they are about to be written again.
func (w *windows[K, V, A, R]) advanced(millis, closings int64) {
	if w.closings > closings {
		w.store.AdvanceTo(millis)
	}
}
