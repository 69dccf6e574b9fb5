package stream

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/store"
)

// ProcessState calls f with state that belongs to the record's key, the record, and emit, which hands on a record of any
// key, value, time and headers. A record goes all the way through the topology before emit returns; emit must not be
// called later, or by another goroutine. The rules of MapState for state and of MapKey for new keys hold for ProcessState too.
// State set and records emitted before an error stay if the error policy goes on.
//
// For timers there is Process.
func (s Stream[K, V]) ProcessState[T, L, W any](stores store.Handle[T], f func(ctx context.Context, t T, r weir.Record[K, V], emit func(weir.Record[L, W])) error) Stream[L, W] {
	return s.processState(stores, func(ctx context.Context, t T, r *weir.Record[K, V], emit func(weir.Record[L, W])) error {
		return f(ctx, t, *r, emit)
	}).checked(f == nil)
}

func (s Stream[K, V]) processState[T, L, W any](
	stores store.Handle[T], f func(context.Context, T, *weir.Record[K, V], func(weir.Record[L, W])) error,
) Stream[L, W] {
	return s.stateful("processstate", stores, codec.For[L](), func(env *operator.Env, node int, next operator.Receiver[L, W]) (operator.Receiver[K, V], error) {
		return operator.NewProcessState(env, node, stores, s.key, f, next)
	})
}
