package operator

import (
	"context"
	"errors"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
)

// AsyncOptions configures [NewAsync]. No field may be zero but Retry and Unordered.
type AsyncOptions struct {
	// Concurrency is the greatest number of calls at a time.
	Concurrency int
	// Timeout bounds one attempt.
	Timeout time.Duration
	// Retry says how often a call is made again.
	Retry weir.Retry
	// Unordered hands results on as they come, in order for each key only.
	Unordered bool
}

// heldPerCall is how many records an Async holds for each concurrent call before it is full. Those that are not in flight wait for
// a call, or have a result and wait for an earlier one.
const heldPerCall = 4

// Async emits one record for each, with the value that a function makes of it on another goroutine. It hands the results on when it is
// settled, on the task's goroutine. Key, time and headers are kept.
//
// It is a [Buffer] that holds records between two steps: Settle waits for calls only while Env.Landing is set.
type Async[K, V, W any] struct {
	env     *Env
	node    int
	f       func(context.Context, weir.Record[K, V]) (W, error)
	next    Receiver[K, W]
	out     weir.Record[K, W]
	options AsyncOptions
	clone   func(V) V // or nil
	calls   *callPool
	// context is that of the calls since the last Discard, nil before the first of them.
	context context.Context
	cancel  context.CancelCauseFunc

	// held are the records that were not handed on, in the order of the input. Some of them are gone if ragged is set.
	held   []*asyncRecord[K, V, W]
	ragged bool
	// working is the record that is being handed on, which has failed if it is still set at the next call.
	working *asyncRecord[K, V, W]
	// keys and last are nil unless the operator is unordered; last is the last held record of each encoded key.
	keys *keyEncoder[K]
	last map[string]*asyncRecord[K, V, W]
}

// asyncRecord is a record with its call.
type asyncRecord[K, V, W any] struct {
	call
	record weir.Record[K, V]
	origin weir.Origin
	value  W
	// key is the encoded key, after the record that has to be handed on before this one, if they are unordered.
	key   string
	after *asyncRecord[K, V, W]
	// gone is set when the record was handed on or given up, reported if Settle has said that its call asks for time.
	gone, reported bool
}

// NewAsync returns an operator that calls f for many records at a time. cloned, if not nil, copies values that may change while they
// are held.
func NewAsync[K, V, W any](
	env *Env, node int, options AsyncOptions, key codec.Codec[K], cloned func(V) V,
	f func(context.Context, weir.Record[K, V]) (W, error), next Receiver[K, W],
) *Async[K, V, W] {
	a := &Async[K, V, W]{env: env, node: node, f: f, next: next, options: options, clone: cloned, calls: newCallPool(env, options)}
	if options.Unordered {
		keys := newKeyEncoder(key, "")
		a.keys, a.last = &keys, map[string]*asyncRecord[K, V, W]{}
	}
	env.Buffers = append(env.Buffers, a)
	env.Flights = append(env.Flights, a)
	env.OnHold(node, a.hold)
	env.OnClose = append(env.OnClose, func() error {
		a.Discard()
		a.calls.close()
		return nil
	})
	return a
}

// Receive implements [Receiver]. It keeps a copy of the record, and begins its call if there is room for one.
func (a *Async[K, V, W]) Receive(r *weir.Record[K, V]) error {
	a.env.Enter(a.node)
	kept := &asyncRecord[K, V, W]{record: *r, origin: a.env.Origin}
	if r.Origin != nil {
		kept.origin = *r.Origin
	}
	kept.record.Origin, kept.record.Headers = &kept.origin, copyHeaders(r.Headers)
	if a.clone != nil {
		kept.record.Value = a.clone(r.Value)
	}
	if a.keys != nil {
		if err := a.follow(kept); err != nil {
			return err
		}
	}
	if a.context == nil {
		base := a.env.Context
		if a.env.Trace != nil {
			base = a.env.Trace.Base()
		}
		a.context, a.cancel = context.WithCancelCause(base)
	}
	kept.context = a.context
	if a.env.Trace != nil {
		kept.context = a.env.Trace.Carry(a.context)
	}
	kept.attempt = func(ctx context.Context) (err error) {
		kept.value, err = a.f(ctx, kept.record)
		return err
	}
	a.held = append(a.held, kept)
	if len(a.held) == 1 {
		a.calls.expect(&kept.call)
	}
	a.calls.add(&kept.call)
	return nil
}

// follow puts a record behind the last one of its key.
func (a *Async[K, V, W]) follow(kept *asyncRecord[K, V, W]) error {
	encoded, some, err := a.keys.encode(kept.record.Key, kept.record.KeyNull)
	if err != nil {
		return err
	}
	kept.key = "null"
	if some {
		kept.key = "key " + string(encoded)
	}
	kept.after = a.last[kept.key]
	a.last[kept.key] = kept
	return nil
}

// Full implements [Buffer].
func (a *Async[K, V, W]) Full() bool { return len(a.held) >= heldPerCall*a.options.Concurrency }

// Held implements [Buffer].
func (a *Async[K, V, W]) Held() int { return len(a.held) }

