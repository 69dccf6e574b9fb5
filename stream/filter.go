package stream

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/operator"
)

// Filter keeps the records with a value that f accepts.
func (s Stream[K, V]) Filter(f func(V) bool) Stream[K, V] {
	return s.operate("filter", func(env *operator.Env, node int, next operator.Receiver[K, V]) operator.Receiver[K, V] {
		return &operator.Filter[K, V]{Env: env, Node: node, F: f, Next: next}
	}).checked(f == nil)
}

// FilterRecord is Filter with a function of the whole record that can fail.
func (s Stream[K, V]) FilterRecord(f func(context.Context, weir.Record[K, V]) (bool, error)) Stream[K, V] {
	return s.filterRecord(func(ctx context.Context, r *weir.Record[K, V]) (bool, error) { return f(ctx, *r) }).checked(f == nil)
}

// FilterWith is Filter with a prepared condition on the value that can fail, such as one of package row:
//
//	readings.FilterWith(row.Where(row.Col("temperature").Gt(30)))
func (s Stream[K, V]) FilterWith(f func(context.Context, V) (bool, error)) Stream[K, V] {
	return s.filterRecord(func(ctx context.Context, r *weir.Record[K, V]) (bool, error) { return f(ctx, r.Value) }).checked(f == nil)
}

func (s Stream[K, V]) filterRecord(f func(context.Context, *weir.Record[K, V]) (bool, error)) Stream[K, V] {
	return s.operate("filter", func(env *operator.Env, node int, next operator.Receiver[K, V]) operator.Receiver[K, V] {
		return &operator.FilterRecord[K, V]{Env: env, Node: node, F: f, Next: next}
	})
}
