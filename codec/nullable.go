package codec

import "errors"

// Nullable returns the codec of *T that writes the bytes of inner for the T at the pointer, and takes a nil pointer
// for null (see [Nuller]). Use it to tell a null from a zero value: Nullable(Int64()).
//
// If inner has a null of its own, a pointer to that is null as well. Append fails with an [*Error] for nil, since there
// are no bytes that mean null; it is the caller that writes the null. Decode allocates the T. If bytes of inner say null (see
// [NullEncoding]), Decode returns nil for them.
func Nullable[T any](inner Codec[T]) Codec[*T] {
	nuller, _ := inner.(Nuller[T])
	encoding, _ := inner.(NullEncoding)
	return nullable[T]{inner: inner, nuller: nuller, encoding: encoding}
}

type nullable[T any] struct {
	inner    Codec[T]
	nuller   Nuller[T]    // nil if inner has no null
	encoding NullEncoding // nil if no bytes of inner say null
}

var errNilPointer = errors.New("a nil pointer has no encoding; write a null in its place")

func (n nullable[T]) Append(dst []byte, c *Context, v *T) ([]byte, error) {
	if v == nil {
		return dst, failed[*T](Encode, c, errNilPointer)
	}
	return n.inner.Append(dst, c, *v)
}

func (n nullable[T]) Decode(c *Context, data []byte) (*T, error) {
	v, err := n.inner.Decode(c, data)
	if n.IsNullEncoding(c, data) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &v, nil
}

func (n nullable[T]) IsNull(v *T) bool {
	return v == nil || n.nuller != nil && n.nuller.IsNull(*v)
}

// NullIsZeroWord is that of nilableJSON.
func (n nullable[T]) NullIsZeroWord() bool { return n.nuller == nil }

// IsNullEncoding implements [NullEncoding].
func (n nullable[T]) IsNullEncoding(c *Context, data []byte) bool {
	return n.encoding != nil && n.encoding.IsNullEncoding(c, data)
}
