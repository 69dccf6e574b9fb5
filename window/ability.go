package window

import "iter"

// A Merger is an aggregator that can make one accumulator of two. Sliding windows and sessions need one.
type Merger[A any] interface {
	// Merge adds what src holds to dst. What src holds is later in event time, or of the same time. It must not change
	// src, nor keep memory of it in dst that Add or Merge change.
	Merge(dst *A, src A)
}

// A Collector is an aggregator whose result is made of values that are kept one by one: once for each key, however many
// windows they are in. Its Result is not called.
type Collector[V, A, R any] interface {
	// AppendItem appends what is to be kept of a value to dst.
	AppendItem(dst []byte, value V) ([]byte, error)
	// ResultOf returns the result of the items of a window: by event time and then by arrival, or by arrival alone if
	// windows are by count.
	ResultOf(acc *A, items iter.Seq[[]byte]) (R, error)
}

// TakesNull is implemented by aggregators that are to be given null values, as the zero value of V, too. Others never
// see them.
type TakesNull interface{ TakesNull() }

// abilities is implemented by aggregators that can do what their parts can.
type abilities interface {
	merges() bool
	collects() bool
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
