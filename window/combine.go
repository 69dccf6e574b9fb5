package window

import (
	"encoding/binary"
	"errors"
	"iter"

	"github.com/weirstreams/weir/codec"
)

// Combine2 computes two aggregates at once. result makes one result of theirs: a struct of the program's, for example.
// Parts do not see null values, not even those that do on their own.
func Combine2[V, A1, R1, A2, R2, R any](
	a Aggregator[V, A1, R1], b Aggregator[V, A2, R2], result func(R1, R2) R,
) Aggregator[V, Pair[A1, A2], R] {
	return newCombined(a, b, result)
}

// Combine3 is Combine2 for three.
func Combine3[V, A1, R1, A2, R2, A3, R3, R any](
	a Aggregator[V, A1, R1], b Aggregator[V, A2, R2], c Aggregator[V, A3, R3], result func(R1, R2, R3) R,
) Aggregator[V, Pair[A1, Pair[A2, A3]], R] {
	both := newCombined(b, c, func(r2 R2, r3 R3) results[R2, R3] { return results[R2, R3]{r2, r3} })
	out := newCombined(a, both, func(r1 R1, r results[R2, R3]) R { return result(r1, r.first, r.second) })
	out.isNil = result == nil
	return out
}

// Combine4 is Combine2 for four.
func Combine4[V, A1, R1, A2, R2, A3, R3, A4, R4, R any](
	a Aggregator[V, A1, R1], b Aggregator[V, A2, R2], c Aggregator[V, A3, R3], d Aggregator[V, A4, R4],
	result func(R1, R2, R3, R4) R,
) Aggregator[V, Pair[Pair[A1, A2], Pair[A3, A4]], R] {
	left := newCombined(a, b, func(r1 R1, r2 R2) results[R1, R2] { return results[R1, R2]{r1, r2} })
	right := newCombined(c, d, func(r3 R3, r4 R4) results[R3, R4] { return results[R3, R4]{r3, r4} })
	out := newCombined(left, right, func(l results[R1, R2], r results[R3, R4]) R {
		return result(l.first, l.second, r.first, r.second)
	})
	out.isNil = result == nil
	return out
}

// Pair is the accumulator of Combine2: those of its parts.
type Pair[A, B any] struct {
	first  A
	second B
}

type results[A, B any] struct {
	first  A
	second B
}

// combined merges if both of its parts do, and collects if one of them does.
type combined[V, A1, R1, A2, R2, R any] struct {
	a      Aggregator[V, A1, R1]
	b      Aggregator[V, A2, R2]
	result func(R1, R2) R
	codec  codec.Codec[Pair[A1, A2]]
	isNil  bool
}

func newCombined[V, A1, R1, A2, R2, R any](
	a Aggregator[V, A1, R1], b Aggregator[V, A2, R2], result func(R1, R2) R,
) *combined[V, A1, R1, A2, R2, R] {
	c := &combined[V, A1, R1, A2, R2, R]{a: a, b: b, result: result, isNil: a == nil || b == nil || result == nil}
	if !c.isNil {
		c.codec = pairCodec[A1, A2]{a.Codec(), b.Codec()}
	}
	return c
}

func (c *combined[V, A1, R1, A2, R2, R]) Init() Pair[A1, A2] {
	return Pair[A1, A2]{c.a.Init(), c.b.Init()}
}

func (c *combined[V, A1, R1, A2, R2, R]) Add(acc *Pair[A1, A2], v V, at int64) {
	c.a.Add(&acc.first, v, at)
	c.b.Add(&acc.second, v, at)
}

func (c *combined[V, A1, R1, A2, R2, R]) Result(acc *Pair[A1, A2]) R {
	return c.result(c.a.Result(&acc.first), c.b.Result(&acc.second))
}

func (c *combined[V, A1, R1, A2, R2, R]) Codec() codec.Codec[Pair[A1, A2]] { return c.codec }

func (c *combined[V, A1, R1, A2, R2, R]) Merges() bool {
	return !c.isNil && merger(c.a) != nil && merger(c.b) != nil
}

func (c *combined[V, A1, R1, A2, R2, R]) Merge(dst *Pair[A1, A2], src Pair[A1, A2]) {
	merger(c.a).Merge(&dst.first, src.first)
	merger(c.b).Merge(&dst.second, src.second)
}

