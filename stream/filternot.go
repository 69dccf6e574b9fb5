package stream

import (
	"context"

	"github.com/weirstreams/weir/operator"
)

// FilterNot drops the records whose value f accepts.
func (s Stream[K, V]) FilterNot(f func(V) bool) Stream[K, V] {
	return s.operate("filternot", func(env *operator.Env, node int, next operator.Receiver[K, V]) operator.Receiver[K, V] {
		return &operator.Filter[K, V]{Env: env, Node: node, F: func(v V) bool { return !f(v) }, Next: next}
	}).checked(f == nil)
}

// FilterNotRecord is FilterNot with a function of the whole record that can fail.
func (s Stream[K, V]) FilterNotRecord(f func(context.Context, Record[K, V]) (bool, error)) Stream[K, V] {
	return s.filterNot(func(ctx context.Context, r *Record[K, V]) (bool, error) { return f(ctx, *r) }).checked(f == nil)
}

func (s Stream[K, V]) filterNot(f func(context.Context, *Record[K, V]) (bool, error)) Stream[K, V] {
	not := func(ctx context.Context, r *Record[K, V]) (bool, error) {
		drop, err := f(ctx, r)
		return !drop, err
	}
	return s.operate("filternot", func(env *operator.Env, node int, next operator.Receiver[K, V]) operator.Receiver[K, V] {
		return &operator.FilterRecord[K, V]{Env: env, Node: node, F: not, Next: next}
	})
}
