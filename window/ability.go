package window

import (
	"iter"

	"github.com/weirstreams/weir/internal/ability"
)

// A Merger is an aggregator that can make one accumulator of two. Sliding windows and sessions need one.
type Merger[A any] interface {
	// Merge adds the accumulator src to dst. The values of src are later in event time, or of the same time. Merge must not change
	// src, nor keep memory of it in dst that Add or Merge change.
	Merge(dst *A, src A)
}

// A Collector is an aggregator with a result made of values that are kept one by one: once for each key, also when they are
// in many windows. Its Result is not called.
type Collector[V, A, R any] interface {
	// AppendItem appends the stored form of a value to dst.
	AppendItem(dst []byte, value V) ([]byte, error)
	// ResultOf returns the result of the items of a window: by event time and then by arrival, or by arrival alone if
	// windows are by count.
	ResultOf(acc *A, items iter.Seq[[]byte]) (R, error)
}

// A Subtracter is an aggregator that can take values back, for groups of the rows of a table: [Count], [Sum], [Mean], [CustomSubtracting],
// and what [Combine2], its kin and [Where] make of these.
type Subtracter[V, A any] interface {
	// Subtract takes back a value that was added before, in any order: the accumulator is then that of the other values. A
	// result must not share memory that Subtract changes.
	Subtract(acc *A, value V)
}

// TakesNull is implemented by aggregators that are to be given null values, as the zero value of V, too. Others never
// see them.
type TakesNull interface{ TakesNull() }

// An Orderer is an aggregator with a result that depends on the order of processing, even in windows with parts that
// are merged by event time. Sliding windows and sessions call AddInOrder in place of Add.
type Orderer[A, V any] interface {
	// AddInOrder is Add with a number that is greater than that of any value of the key that was added before and
	// counts in a window that is open.
	AddInOrder(acc *A, value V, millis, number int64)
}

// merger returns an aggregator as a Merger, or nil if it cannot merge.
func merger[V, A, R any](a Aggregator[V, A, R]) Merger[A] {
	return ability.Of[Merger[A]](a, ability.Parts.Merges)
}

// collector returns an aggregator as a Collector, or nil if it keeps no items.
func collector[V, A, R any](a Aggregator[V, A, R]) Collector[V, A, R] {
	return ability.Of[Collector[V, A, R]](a, ability.Parts.Collects)
}

// orderer returns an aggregator as an Orderer, or nil if its result does not depend on the order of processing.
func orderer[V, A, R any](a Aggregator[V, A, R]) Orderer[A, V] {
	return ability.Of[Orderer[A, V]](a, ability.Parts.Orders)
}

// subtracter returns an aggregator as a Subtracter, or nil if it cannot take values back.
func subtracter[V, A, R any](a Aggregator[V, A, R]) Subtracter[V, A] {
	return ability.Of[Subtracter[V, A]](a, ability.Parts.Subtracts)
}
