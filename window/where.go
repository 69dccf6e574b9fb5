package window

import (
	"errors"
	"iter"

	"github.com/weirstreams/weir/internal/ability"
)

// Where gives an aggregator only the values that keep accepts. The windows are those of all records: one that no
// value was kept of has the result of an empty window. Aggregators under Where do not see null values. It is for the
// parts of Combine2 and its kin; to leave records out altogether, filter the stream.
func Where[V, A, R any](keep func(V) bool, a Aggregator[V, A, R]) Aggregator[V, A, R] {
	return &where[V, A, R]{a, keep}
}

// where has the abilities of the aggregator in it.
type where[V, A, R any] struct {
	Aggregator[V, A, R]
	keep func(V) bool
}

func (w *where[V, A, R]) keeps(v V) bool { return w.keep(v) && !empty(w.Aggregator, v) }

func (w *where[V, A, R]) Merges() bool { return w.Aggregator != nil && merger(w.Aggregator) != nil }

func (w *where[V, A, R]) Collects() bool {
	return w.Aggregator != nil && collector(w.Aggregator) != nil
}

func (w *where[V, A, R]) Orders() bool { return w.Aggregator != nil && orderer(w.Aggregator) != nil }

func (w *where[V, A, R]) Add(acc *A, v V, at int64) {
	if w.keep(v) {
		w.Aggregator.Add(acc, v, at)
	}
}

func (w *where[V, A, R]) AddInOrder(acc *A, v V, at, number int64) {
	if w.keep(v) {
		orderer(w.Aggregator).AddInOrder(acc, v, at, number)
	}
}

func (w *where[V, A, R]) Subtracts() bool {
	return w.Aggregator != nil && subtracter(w.Aggregator) != nil
}

func (w *where[V, A, R]) Subtract(acc *A, v V) {
	if w.keep(v) {
		subtracter(w.Aggregator).Subtract(acc, v)
	}
}

func (w *where[V, A, R]) Merge(dst *A, src A) { merger(w.Aggregator).Merge(dst, src) }

// AppendItem appends nothing for a value that is not kept, and a byte and the item for others.
func (w *where[V, A, R]) AppendItem(dst []byte, v V) ([]byte, error) {
	if !w.keep(v) {
		return dst, nil
	}
	return collector(w.Aggregator).AppendItem(append(dst, 1), v)
}

func (w *where[V, A, R]) ResultOf(acc *A, items iter.Seq[[]byte]) (R, error) {
	return collector(w.Aggregator).ResultOf(acc, func(yield func([]byte) bool) {
		for data := range items {
			if len(data) > 0 && !yield(data[1:]) {
				return
			}
		}
	})
}

// AccumulatorName implements [Named]: the condition has no name, like all functions.
func (w *where[V, A, R]) AccumulatorName() string { return "where " + ability.Name(w.Aggregator) }

func (w *where[V, A, R]) Validate() error {
	if w.Aggregator == nil || w.keep == nil {
		return errors.New("the aggregator or the function of Where is nil")
	}
	if v, ok := w.Aggregator.(interface{ Validate() error }); ok {
		return v.Validate()
	}
	return nil
}
