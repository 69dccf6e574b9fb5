package stream

import (
	"context"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/ability"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/typename"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/window"
)

// Windowed is a stream with records that fall into windows by their time. It is made by Stream.Window.
type Windowed[K, V any] struct {
	stream     Stream[K, V]
	definition window.Definition
	declared   *graph.Unfinished
}

// Window assigns the records of each key to windows. Aggregate chooses the result of a window.
func (s Stream[K, V]) Window(d window.Definition) Windowed[K, V] {
	return Windowed[K, V]{s, d, s.topology.unfinished("window "+d.String(), "the window has no Aggregate: it computes nothing", d.Validate)}
}

// Aggregate computes one result per key and window. When results are emitted is said by Final or Current.
func (w Windowed[K, V]) Aggregate[A, R any](a window.Aggregator[V, A, R]) Aggregated[K, V, R] {
	s, d := w.stream, w.definition
	settings := d.Settings()
	w.declared.Done = true
	declared := s.topology.unfinished("window "+d.String(),
		"nothing says when results are emitted, and so nothing is computed: call Final, Current or Suppress", d.Validate)
	return Aggregated[K, V, R]{lower: func(emission operator.Emission[K, V, R]) Stream[K, window.Result[R]] {
		declared.Done = true
		n := &graph.Node{Kind: "window", Detail: d.String(), Stores: []string{d.StoreName()}, Timed: !settings.Kind.ByCount()}
		if settings.Unlogged {
			n.WithoutChangelog(d.StoreName())
		}
		if a != nil {
			n.Keep(d.StoreName(), typename.Codec(s.key), typename.Codec(a.Codec()))
			meaning := typename.Aggregator(a)
			if settings.ByPartition {
				meaning += ", closed by partition"
			}
			n.Mean(d.StoreName(), meaning)
		}
		out := s.then(n, s.key, func(env *operator.Env, node int, next operator.Receiver[K, window.Result[R]]) (operator.Receiver[K, V], error) {
			return operator.NewWindow(env, node, d, a, emission, s.key, next)
		})
		find := func(err error) {
			if err != nil {
				s.topology.graph.Find(n, "%v", err)
			}
		}
		find(d.Validate())
		if a == nil {
			s.topology.graph.Find(n, "the aggregator is nil")
			return out
		}
		if v, ok := a.(interface{ Validate() error }); ok {
			find(v.Validate())
		}
		if settings.Kind.NeedsMerge() && ability.Of[window.Merger[A]](a, ability.Parts.Merges) == nil {
			s.topology.graph.Find(n, "the aggregator cannot merge accumulators, which %s windows need: use window.ReduceMerging or CustomMerging, or implement window.Merger", d)
		}
		find(emission.Validate(d))
		return out
	}}
}

// Aggregated is a windowed aggregation that only lacks a word on when its results are emitted. It does nothing until
// Final, Current or Suppress is called, and takes one of them. Its other methods return changed copies.
type Aggregated[K, V, R any] struct {
	emission operator.Emission[K, V, R]
	lower    func(operator.Emission[K, V, R]) Stream[K, window.Result[R]]
}

// Final emits one result per window, when it closes. Results of one record come in the order of their windows. They
// carry the key and the start of the window as their time, and no headers.
func (a Aggregated[K, V, R]) Final() Stream[K, window.Result[R]] { return a.lower(a.emission) }

// Current emits the result of a window each time that a record has changed it, and nothing when the window closes.
func (a Aggregated[K, V, R]) Current() Stream[K, window.Result[R]] {
	a.emission.Current = true
	return a.lower(a.emission)
}

// Suppress is Current, but holds results back, so that of many results of one window the last is emitted.
func (a Aggregated[K, V, R]) Suppress(s window.Suppression) Stream[K, window.Result[R]] {
	if s.MaxResults == 0 {
		s.MaxResults = 10_000
	}
	a.emission.Suppress = &s
	return a.Current()
}

