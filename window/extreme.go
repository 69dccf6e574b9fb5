package window

import (
	"cmp"
	"errors"

	"github.com/weirstreams/weir/codec"
)

// Min keeps the smallest value that of returns: a number, or a text by its bytes. Of equal ones the first is kept. NaN wins
// over every number. The result of a window without values is the zero value; see [Optional].
func Min[V any, T cmp.Ordered](of func(V) T) Aggregator[V, Extreme[T], T] {
	return newExtreme("min", of, func(a, b T) bool { return a < b || a != a })
}

// Max keeps the greatest value that of returns, as [Min] keeps the smallest.
func Max[V any, T cmp.Ordered](of func(V) T) Aggregator[V, Extreme[T], T] {
	return newExtreme("max", of, func(a, b T) bool { return a > b || a != a })
}

// MinFunc is [Min] for any type, such as [time.Time] or a struct: compare is as for slices.SortFunc. Values are stored with
// codec.For[T]. The order is not part of the stored name: if compare changes, change the Name of the window.
func MinFunc[V, T any](of func(V) T, compare func(a, b T) int) Aggregator[V, Extreme[T], T] {
	return newExtremeFunc("min", of, compare, -1)
}

// MaxFunc is [Max] for any type, as [MinFunc] is Min.
func MaxFunc[V, T any](of func(V) T, compare func(a, b T) int) Aggregator[V, Extreme[T], T] {
	return newExtremeFunc("max", of, compare, 1)
}

// Extreme is the accumulator of Min, Max, MinFunc and MaxFunc.
type Extreme[T any] struct {
	value T
	seen  bool
}

type extreme[V, T any] struct {
	name   string
	of     func(V) T
	better func(a, b T) bool // nil if the program gave no comparison
	codec  codec.Codec[Extreme[T]]
}

func newExtreme[V, T any](name string, of func(V) T, better func(a, b T) bool) *extreme[V, T] {
	return &extreme[V, T]{name: name, of: of, codec: extremeCodec[T]{codec.For[T]()}, better: better}
}

func newExtremeFunc[V, T any](name string, of func(V) T, compare func(a, b T) int, sign int) *extreme[V, T] {
	e := newExtreme(name+" by function", of, nil)
	if compare != nil {
		e.better = func(a, b T) bool { return compare(a, b)*sign > 0 }
	}
	return e
}

func (e *extreme[V, T]) Init() Extreme[T] { return Extreme[T]{} }
func (e *extreme[V, T]) Add(acc *Extreme[T], v V, _ int64) {
	if x := e.of(v); !acc.seen || e.better(x, acc.value) {
		*acc = Extreme[T]{x, true}
	}
}

func (e *extreme[V, T]) Merge(dst *Extreme[T], src Extreme[T]) {
	if src.seen && (!dst.seen || e.better(src.value, dst.value)) {
		*dst = src
	}
}
func (e *extreme[V, T]) Result(acc *Extreme[T]) T       { return acc.value }
func (e *extreme[V, T]) Codec() codec.Codec[Extreme[T]] { return e.codec }
func (e *extreme[V, T]) Validate() error                { return checkFunctions(e.of == nil || e.better == nil) }

// extremeCodec stores nothing for a window without values; else a byte and the value, which may be no bytes itself.
type extremeCodec[T any] struct{ value codec.Codec[T] }

const extremeSeen = 1

func (c extremeCodec[T]) Append(dst []byte, ctx *codec.Context, e Extreme[T]) ([]byte, error) {
	if !e.seen {
		return dst, nil
	}
	return c.value.Append(append(dst, extremeSeen), ctx, e.value)
}

func (c extremeCodec[T]) Decode(ctx *codec.Context, data []byte) (Extreme[T], error) {
	if len(data) == 0 {
		return Extreme[T]{}, nil
	}
	if data[0] != extremeSeen {
		return Extreme[T]{}, errExtreme
	}
	x, err := c.value.Decode(ctx, data[1:])
	return Extreme[T]{x, true}, err
}

var errExtreme = errors.New("minimum or maximum: the first byte is not 1")
