package operator

import (
	"errors"
	"unsafe"

	"github.com/weirstreams/weir/codec"
)

// nullRule says which keys or values are null by their codec: those that are null themselves (codec.Nuller), and those with an
// encoding of null (codec.NullEncoding).
type nullRule[T any] struct {
	nuller   codec.Nuller[T]    // nil if no T is null
	encoding codec.NullEncoding // nil if no bytes say null
	any      bool               // whether there is one of the two
	// zeroWord says that a T is null exactly if its first word is zero, as with nil pointers: the nuller need not be asked.
	zeroWord bool
}

func newNullRule[T any](c codec.Codec[T]) (n nullRule[T]) {
	n.nuller, _ = c.(codec.Nuller[T])
	n.encoding, _ = c.(codec.NullEncoding)
	n.any = n.nuller != nil || n.encoding != nil
	if z, ok := c.(interface{ NullIsZeroWord() bool }); ok && n.nuller != nil {
		n.zeroWord = z.NullIsZeroWord()
	}
	return n
}

// typeNullRule is the rule for a T on its way through operators that know no codec of it: that of codec.For.
func typeNullRule[T any]() nullRule[T] { return newNullRule(codec.For[T]()) }

// is reports whether a value is null.
func (n *nullRule[T]) is(v *T) bool {
	if n.zeroWord {
		return *(*unsafe.Pointer)(unsafe.Pointer(v)) == nil
	}
	return n.nuller != nil && n.ask(v)
}

// ask is apart so that its callers, which need it seldom, stay small enough to be inlined.
//
//go:noinline
func (n *nullRule[T]) ask(v *T) bool { return n.nuller.IsNull(*v) }

// encoded reports whether encoded data is a null.
func (n *nullRule[T]) encoded(c *codec.Context, data []byte) bool {
	return n.encoding != nil && n.encoding.IsNullEncoding(c, data)
}

// decoded reports whether data, which was decoded to v or failed with err, is null, and sets v to the zero value if so. A type
// need not be able to read the null of its format; a format without an available schema has no null.
func (n *nullRule[T]) decoded(c *codec.Context, data []byte, v *T, err error) bool {
	switch {
	case n.encoding != nil && n.encoding.IsNullEncoding(c, data) && (err == nil || !errors.Is(err, codec.ErrUnavailable)):
	case err == nil && n.is(v):
	default:
		return false
	}
	var none T
	*v = none
	return true
}
