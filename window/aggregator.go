package window

import (
	"errors"

	"github.com/weirstreams/weir/codec"
)

// An Aggregator turns values of type V into an accumulator of type A, one value at a time, and an accumulator into a
// result of type R. Its methods are called by one goroutine per task, so that an Aggregator must not keep state of its
// own: all state is in the accumulator, which is stored and survives restarts.
//
// An aggregator is not given null values unless it has a method TakesNull. It shows further abilities
// by implementing Merger or Collector.
//
// Topology.Validate reports the error of an Aggregator's method Validate() error, if it has one.
type Aggregator[V, A, R any] interface {
	// Init returns the accumulator of an empty window.
	Init() A
	// Add adds a value with its event time, in milliseconds since the Unix epoch.
	Add(acc *A, value V, millis int64)
	// Result returns the result. It must not change the accumulator, and the result must not share memory with it
	// that Add changes.
	Result(acc *A) R
	// Codec encodes accumulators for the store.
	Codec() codec.Codec[A]
}

// Custom makes an aggregator of functions: init returns the accumulator of an empty window, add adds a value to it, and
// result makes the result of it. Accumulators are stored with codec.For[A], which is JSON for structs: fields that are
// to survive a restart must be exported.
func Custom[V, A, R any](init func() A, add func(acc *A, value V), result func(acc *A) R) Aggregator[V, A, R] {
	return &custom[V, A, R]{init: init, add: add, result: result, codec: codec.For[A]()}
}

type custom[V, A, R any] struct {
	init   func() A
	add    func(*A, V)
	result func(*A) R
	codec  codec.Codec[A]
}

func (c *custom[V, A, R]) Init() A                  { return c.init() }
func (c *custom[V, A, R]) Add(acc *A, v V, _ int64) { c.add(acc, v) }
func (c *custom[V, A, R]) Result(acc *A) R          { return c.result(acc) }
func (c *custom[V, A, R]) Codec() codec.Codec[A]    { return c.codec }
func (c *custom[V, A, R]) Validate() error {
	return checkFunctions(c.init == nil || c.add == nil || c.result == nil)
}

// checkFunctions is the Validate of the aggregators of this package.
func checkFunctions(isNil bool) error {
	if isNil {
		return errors.New("a function of the aggregator is nil")
	}
	return nil
}

// TakesNull implements the interface of that name: the functions decide about nulls.
func (c *custom[V, A, R]) TakesNull() {}

// CustomSubtracting is Custom with a function that takes back a value that was added before: for groups of the rows of a table, which
// need it.
func CustomSubtracting[V, A, R any](
	init func() A, add, subtract func(acc *A, value V), result func(acc *A) R,
) Aggregator[V, A, R] {
	return &customSubtracting[V, A, R]{custom[V, A, R]{init: init, add: add, result: result, codec: codec.For[A]()}, subtract}
}

type customSubtracting[V, A, R any] struct {
	custom[V, A, R]
	subtract func(*A, V)
}

func (c *customSubtracting[V, A, R]) Subtract(acc *A, v V) { c.subtract(acc, v) }
func (c *customSubtracting[V, A, R]) Validate() error {
	return checkFunctions(c.subtract == nil || c.custom.Validate() != nil)
}

// CustomMerging is Custom with a function that adds the accumulator src, which is later in event time or of the same time, to
// dst: for sliding windows and sessions, which need it. It must not change src or keep memory of it that add changes.
func CustomMerging[V, A, R any](
	init func() A, add func(acc *A, value V), merge func(dst *A, src A), result func(acc *A) R,
) Aggregator[V, A, R] {
	return &customMerging[V, A, R]{custom[V, A, R]{init: init, add: add, result: result, codec: codec.For[A]()}, merge}
}

type customMerging[V, A, R any] struct {
	custom[V, A, R]
	merge func(*A, A)
}

func (c *customMerging[V, A, R]) Merge(dst *A, src A) { c.merge(dst, src) }
func (c *customMerging[V, A, R]) Validate() error {
	return checkFunctions(c.merge == nil || c.custom.Validate() != nil)
}
