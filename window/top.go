package window

import (
	"errors"
	"slices"

	"github.com/weirstreams/weir/codec"
)

// TopN keeps the n greatest values that of returns, greatest first. compare is as for slices.SortFunc. Of equal ones those
// that came first are kept.
func TopN[V, T any](n int, of func(V) T, compare func(a, b T) int) Aggregator[V, []T, []T] {
	return &top[V, T]{n, of, compare, codec.For[[]T]()}
}

type top[V, T any] struct {
	n       int
	of      func(V) T
	compare func(a, b T) int
	codec   codec.Codec[[]T]
}

func (*top[V, T]) Init() []T                    { return nil }
func (t *top[V, T]) Add(acc *[]T, v V, _ int64) { t.add(acc, t.of(v)) }
func (*top[V, T]) Result(acc *[]T) []T          { return append([]T{}, *acc...) }
func (t *top[V, T]) Codec() codec.Codec[[]T]    { return t.codec }
func (t *top[V, T]) Merge(dst *[]T, src []T) {
	for _, x := range src {
		t.add(dst, x)
	}
}

func (t *top[V, T]) add(acc *[]T, x T) {
	list := *acc
	i := len(list)
	for i > 0 && t.compare(x, list[i-1]) > 0 {
		i--
	}
	if i >= t.n {
		return
	}
	if len(list) == t.n {
		list = list[:t.n-1]
	}
	*acc = slices.Insert(list, i, x)
}

func (t *top[V, T]) Validate() error {
	if t.n < 1 {
		return errors.New("top: the number must be positive")
	}
	return checkFunctions(t.of == nil || t.compare == nil)
}