// Arrived implements [Flight]. A call may end while its result is being handed on already: then nothing is left of what it has
// announced.
func (a *Async[K, V, W]) Arrived() bool { return len(a.held) > 0 && a.calls.arrived() }

// Discard implements [Buffer]. Calls in flight are cancelled, and nobody looks at their results.
func (a *Async[K, V, W]) Discard() {
	if a.cancel != nil {
		a.cancel(errDiscarded)
	}
	a.context, a.cancel = nil, nil
	a.calls.drop()
	clear(a.held)
	clear(a.last)
	a.held, a.ragged, a.working = a.held[:0], false, nil
}

// Settle implements [Buffer].
func (a *Async[K, V, W]) Settle() error {
	if failed := a.working; failed != nil { // a panic came out of here
		a.giveUp(failed)
	}
	for {
		if err := a.handOn(); err != nil {
			return err
		}
		if len(a.held) == 0 || !a.env.Landing {
			return nil
		}
		if err := a.calls.await(); err != nil {
			return err
		}
	}
}

// handOn hands on the results that no earlier record holds back.
func (a *Async[K, V, W]) handOn() error {
	a.calls.look()
	defer a.tidy()
	var later *UnsettledError
	var asker *asyncRecord[K, V, W] // the record of later
	ask := func(r *asyncRecord[K, V, W], asks *weir.RetryLaterError) {
		r.reported = true
		if later == nil || asks.Wait() > later.Wait() {
			later, asker = &UnsettledError{weir.RetryLaterError{RetryAfter: asks.RetryAfter, Err: r.err}}, r
		}
	}
	again := func(r *asyncRecord[K, V, W]) {
		r.reported = false
		a.calls.add(&r.call)
	}
	for i, r := range a.held {
		if r.gone {
			continue
		}
		if r.after != nil && r.after.gone {
			r.after = nil
		}
		ended := r.done.Load() // asked once: a call may end at any moment
		var asks *weir.RetryLaterError
		if ended {
			asks, _ = r.asks()
		}
		switch {
		case !ended || asks == nil && r.after != nil:
		case asks == nil:
			if err := a.emit(r); err != nil {
				return err
			}
			continue
		case !r.reported:
			ask(r, asks)
			if a.keys == nil { // the others that ask for time do so now, not each when it is the first
				for _, other := range a.held[i+1:] {
					if asks, ok := other.asks(); ok && !other.reported {
						ask(other, asks)
					}
				}
			}
		default: // the time is over
			again(r)
			if a.keys == nil {
				for _, other := range a.held[i+1:] {
					if other.reported {
						again(other)
					}
				}
			}
		}
		if a.keys == nil {
			break
		}
	}
	if later == nil {
		return nil
	}
	a.env.Origin = asker.origin
	a.env.Enter(a.node)
	return later
}

// asks returns the error of a call that has ended and is to be made again later.
func (r *asyncRecord[K, V, W]) asks() (*weir.RetryLaterError, bool) {
	if r.gone || !r.done.Load() {
		return nil, false
	}
	return errors.AsType[*weir.RetryLaterError](r.err)
}

// emit hands on one record, or gives it up.
func (a *Async[K, V, W]) emit(r *asyncRecord[K, V, W]) error {
	a.env.Origin = r.origin
	a.env.Enter(a.node)
	a.leave(r)
	a.working = r
	err := r.err
	if err == nil {
		err = a.handOnOne(r)
	}
	if err != nil {
		a.giveUp(r)
		return err
	}
	a.working = nil
	return nil
}

// handOnOne hands on the result of a record.
func (a *Async[K, V, W]) handOnOne(r *asyncRecord[K, V, W]) error {
	if a.env.Trace != nil {
		defer a.env.Trace.Resume(r.record.Headers)()
	}
	derive(&a.out, &r.record)
	a.out.Value = r.value
	return a.next.Receive(&a.out)
}

// leave takes a record out of those that are held.
func (a *Async[K, V, W]) leave(r *asyncRecord[K, V, W]) {
	r.gone, r.after, a.ragged = true, nil, true
	if a.keys != nil && a.last[r.key] == r {
		delete(a.last, r.key)
	}
}

// giveUp gives up the input record of a record that has failed: others of it that came behind are not handed on either.
func (a *Async[K, V, W]) giveUp(failed *asyncRecord[K, V, W]) {
	a.working = nil
	behind := false
	for _, r := range a.held {
		switch {
		case r == failed:
			behind = true
		case !behind || r.gone:
		case r.origin == failed.origin:
			a.leave(r)
		default:
			behind = false
		}
	}
	a.tidy()
}

// tidy forgets the records that are gone, and tells the calls which of them is awaited.
func (a *Async[K, V, W]) tidy() {
	if a.ragged {
		a.ragged = false
		n := 0
		for _, r := range a.held {
			if !r.gone {
				a.held[n] = r
				n++
			}
		}
		clear(a.held[n:])
		a.held = a.held[:n]
	}
	if len(a.held) > 0 {
		a.calls.expect(&a.held[0].call)
	}
}

// hold returns the event time before which the operator emits nothing any more when its input has reached a time.
func (a *Async[K, V, W]) hold(reached int64) (int64, error) {
	for _, r := range a.held {
		reached = min(reached, r.record.Millis)
	}
	return reached, nil
}
