package operator

import (
	"cmp"
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/joining"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/join"
)

// AsOf joins each left record with the right record that was valid at its time. It receives the left records; Right
// receives the right ones. Results carry the key, time and headers of the left record.
type AsOf[K, V, R, W any] struct {
	env       *Env
	node      int
	right     *state.Timestamped[version[R]]
	keys      keyEncoder[K]
	unmatched bool // whether left records without a match are emitted
	tolerance int64
	direction joining.Direction
	merge     func(ctx context.Context, left *weir.Record[K, V], right *join.Matched[R]) (W, error)
	next      Receiver[K, W]
	out       weir.Record[K, W]
	match     join.Matched[R]
	null      nullRule[R]
	cloned    func(R) R             // copies right values that may change while they are kept, or nil
	waiting   *waiting[K, V, R, W]  // nil unless left records wait by event time
	buffered  *buffered[K, V, R, W] // nil unless left records wait by the clock
}

// NewAsOf opens the stores of an as-of join in the task of env and returns the operator. merge is called with nil for a
// left record without a match if unmatched is set. clonedLeft and clonedRight, if not nil, copy values that may change while they are kept.
func NewAsOf[K, V, R, W any](
	env *Env, node int, d join.AsOf, key codec.Codec[K], left codec.Codec[V], right codec.Codec[R], unmatched bool,
	clonedLeft func(V) V, clonedRight func(R) R,
	merge func(ctx context.Context, left *weir.Record[K, V], right *join.Matched[R]) (W, error), next Receiver[K, W],
) (*AsOf[K, V, R, W], error) {
	s := d.Settings()
	matches, err := openStore(env, d.StoreName(), showKeys(key, d.StoreName()), func(space state.Space) *state.Timestamped[version[R]] {
		return state.OpenTimestamped(space, codec.Codec[version[R]](versionCodec[R]{heldCodec[R]{right}}), state.TimestampedOptions{
			Grace: s.Grace, Duplicates: s.Duplicates,
		})
	})
	if err != nil {
		return nil, err
	}
	a := &AsOf[K, V, R, W]{
		env: env, node: node, keys: newKeyEncoder(key, d.StoreName()), unmatched: unmatched,
		tolerance: s.Tolerance, direction: s.Direction, merge: merge, next: next, right: matches, null: newNullRule(right), cloned: clonedRight,
	}
	switch {
	case s.Wait != nil:
		if a.buffered, err = newBuffered(a, s.Wait, key, left, clonedLeft); err != nil {
			return nil, err
		}
	case s.Waiting != "":
		if a.waiting, err = newWaiting(a, &s, key, left, clonedLeft); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// Receive implements [Receiver] for left records.
func (a *AsOf[K, V, R, W]) Receive(r *weir.Record[K, V]) error {
	a.env.Enter(a.node)
	key, ok, err := a.keys.encode(r.Key, r.KeyNull)
	if err != nil {
		return err
	}
	if !ok {
		return a.env.skipNullKey(a.node)
	}
	if a.waiting != nil {
		return a.waiting.receiveLeft(key, r)
	}
	if a.buffered != nil {
		return a.buffered.receiveLeft(key, r)
	}
	if err := a.right.Place(key); err != nil {
		return Fatal(err)
	}
	it, err := a.backward(r.Millis)
	if err != nil {
		return err
	}
	return a.emit(r, it)
}

// find returns the match of a left record as far as it is known, and whether a right record that is yet to come may
// be nearer.
func (a *AsOf[K, V, R, W]) find(at int64) (match *state.Timed[version[R]], open bool, err error) {
	var before *state.Timed[version[R]]
	if a.direction != joining.Forward {
		if before, err = a.backward(at); err != nil {
			return nil, false, err
		}
		if a.direction == joining.Backward || before != nil && before.At == at {
			return before, false, nil
		}
	}
	after, err := a.right.After(at)
	if err != nil {
		return nil, false, Fatal(err)
	}
	if after != nil && (after.Value.Null || after.At-at > a.tolerance) {
		// A null says that there is no value from its time on: nothing later matches.
		return before, false, nil
	}
	switch {
	case after == nil:
		return before, true, nil
	case before != nil && at-before.At <= after.At-at:
		return before, false, nil
	default:
		return after, false, nil
	}
}

// backward returns the latest right value that is not later than at, if it is near enough.
func (a *AsOf[K, V, R, W]) backward(at int64) (*state.Timed[version[R]], error) {
	it, err := a.right.Before(at)
	if err != nil {
		return nil, Fatal(err)
	}
	if it == nil || it.Value.Null || at-it.At > a.tolerance {
		return nil, nil
	}
	return it, nil
}

// emit emits a left record with its match, which may be nil.
func (a *AsOf[K, V, R, W]) emit(r *weir.Record[K, V], it *state.Timed[version[R]]) (err error) {
	derive(&a.out, r)
	a.env.Enter(a.node)
	switch {
	case it != nil:
		a.match.Value, a.match.Millis = it.Value.Value, it.At
		a.out.Value, err = a.merge(a.env.Context, r, &a.match)
	case a.unmatched:
		a.out.Value, err = a.merge(a.env.Context, r, nil)
	default:
		return nil
	}
	if err != nil {
		return err
	}
	return a.next.Receive(&a.out)
}

// Right returns the receiver of right records.
func (a *AsOf[K, V, R, W]) Right() Receiver[K, R] { return (*asOfRight[K, V, R, W])(a) }

type asOfRight[K, V, R, W any] AsOf[K, V, R, W]

// Receive implements [Receiver].
func (a *asOfRight[K, V, R, W]) Receive(r *weir.Record[K, R]) error {
	a.env.Enter(a.node)
	key, ok, err := a.keys.encode(r.Key, r.KeyNull)
	if err != nil {
		return err
	}
	if !ok {
		return a.env.skipNullKey(a.node)
	}
	if a.waiting != nil {
		return a.waiting.receiveRight(key, r)
	}
	if a.buffered != nil {
		return a.buffered.receiveRight(key, r)
	}
	_, err = (*AsOf[K, V, R, W])(a).keep(key, r)
	return err
}

// keep stores a right record, or counts it if it is too late for that.
func (a *AsOf[K, V, R, W]) keep(key []byte, r *weir.Record[K, R]) (kept bool, err error) {
	if err := a.right.Place(key); err != nil {
		return false, Fatal(err)
	}
	h := held(r, &a.null, a.cloned)
	kept, err = a.right.Put(r.Millis, &version[R]{h.Value, h.Null})
	if !kept {
		dropped := skipLate(a.env, a.node, a.right.Name(), "it is older than the grace of the join allows: later records of its key have come", r)
		return false, cmp.Or(Fatal(err), dropped)
	}
	return kept, Fatal(err)
}
