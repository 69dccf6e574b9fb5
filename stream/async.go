package stream

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// AsyncOptions configures [Stream.MapAsync]. The zero value is right for most calls.
type AsyncOptions struct {
	// Concurrency is the greatest number of calls at a time in each task. 0 means 64. A task holds up to four times as many records:
	// they wait for a call, or have a result and wait for an earlier one. An input record that was expanded in front counts as one.
	Concurrency int
	// Timeout bounds one attempt of a call: the context of the function ends then. 0 means 10 s. A function that has not returned 5 s
	// later has failed, and keeps its place among the concurrent calls until it returns.
	Timeout time.Duration
	// Retry says how often a call is made again, and after which waits. The zero value makes 5 attempts. Panics are not tried again.
	Retry weir.Retry
	// Unordered hands on results as they come. Results of one key stay in the order of their records; null is a key like any other.
	Unordered bool
}

const (
	defaultConcurrency  = 64
	defaultAsyncTimeout = 10 * time.Second
)

// MapAsync turns each value into another by a function that waits, such as a call of a service: for many records at a time, on
// goroutines of their own. Results leave in the order of the records, on the task's goroutine. Key, time and headers are kept.
//
// The function is called by many goroutines at once and must return soon after its context has ended. Its arguments are copies, but
// for the targets of pointers in a value, which it must not change. Behind operators with state the whole value is copied, as for Update.
//
// An error goes to the error policy with its record, after the attempts of AsyncOptions.Retry, and so does a panic. After a
// [weir.RetryLaterError] the worker holds its input back, and makes the call again after the time. A checkpoint waits for the calls in
// flight, and no longer than all attempts of a call take. Meanwhile the other tasks of the worker go on.
//
// Calls are made again after a crash, a rebalance or a rewind, for records that no checkpoint covers: a call with effects should be
// idempotent. weir.Record.Origin names the record in the same way each time. The results in Kafka are exactly once all the same.
//
// In a task with several inputs, calls end before a record of another input is processed, so that a join sees the records in
// order. With RunUntil and a number of outputs, the calls are made one by one.
func (s Stream[K, V]) MapAsync[W any](f func(context.Context, V) (W, error), options ...AsyncOptions) Stream[K, W] {
	return s.mapAsync(func(ctx context.Context, r weir.Record[K, V]) (W, error) { return f(ctx, r.Value) }, options).checked(f == nil)
}

// MapAsyncRecord is MapAsync with a function of the whole record.
func (s Stream[K, V]) MapAsyncRecord[W any](
	f func(context.Context, weir.Record[K, V]) (W, error), options ...AsyncOptions,
) Stream[K, W] {
	return s.mapAsync(f, options).checked(f == nil)
}

func (s Stream[K, V]) mapAsync[W any](f func(context.Context, weir.Record[K, V]) (W, error), options []AsyncOptions) Stream[K, W] {
	var o AsyncOptions
	if len(options) > 0 {
		o = options[0]
	}
	problems := o.problems()
	if len(options) > 1 {
		problems = append(problems, "give one AsyncOptions at most")
	}
	if o.Concurrency == 0 {
		o.Concurrency = defaultConcurrency
	}
	if o.Timeout == 0 {
		o.Timeout = defaultAsyncTimeout
	}
	n := &graph.Node{Kind: "mapasync", Detail: o.detail()}
	copied := cloneHeld[V](s.node)
	out := s.then(n, s.key, func(env *operator.Env, node int, next operator.Receiver[K, W]) (operator.Receiver[K, V], error) {
		return operator.NewAsync(env, node, operator.AsyncOptions(o), s.key, copied, f, next), nil
	})
	for _, p := range problems {
		s.topology.graph.Find(n, "%s", p)
	}
	return out
}

// detail shows the options in Describe.
func (o *AsyncOptions) detail() string {
	order := ""
	if o.Unordered {
		order = ", unordered"
	}
	return fmt.Sprintf("%d at a time%s", o.Concurrency, order)
}

func (o *AsyncOptions) problems() (found []string) {
	if o.Concurrency < 0 {
		found = append(found, fmt.Sprintf("AsyncOptions.Concurrency is %d, but must not be negative", o.Concurrency))
	}
	if o.Timeout < 0 {
		found = append(found, fmt.Sprintf("AsyncOptions.Timeout is %v, but must not be negative: a checkpoint waits so long", o.Timeout))
	}
	if o.Retry.Attempts < 0 {
		found = append(found, "AsyncOptions.Retry.Attempts is negative, but a checkpoint waits for all attempts: return a weir.RetryLaterError "+
			"to try for as long as it takes")
	}
	if o.Retry.FirstWait < 0 || o.Retry.MaxWait < 0 {
		found = append(found, fmt.Sprintf("AsyncOptions.Retry waits %v, and %v at most, but must not be negative", o.Retry.FirstWait, o.Retry.MaxWait))
	}
	return found
}
