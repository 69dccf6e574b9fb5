package window

import (
	"encoding/binary"
	"errors"

	"github.com/weirstreams/weir/codec"
)

// First keeps the result of of for the first value, in the order of processing. The result of a window without values is the
// zero value, as it is with Last, Earliest and Latest; see [Optional].
func First[V, T any](of func(V) T) Aggregator[V, Picked[T], T] {
	return &numberedPick[V, T]{newPick("first", of, func(p *Picked[T], number int64) bool { return number < p.order })}
}

// Last keeps the result of of for the last value, in the order of processing.
func Last[V, T any](of func(V) T) Aggregator[V, Picked[T], T] {
	return &numberedPick[V, T]{newPick("last", of, func(p *Picked[T], number int64) bool { return number >= p.order })}
}

// Earliest keeps the result of of for the value with the smallest time; of several the one that came first.
func Earliest[V, T any](of func(V) T) Aggregator[V, Picked[T], T] {
	return newPick("earliest", of, func(p *Picked[T], at int64) bool { return at < p.order })
}

// Latest keeps the result of of for the value with the greatest time; of several the one that came last.
func Latest[V, T any](of func(V) T) Aggregator[V, Picked[T], T] {
	return newPick("latest", of, func(p *Picked[T], at int64) bool { return at >= p.order })
}

// Picked is the accumulator of First, Last, Earliest and Latest.
type Picked[T any] struct {
	value T
	order int64 // the time of the value, or its number in the order of processing
	any   bool
}

type pick[V, T any] struct {
	name     string
	of       func(V) T
	codec    codec.Codec[Picked[T]]
	replaces func(p *Picked[T], order int64) bool
}

func newPick[V, T any](name string, of func(V) T, replaces func(*Picked[T], int64) bool) *pick[V, T] {
	return &pick[V, T]{name: name, of: of, codec: pickCodec[T]{codec.For[T]()}, replaces: replaces}
}

func (p *pick[V, T]) Init() Picked[T] { return Picked[T]{} }
func (p *pick[V, T]) Add(acc *Picked[T], v V, at int64) {
	if !acc.any || p.replaces(acc, at) {
		*acc = Picked[T]{p.of(v), at, true}
	}
}
func (p *pick[V, T]) Result(acc *Picked[T]) T       { return acc.value }
func (p *pick[V, T]) Codec() codec.Codec[Picked[T]] { return p.codec }
func (p *pick[V, T]) Validate() error               { return checkFunctions(p.of == nil) }

func (p *pick[V, T]) Merge(dst *Picked[T], src Picked[T]) {
	if src.any && (!dst.any || p.replaces(dst, src.order)) {
		*dst = src
	}
}

// numberedPick is a pick that depends on the order of processing. Where accumulators are not merged, no number is given:
// values come in that order.
type numberedPick[V, T any] struct{ *pick[V, T] }

func (p *numberedPick[V, T]) Add(acc *Picked[T], v V, _ int64) {
	number := int64(0)
	if acc.any {
		number = acc.order + 1
	}
	p.pick.Add(acc, v, number)
}

func (p *numberedPick[V, T]) AddInOrder(acc *Picked[T], v V, _, number int64) {
	p.pick.Add(acc, v, number)
}

// pickCodec stores the order, a varint, and the value; nothing if there is none.
type pickCodec[T any] struct{ value codec.Codec[T] }

func (c pickCodec[T]) Append(dst []byte, ctx *codec.Context, p Picked[T]) ([]byte, error) {
	if !p.any {
		return dst, nil
	}
	return c.value.Append(binary.AppendVarint(dst, p.order), ctx, p.value)
}

func (c pickCodec[T]) Decode(ctx *codec.Context, data []byte) (p Picked[T], err error) {
	if len(data) == 0 {
		return p, nil
	}
	order, n := binary.Varint(data)
	if n <= 0 {
		return p, errors.New("picked value: its time or number is broken")
	}
	p.order, p.any = order, true
	p.value, err = c.value.Decode(ctx, data[n:])
	return p, err
}
