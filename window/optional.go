package window

import (
	"errors"
	"iter"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/ability"
)

// Optional gives an aggregator a result that is nil for a window without values: all of its records are null, or [Where]
// keeps none of them. Without Optional, the result of such a window is the zero value, and a mean or a minimum of 0 looks the
// same:
//
//	window.Optional(window.Mean(price)) // *float64; null in JSON
//
// Aggregators under Optional do not see null values. The result is in memory of its own.
func Optional[V, A, R any](a Aggregator[V, A, R]) Aggregator[V, OptionalState[A], *R] {
	o := &optional[V, A, R]{a: a}
	if a != nil {
		o.codec = optionalCodec[A]{a.Codec()}
	}
	return o
}

// OptionalState is the accumulator of Optional.
type OptionalState[A any] struct {
	acc A
	any bool
}

// optional has the abilities of the aggregator in it.
type optional[V, A, R any] struct {
	a     Aggregator[V, A, R]
	codec codec.Codec[OptionalState[A]]
}

func (o *optional[V, A, R]) Merges() bool   { return o.a != nil && merger(o.a) != nil }
func (o *optional[V, A, R]) Collects() bool { return o.a != nil && collector(o.a) != nil }
func (o *optional[V, A, R]) Orders() bool   { return o.a != nil && orderer(o.a) != nil }

// Subtracts implements the interface of package ability: the accumulator does not know whether any value is left.
func (o *optional[V, A, R]) Subtracts() bool { return false }

func (o *optional[V, A, R]) Init() OptionalState[A] { return OptionalState[A]{acc: o.a.Init()} }

// empty reports whether an aggregator passes over a value.
func empty[V, A, R any](a Aggregator[V, A, R], v V) bool {
	k, ok := a.(keeper[V])
	return ok && !k.keeps(v)
}

// keeper is implemented by aggregators that pass over values, as Where does.
type keeper[V any] interface{ keeps(V) bool }

func (o *optional[V, A, R]) Add(acc *OptionalState[A], v V, at int64) {
	o.a.Add(&acc.acc, v, at)
	acc.any = acc.any || !empty(o.a, v) // after Add, which can panic
}

func (o *optional[V, A, R]) AddInOrder(acc *OptionalState[A], v V, at, number int64) {
	orderer(o.a).AddInOrder(&acc.acc, v, at, number)
	acc.any = acc.any || !empty(o.a, v)
}

func (o *optional[V, A, R]) Merge(dst *OptionalState[A], src OptionalState[A]) {
	merger(o.a).Merge(&dst.acc, src.acc)
	dst.any = dst.any || src.any
}

func (o *optional[V, A, R]) Result(acc *OptionalState[A]) *R {
	if !acc.any {
		return nil
	}
	r := o.a.Result(&acc.acc)
	return &r
}

func (o *optional[V, A, R]) AppendItem(dst []byte, v V) ([]byte, error) {
	return collector(o.a).AppendItem(dst, v)
}

func (o *optional[V, A, R]) ResultOf(acc *OptionalState[A], items iter.Seq[[]byte]) (*R, error) {
	if !acc.any {
		return nil, nil
	}
	r, err := collector(o.a).ResultOf(&acc.acc, items)
	return &r, err
}

func (o *optional[V, A, R]) Codec() codec.Codec[OptionalState[A]] { return o.codec }

// AccumulatorName implements [Named].
func (o *optional[V, A, R]) AccumulatorName() string { return "optional " + ability.Name(o.a) }

func (o *optional[V, A, R]) Validate() error {
	if o.a == nil {
		return errors.New("the aggregator of Optional is nil")
	}
	if v, ok := o.a.(interface{ Validate() error }); ok {
		return v.Validate()
	}
	return nil
}

// optionalCodec stores a byte that says whether there are values, and the accumulator.
type optionalCodec[A any] struct{ acc codec.Codec[A] }

func (c optionalCodec[A]) Append(dst []byte, ctx *codec.Context, o OptionalState[A]) ([]byte, error) {
	flag := byte(0)
	if o.any {
		flag = 1
	}
	return c.acc.Append(append(dst, flag), ctx, o.acc)
}

func (c optionalCodec[A]) Decode(ctx *codec.Context, data []byte) (o OptionalState[A], err error) {
	if len(data) == 0 {
		return o, errPart
	}
	o.any = data[0] == 1
	o.acc, err = c.acc.Decode(ctx, data[1:])
	return o, err
}
