package window

import "github.com/weirstreams/weir/codec"

// Reduce makes an accumulator of the first value, adds each further value to it, and gives it as the result. It sees
// null values, as zero values. Accumulators are stored with codec.For[A].
func Reduce[V, A any](first func(V) A, add func(A, V) A) Aggregator[V, Reduced[A], A] {
	return &reduce[V, A]{first: first, add: add, codec: reducedCodec[A]{codec.For[A]()}}
}

// ReduceMerging is Reduce with a function that makes one accumulator of two; the second one is later in event time
// or of the same time. Sliding windows and sessions need it. It must not change its arguments.
func ReduceMerging[V, A any](first func(V) A, add func(A, V) A, merge func(A, A) A) Aggregator[V, Reduced[A], A] {
	return &reduceMerging[V, A]{reduce[V, A]{first: first, add: add, codec: reducedCodec[A]{codec.For[A]()}}, merge}
}

// Reduced is the accumulator of Reduce.
type Reduced[A any] struct {
	value A
	any   bool
}

type reduce[V, A any] struct {
	first func(V) A
	add   func(A, V) A
	codec codec.Codec[Reduced[A]]
}

func (r *reduce[V, A]) Init() Reduced[A] { return Reduced[A]{} }
func (r *reduce[V, A]) Add(acc *Reduced[A], v V, _ int64) {
	if acc.any {
		acc.value = r.add(acc.value, v)
	} else {
		*acc = Reduced[A]{r.first(v), true}
	}
}
func (r *reduce[V, A]) Result(acc *Reduced[A]) A       { return acc.value }
func (r *reduce[V, A]) Codec() codec.Codec[Reduced[A]] { return r.codec }
func (r *reduce[V, A]) Validate() error                { return checkFunctions(r.first == nil || r.add == nil) }
func (r *reduce[V, A]) TakesNull()                     {}

type reduceMerging[V, A any] struct {
	reduce[V, A]
	merge func(A, A) A
}

func (r *reduceMerging[V, A]) Merge(dst *Reduced[A], src Reduced[A]) {
	switch {
	case !src.any:
	case !dst.any:
		*dst = src
	default:
		dst.value = r.merge(dst.value, src.value)
	}
}

func (r *reduceMerging[V, A]) Validate() error {
	return checkFunctions(r.first == nil || r.add == nil || r.merge == nil)
}

// reducedCodec stores a byte that says whether there is a value, and the value.
type reducedCodec[A any] struct{ value codec.Codec[A] }

func (c reducedCodec[A]) Append(dst []byte, ctx *codec.Context, r Reduced[A]) ([]byte, error) {
	if !r.any {
		return append(dst, 0), nil
	}
	return c.value.Append(append(dst, 1), ctx, r.value)
}

func (c reducedCodec[A]) Decode(ctx *codec.Context, data []byte) (r Reduced[A], err error) {
	if len(data) == 0 || data[0] == 0 {
		return r, nil
	}
	r.any = true
	r.value, err = c.value.Decode(ctx, data[1:])
	return r, err
}
