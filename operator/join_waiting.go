package operator

import (
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/joining"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/join"
)

// waiting is the part of an as-of join with left records that wait for a right one that is not earlier.
type waiting[K, V, R, W any] struct {
	*AsOf[K, V, R, W]
	key codec.Codec[K]
	// left are the records that wait. Its watermark is the greatest time of both sides, within their pace.
	left *state.Timestamped[Held[V]]
	null nullRule[V]
	time pacedTime
	// released has the errors of left records that have waited.
	released *released
	// cloned copies left values that may change while they wait, or is nil.
	cloned func(V) V
	due    []state.Timed[Held[V]] // scratch
	held   weir.Record[K, V]      // scratch
}

func newWaiting[K, V, R, W any](
	a *AsOf[K, V, R, W], s *joining.AsOf[join.Overflow], key codec.Codec[K], left codec.Codec[V], cloned func(V) V,
) (*waiting[K, V, R, W], error) {
	waiters, err := openStore(a.env, s.Waiting, showKeys(key, s.Waiting), func(space state.Space) *state.Timestamped[Held[V]] {
		return state.OpenTimestamped(space, codec.Codec[Held[V]](heldCodec[V]{left}), state.TimestampedOptions{
			Duplicates: true, Index: true, Ahead: s.Tolerance,
		})
	})
	if err != nil {
		return nil, err
	}
	w := &waiting[K, V, R, W]{AsOf: a, key: key, left: waiters, null: newNullRule(left), time: newPacedTime(a.env, a.node), cloned: cloned, released: newReleased(a.env)}
	w.time.onPace(a.env, a.node, func(millis int64) error {
		_, err := w.advance(millis)
		return err
	})
	a.env.OnIdle(a.node, func(millis int64) error {
		a.env.Enter(a.node)
		// Not if there is nothing to do: the input may be silent before old records come.
		if due, err := w.left.HasDue(millis - w.tolerance - 1); err != nil || !due {
			return Fatal(err)
		}
		_, err := w.advance(millis)
		return err
	})
	a.env.OnHold(a.node, func(reached int64) (int64, error) {
		return leastWaiting(reached, w.tolerance, w.left.HasDue, w.left.Watermark)
	})
	return w, nil
}

// advance lets event time go on, and emits the records that need not wait any longer. It returns the time that is reached.
func (w *waiting[K, V, R, W]) advance(millis int64) (int64, error) {
	before, err := w.left.Watermark()
	if err != nil || millis <= before {
		return before, Fatal(err)
	}
	w.left.AdvanceTo(millis)
	for {
		limit := millis - w.tolerance - 1
		encoded, ok, err := w.left.Due(limit)
		if err != nil {
			return millis, Fatal(err)
		}
		if !ok {
			return millis, nil
		}
		if err := w.release([]byte(encoded), limit); err != nil {
			return millis, err
		}
	}
}

// release emits the records of a key that wait and are not later than limit. The store of left records is on the key. The others are emitted all the same
// if one fails.
func (w *waiting[K, V, R, W]) release(encoded []byte, limit int64) error {
	items, err := w.left.Between(state.NoTime, limit)
	if err != nil {
		return Fatal(err)
	}
	if len(items) == 0 {
		return nil
	}
	due := append(w.due[:0], items...)
	w.due = nil // in use
	if err := w.left.RemoveFirst(limit); err != nil {
		return Fatal(err)
	}
	if err := w.right.Place(encoded); err != nil {
		return Fatal(err)
	}
	key, err := w.key.Decode(&w.keys.context, encoded)
	if err != nil {
		return Fatal(fmt.Errorf("store %q: decode key %s: %w", w.left.Name(), state.Quote(encoded), err))
	}
	for i := range due {
		it := &due[i]
		err := w.released.emit(it.Value.From, func() error {
			w.held = weir.Record[K, V]{
				Key: key, Value: it.Value.Value, Millis: it.At, Headers: it.Value.Headers, Origin: &w.env.Origin, ValueNull: it.Value.Null,
			}
			match, _, err := w.find(it.At)
			if err != nil {
				return err
			}
			return w.emit(&w.held, match)
		})
		if err != nil {
			return err
		}
	}
	clear(due)
	w.due = due[:0]
	return nil
}

func (w *waiting[K, V, R, W]) receiveLeft(key []byte, r *weir.Record[K, V]) error {
	reached, err := w.advance(w.time.reach(r.Millis))
	if err != nil {
		return err
	}
	if err := w.right.Place(key); err != nil {
		return Fatal(err)
	}
	match, open, err := w.find(r.Millis)
	if err != nil {
		return err
	}
	if !open || reached-r.Millis > w.tolerance {
		return w.emit(r, match)
	}
	if err := w.left.Place(key); err != nil {
		return Fatal(err)
	}
	wait := held(r, &w.null, w.cloned)
	wait.Headers = copyHeaders(r.Headers)
	from := newHeldOrigin(&w.env.Origin)
	wait.From = &from
	_, err = w.left.Put(r.Millis, &wait)
	return Fatal(err)
}

func (w *waiting[K, V, R, W]) receiveRight(key []byte, r *weir.Record[K, R]) error {
	// First those that cannot match it any more: they would have been emitted before, had their time come before.
	if _, err := w.advance(w.time.reach(r.Millis)); err != nil {
		return err
	}
	if kept, err := w.keep(key, r); err != nil || !kept {
		return err
	}
	if err := w.left.Place(key); err != nil {
		return Fatal(err)
	}
	return w.release(key, r.Millis)
}
