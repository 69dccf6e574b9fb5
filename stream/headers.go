package stream

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/operator"
)

// SetHeaders replaces the headers of each record by those that f returns, which may be nil. f is given a copy of the headers,
// in order and with duplicates, that it may change, append to and return; it must not keep it. An error of f is a processing error.
func (s Stream[K, V]) SetHeaders(f func(context.Context, weir.Record[K, V]) ([]weir.Header, error)) Stream[K, V] {
	return s.setHeaders(func(ctx context.Context, r *weir.Record[K, V]) ([]weir.Header, error) { return f(ctx, *r) }).checked(f == nil)
}

func (s Stream[K, V]) setHeaders(f func(context.Context, *weir.Record[K, V]) ([]weir.Header, error)) Stream[K, V] {
	return s.operate("setheaders", func(env *operator.Env, node int, next operator.Receiver[K, V]) operator.Receiver[K, V] {
		return &operator.SetHeaders[K, V]{Env: env, Node: node, F: f, Next: next}
	})
}

// AddHeader adds a header to each record, behind those that it has, with the bytes that f makes of the value. SetHeaders does
// the same by a function of the whole record that can fail.
func (s Stream[K, V]) AddHeader(key string, f func(V) []byte) Stream[K, V] {
	return s.addHeader(key, func(_ context.Context, r *weir.Record[K, V]) ([]byte, error) { return f(r.Value), nil }).checked(f == nil)
}

func (s Stream[K, V]) addHeader(key string, f func(context.Context, *weir.Record[K, V]) ([]byte, error)) Stream[K, V] {
	return s.operate("addheader", func(env *operator.Env, node int, next operator.Receiver[K, V]) operator.Receiver[K, V] {
		return &operator.AddHeader[K, V]{Env: env, Node: node, Key: key, F: f, Next: next}
	})
}