// EveryRecords lets Final emit a result early, too, with each n-th record of a window.
func (a Aggregated[K, V, R]) EveryRecords(n int) Aggregated[K, V, R] {
	a.emission.EveryRecords = int64(n)
	if n <= 0 {
		a.emission.EveryRecords = -1
	}
	return a
}

// EveryTime lets Final emit a result early, too, when the greatest time in a window passes a multiple of d after the
// start of the window. The time is that of records: nothing is emitted while none come.
func (a Aggregated[K, V, R]) EveryTime(d time.Duration) Aggregated[K, V, R] {
	a.emission.EveryMillis = d.Milliseconds()
	if d <= 0 || d%time.Millisecond != 0 {
		a.emission.EveryMillis = -1
	}
	return a
}

// EmitWhen lets Final emit a result early, too, after each record with which f says so of the result so far.
func (a Aggregated[K, V, R]) EmitWhen(f func(soFar R) bool) Aggregated[K, V, R] {
	a.emission.When = triggerOf[K, V](f)
	return a.checked("EmitWhen", f == nil)
}

// EmitWhenRecord is EmitWhen with a function that also gets the record: its key, value, time and headers. An error of f is one of
// the record. The value of the record stays in the window.
func (a Aggregated[K, V, R]) EmitWhenRecord(f func(ctx context.Context, soFar R, r weir.Record[K, V]) (bool, error)) Aggregated[K, V, R] {
	a.emission.When = recordTriggerOf(f)
	return a.checked("EmitWhenRecord", f == nil)
}

// CloseAfter closes a window before its time, after a record with which f says so of the result. Later records of the
// window are aggregated anew, and may give further results of the same window. It is for tumbling and hopping
// windows by time. Results of windows that the same record closes by time come first.
func (a Aggregated[K, V, R]) CloseAfter(f func(soFar R) bool) Aggregated[K, V, R] {
	a.emission.CloseAfter = triggerOf[K, V](f)
	return a.checked("CloseAfter", f == nil)
}

// CloseAfterRecord is CloseAfter with a function that also gets the record: its key, value, time and headers. An error of
// f is one of the record. The value of the record stays in the window.
func (a Aggregated[K, V, R]) CloseAfterRecord(f func(ctx context.Context, soFar R, r weir.Record[K, V]) (bool, error)) Aggregated[K, V, R] {
	a.emission.CloseAfter = recordTriggerOf(f)
	return a.checked("CloseAfterRecord", f == nil)
}

// CloseBefore is CloseAfter but asks before a value is added. The value that closes a window is the first of the
// new aggregation. It is not asked about a window without records, nor before a null value that the aggregator does not
// see.
func (a Aggregated[K, V, R]) CloseBefore(f func(soFar R, next V) bool) Aggregated[K, V, R] {
	a.emission.CloseBefore = func(_ context.Context, soFar R, r *weir.Record[K, V]) (bool, error) { return f(soFar, r.Value), nil }
	return a.checked("CloseBefore", f == nil)
}

// CloseBeforeRecord is CloseBefore with a function that gets the whole record: its key, value, time and headers. An error
// of f is one of the record, which is not added to the window then.
func (a Aggregated[K, V, R]) CloseBeforeRecord(f func(ctx context.Context, soFar R, next weir.Record[K, V]) (bool, error)) Aggregated[K, V, R] {
	a.emission.CloseBefore = recordTriggerOf(f)
	return a.checked("CloseBeforeRecord", f == nil)
}

// checked notes the method that was given no function, for Validate.
func (a Aggregated[K, V, R]) checked(method string, isNil bool) Aggregated[K, V, R] {
	if isNil {
		a.emission.NilFunction = method
	}
	return a
}

func triggerOf[K, V, R any](f func(R) bool) operator.Trigger[K, V, R] {
	return func(_ context.Context, soFar R, _ *weir.Record[K, V]) (bool, error) { return f(soFar), nil }
}

func recordTriggerOf[K, V, R any](f func(context.Context, R, weir.Record[K, V]) (bool, error)) operator.Trigger[K, V, R] {
	return func(ctx context.Context, soFar R, r *weir.Record[K, V]) (bool, error) { return f(ctx, soFar, *r) }
}
