package codec

import (
	"reflect"
	"unsafe"
)

// For returns the default codec of T:
//
//	string                              [String]
//	[]byte                              [Bytes]
//	int, int32, int64                   [Int], [Int32], [Int64]
//	float32, float64                    [Float32], [Float64]
//	bool                                [Bool]
//	struct{}                            no bytes at all
//	a pointer to one of these           [Nullable] of its codec, except *[]byte and *struct{}
//	a type with a method Codec          its result (see [Coded])
//	everything else                     [JSON]
//
// The underlying type counts: with `type Airport string`, For[Airport] writes the same bytes as [String]. Methods do
// not count, except that of [Coded]: a MarshalJSON or MarshalText that is added to Airport later does not change the bytes
// of existing keys and states. Choose [JSON] to have these methods called.
//
// T is looked at once, here, and not for each record. For does not fail: a T that cannot be encoded (a channel, say)
// gets [JSON], and each call of that codec returns the error.
func For[T any]() Codec[T] {
	var zero T
	if coded, ok := any(zero).(Coded[T]); ok {
		return coded.Codec()
	}
	t := reflect.TypeFor[T]()
	layout := layoutOf(t)
	if layout == otherLayout {
		return JSON[T]()
	}
	if same, ok := predeclared(layout).(Codec[T]); ok {
		return same
	}
	if layout.nullable() {
		return retypedNuller[T]{retyped[T]{layout}}
	}
	return retyped[T]{layout}
}

// Coded is implemented by types that come with a codec of their own, such as row.Row. The method is called on the zero
// value. A type that gets it later encodes its keys and states in another way from then on.
type Coded[T any] interface {
	Codec() Codec[T]
}

// retyped lets the codec of a predeclared type serve a T of the same underlying type (or a pointer to one). It reads the
// one as the other in place: such types have the same layout in memory, pointers for the garbage collector included. This costs
// no allocation and no reflection for a record. The work is in functions without a type parameter, which are compiled once.
type retyped[T any] struct{ layout layout }

func (r retyped[T]) Append(dst []byte, c *Context, v T) ([]byte, error) {
	dst, err := r.layout.append(dst, c, unsafe.Pointer(&v))
	if err != nil {
		rename(err, reflect.TypeFor[T]())
	}
	return dst, err
}

func (r retyped[T]) Decode(c *Context, data []byte) (v T, err error) {
	if err = r.layout.decode(c, data, unsafe.Pointer(&v)); err != nil {
		rename(err, reflect.TypeFor[T]())
	}
	return v, err
}

// rename puts the name of a type into an error that names its underlying type. The inner codec made the error in the call
// that just ended, so that nobody else has it yet.
func rename(err error, t reflect.Type) {
	if e, ok := err.(*Error); ok { //nolint:errorlint // see above: what is further down belongs to a user's codec
		e.Type = t
	}
}

// retypedNuller is a retyped for a T with a null.
type retypedNuller[T any] struct{ retyped[T] }

// IsNull reads the first word of v, which is zero exactly if a pointer or slice is nil.
func (r retypedNuller[T]) IsNull(v T) bool { return *(*unsafe.Pointer)(unsafe.Pointer(&v)) == nil }

// NullIsZeroWord is that of nilableJSON.
func (retypedNuller[T]) NullIsZeroWord() bool { return true }
