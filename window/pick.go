package window

import (
	"encoding/binary"
	"fmt"

	"github.com/weirstreams/weir/codec"
)

// First keeps what of returns of the first value, in the order of processing. It cannot merge: for sliding windows and
// sessions there is Earliest.
func First[V, T any](of func(V) T) Aggregator[V, Picked[T], T] {
	return &pick[V, T]{of: of, codec: pickCodec[T]{codec.For[T]()}, replaces: func(_ *Picked[T], _ int64) bool { return false }}
}

// Last keeps what of returns of the last value, in the order of processing. It cannot merge: for sliding windows and
// sessions there is Latest.
func Last[V, T any](of func(V) T) Aggregator[V, Picked[T], T] {
	return &pick[V, T]{of: of, codec: pickCodec[T]{codec.For[T]()}, replaces: func(_ *Picked[T], _ int64) bool { return true }}
}

// Earliest keeps what of returns of the value with the smallest time; of several the one that came first.
func Earliest[V, T any](of func(V) T) Aggregator[V, Picked[T], T] {
	return &timedPick[V, T]{pick[V, T]{of: of, codec: pickCodec[T]{codec.For[T]()}, replaces: func(p *Picked[T], at int64) bool { return at < p.millis }}}
}

// Latest keeps what of returns of the value with the greatest time; of several the one that came last.
func Latest[V, T any](of func(V) T) Aggregator[V, Picked[T], T] {
	return &timedPick[V, T]{pick[V, T]{of: of, codec: pickCodec[T]{codec.For[T]()}, replaces: func(p *Picked[T], at int64) bool { return at >= p.millis }}}
}

// Picked is the accumulator of First, Last, Earliest and Latest.
type Picked[T any] struct {
	value  T
	millis int64
	any    bool
}

type pick[V, T any] struct {
	of       func(V) T
	codec    codec.Codec[Picked[T]]
	replaces func(p *Picked[T], at int64) bool
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

// timedPick is a pick that depends on times, so that it can merge.
type timedPick[V, T any] struct{ pick[V, T] }

func (p *timedPick[V, T]) Merge(dst *Picked[T], src Picked[T]) {
	if src.any && (!dst.any || p.replaces(dst, src.millis)) {
		*dst = src
	}
}

// pickCodec stores the time, a varint, and the value; nothing if there is none.
type pickCodec[T any] struct{ value codec.Codec[T] }

func (c pickCodec[T]) Append(dst []byte, ctx *codec.Context, p Picked[T]) ([]byte, error) {
	if !p.any {
		return dst, nil
	}
	return c.value.Append(binary.AppendVarint(dst, p.millis), ctx, p.value)
}

func (c pickCodec[T]) Decode(ctx *codec.Context, data []byte) (p Picked[T], err error) {
	if len(data) == 0 {
		return p, nil
	}
	at, n := binary.Varint(data)
	if n <= 0 {
		return p, fmt.Errorf("picked value: the time is broken")
	}
	p.millis, p.any = at, true
	p.value, err = c.value.Decode(ctx, data[n:])
	return p, err
}