func (c *combined[V, A1, R1, A2, R2, R]) Subtracts() bool {
	return !c.isNil && subtracter(c.a) != nil && subtracter(c.b) != nil
}

func (c *combined[V, A1, R1, A2, R2, R]) Subtract(acc *Pair[A1, A2], v V) {
	subtracter(c.a).Subtract(&acc.first, v)
	subtracter(c.b).Subtract(&acc.second, v)
}

func (c *combined[V, A1, R1, A2, R2, R]) Orders() bool {
	return !c.isNil && (orderer(c.a) != nil || orderer(c.b) != nil)
}

func (c *combined[V, A1, R1, A2, R2, R]) AddInOrder(acc *Pair[A1, A2], v V, at, number int64) {
	addInOrder(c.a, &acc.first, v, at, number)
	addInOrder(c.b, &acc.second, v, at, number)
}

// addInOrder adds a value with its number to an aggregator that wants it, and without to others.
func addInOrder[V, A, R any](a Aggregator[V, A, R], acc *A, v V, at, number int64) {
	if o := orderer(a); o != nil {
		o.AddInOrder(acc, v, at, number)
	} else {
		a.Add(acc, v, at)
	}
}

func (c *combined[V, A1, R1, A2, R2, R]) Collects() bool {
	return !c.isNil && (collector(c.a) != nil || collector(c.b) != nil)
}

// AppendItem puts the items of both parts together: the length of the first, a uvarint, the first, the second.
func (c *combined[V, A1, R1, A2, R2, R]) AppendItem(dst []byte, v V) ([]byte, error) {
	var first []byte
	var err error
	if a := collector(c.a); a != nil {
		if first, err = a.AppendItem(nil, v); err != nil {
			return dst, err
		}
	}
	dst = append(binary.AppendUvarint(dst, uint64(len(first))), first...)
	if b := collector(c.b); b != nil {
		return b.AppendItem(dst, v)
	}
	return dst, nil
}

func (c *combined[V, A1, R1, A2, R2, R]) ResultOf(acc *Pair[A1, A2], items iter.Seq[[]byte]) (r R, err error) {
	var broken error
	part := func(second bool) iter.Seq[[]byte] {
		return func(yield func([]byte) bool) {
			for data := range items {
				first, rest, err := cutPart(data)
				if err != nil {
					broken = err
					return
				}
				if second {
					first = rest
				}
				if !yield(first) {
					return
				}
			}
		}
	}
	r1, err1 := resultOf(c.a, &acc.first, part(false))
	r2, err2 := resultOf(c.b, &acc.second, part(true))
	if err := errors.Join(err1, err2, broken); err != nil {
		return r, err
	}
	return c.result(r1, r2), nil
}

func resultOf[V, A, R any](a Aggregator[V, A, R], acc *A, items iter.Seq[[]byte]) (R, error) {
	if c := collector(a); c != nil {
		return c.ResultOf(acc, items)
	}
	return a.Result(acc), nil
}

func (c *combined[V, A1, R1, A2, R2, R]) Validate() error {
	if c.isNil {
		return errors.New("an aggregator or a function of a combined aggregator is nil")
	}
	var failed []error
	for _, part := range []any{c.a, c.b} {
		if v, ok := part.(interface{ Validate() error }); ok {
			failed = append(failed, v.Validate())
		}
	}
	return errors.Join(failed...)
}

// pairCodec stores the first accumulator after its length, and the second.
type pairCodec[A, B any] struct {
	first  codec.Codec[A]
	second codec.Codec[B]
}

func (c pairCodec[A, B]) Append(dst []byte, ctx *codec.Context, p Pair[A, B]) ([]byte, error) {
	first, err := c.first.Append(nil, ctx, p.first)
	if err != nil {
		return dst, err
	}
	dst = append(binary.AppendUvarint(dst, uint64(len(first))), first...)
	return c.second.Append(dst, ctx, p.second)
}

func (c pairCodec[A, B]) Decode(ctx *codec.Context, data []byte) (p Pair[A, B], err error) {
	first, second, err := cutPart(data)
	if err != nil {
		return p, err
	}
	if p.first, err = c.first.Decode(ctx, first); err != nil {
		return p, err
	}
	p.second, err = c.second.Decode(ctx, second)
	return p, err
}
