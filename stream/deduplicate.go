package stream

import (
	"context"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/store"
)

// Deduplicate drops records that repeat the key and the id of an earlier record within a time. f returns the id of a
// value. The time ends with a record of any key in the partition that is at least within later than the first
// one. The first record is kept, and dropped records do not make the time longer. A record that is more
// than weir.DefaultMaxFutureSkew ahead of the clock does not end the time of others.
//
// The name is that of the store: renaming it starts from nothing. Ids are told apart as codec.For encodes them. Records
// with a null key are skipped and counted. A null value has no id: f is not asked, and the record is passed on.
func (s Stream[K, V]) Deduplicate[D any](name string, within time.Duration, f func(V) D) Stream[K, V] {
	return s.deduplicate(name, within, true, func(_ context.Context, r *weir.Record[K, V]) (D, error) { return f(r.Value), nil }).checked(f == nil)
}

// DeduplicateRecord is Deduplicate with a function of the whole record that can fail. It is asked for the id of null values too.
func (s Stream[K, V]) DeduplicateRecord[D any](name string, within time.Duration, f func(context.Context, weir.Record[K, V]) (D, error)) Stream[K, V] {
	return s.deduplicate(name, within, false, func(ctx context.Context, r *weir.Record[K, V]) (D, error) { return f(ctx, *r) }).checked(f == nil)
}

// deduplicate declares the operator. passNulls says that records with a null value have no id.
func (s Stream[K, V]) deduplicate[D any](
	name string, within time.Duration, passNulls bool, f func(context.Context, *weir.Record[K, V]) (D, error),
) Stream[K, V] {
	seen := store.NewMap[D, struct{}](name).WithTTL(within)
	first := func(ctx context.Context, m *store.Map[D, struct{}], r *weir.Record[K, V]) (bool, error) {
		if passNulls && r.ValueNull {
			return true, nil
		}
		id, err := f(ctx, r)
		if err != nil || m.Has(id) {
			return false, err
		}
		m.Set(id, struct{}{})
		return true, nil
	}
	return s.stateful("deduplicate", seen, s.key, func(env *operator.Env, node int, next operator.Receiver[K, V]) (operator.Receiver[K, V], error) {
		return operator.NewFilterState(env, node, seen, s.key, first, next)
	})
}
