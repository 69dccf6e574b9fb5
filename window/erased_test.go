package window_test

import (
	"fmt"
	"iter"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/window"
)

// erased is an aggregator of readings with accumulators and results of one type each, whatever those of a are: the operators of
// windows are compiled once for all examples.
type erased[A, R any] struct {
	a window.Aggregator[Reading, A, R]
}

func (e erased[A, R]) Init() any { return e.a.Init() }

func (e erased[A, R]) Add(acc *any, r Reading, millis int64) {
	a := (*acc).(A)
	e.a.Add(&a, r, millis)
	*acc = a
}

func (e erased[A, R]) AddInOrder(acc *any, r Reading, millis, number int64) {
	a := (*acc).(A)
	ordererOf(e.a).AddInOrder(&a, r, millis, number)
	*acc = a
}

func (e erased[A, R]) Merge(dst *any, src any) {
	a := (*dst).(A)
	mergerOf(e.a).Merge(&a, src.(A))
	*dst = a
}

func (e erased[A, R]) Result(acc *any) string {
	a := (*acc).(A)
	return fmt.Sprint(e.a.Result(&a))
}

func (e erased[A, R]) AppendItem(dst []byte, r Reading) ([]byte, error) {
	return collectorOf(e.a).AppendItem(dst, r)
}

func (e erased[A, R]) ResultOf(acc *any, items iter.Seq[[]byte]) (string, error) {
	a := (*acc).(A)
	r, err := collectorOf(e.a).ResultOf(&a, items)
	return fmt.Sprint(r), err
}

func (e erased[A, R]) Codec() codec.Codec[any] { return erasedCodec[A]{e.a.Codec()} }

func (e erased[A, R]) Merges() bool   { return mergerOf(e.a) != nil }
func (e erased[A, R]) Collects() bool { return collectorOf(e.a) != nil }
func (e erased[A, R]) Orders() bool   { return ordererOf(e.a) != nil }
func (erased[A, R]) Subtracts() bool  { return false }

type erasedCodec[A any] struct{ codec codec.Codec[A] }

func (c erasedCodec[A]) Append(dst []byte, ctx *codec.Context, acc any) ([]byte, error) {
	return c.codec.Append(dst, ctx, acc.(A))
}

func (c erasedCodec[A]) Decode(ctx *codec.Context, data []byte) (any, error) {
	return c.codec.Decode(ctx, data)
}
