package window

import "iter"

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

// abilities is implemented by aggregators with the abilities of their parts.
type abilities interface {
	merges() bool
	collects() bool
	orders() bool
}

// MergerOf returns a as a Merger, or nil if it cannot merge.
func MergerOf[V, A, R any](a Aggregator[V, A, R]) Merger[A] {
	if parts, ok := a.(abilities); ok && !parts.merges() {
		return nil
	}
	m, _ := a.(Merger[A])
	return m
}

// CollectorOf returns a as a Collector, or nil if it keeps no items.
func CollectorOf[V, A, R any](a Aggregator[V, A, R]) Collector[V, A, R] {
	if parts, ok := a.(abilities); ok && !parts.collects() {
		return nil
	}
	c, _ := a.(Collector[V, A, R])
	return c
}

// OrdererOf returns a as an Orderer, or nil if order means nothing to it.
func OrdererOf[V, A, R any](a Aggregator[V, A, R]) Orderer[A, V] {
	if parts, ok := a.(abilities); ok && !parts.orders() {
		return nil
	}
	o, _ := a.(Orderer[A, V])
	return o
}
