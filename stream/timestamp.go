package stream

import (
	"context"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/operator"
)

// SetTimestamp gives each record the event time that f makes of its value, cut to milliseconds. It counts for the
// windows, joins, times to live and topics that follow. Records keep their order, and neither the order of reading topics
// nor the time of the operators before changes.
func (s Stream[K, V]) SetTimestamp(f func(V) time.Time) Stream[K, V] {
	return s.setTimestamp(func(_ context.Context, r *weir.Record[K, V]) (time.Time, error) { return f(r.Value), nil }).checked(f == nil)
}

// SetTimestampRecord is SetTimestamp with a function of the whole record that can fail.
func (s Stream[K, V]) SetTimestampRecord(f func(context.Context, weir.Record[K, V]) (time.Time, error)) Stream[K, V] {
	return s.setTimestamp(func(ctx context.Context, r *weir.Record[K, V]) (time.Time, error) { return f(ctx, *r) }).checked(f == nil)
}

func (s Stream[K, V]) setTimestamp(f func(context.Context, *weir.Record[K, V]) (time.Time, error)) Stream[K, V] {
	return s.operate("settimestamp", func(env *operator.Env, node int, next operator.Receiver[K, V]) operator.Receiver[K, V] {
		return operator.NewSetTimestamp(env, node, f, next)
	})
}
