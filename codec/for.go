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
	switch t.Kind() {
	case reflect.Slice:
		// Only the predeclared byte: a slice of a named byte type is a list for JSON.
		if t.Elem() == reflect.TypeFor[byte]() {
			return retypeNuller[T, []byte](bytesCodec{})
		}
	case reflect.Struct:
		if t.NumField() == 0 {
			return retype[T, struct{}](emptyCodec{})
		}
	case reflect.Pointer:
		if codec, ok := forScalar[T](t.Elem().Kind(), true); ok {
			return codec
		}
	default:
		if codec, ok := forScalar[T](t.Kind(), false); ok {
			return codec
		}
	}
	return JSON[T]()
}

// Coded is implemented by types that come with a codec of their own, such as row.Row. The method is called on the zero
// value. A type that gets it later encodes its keys and states in another way from then on.
type Coded[T any] interface {
	Codec() Codec[T]
}

// forScalar returns the codec of a T that is of the given kind, or points to it, if there is a built-in one.
func forScalar[T any](kind reflect.Kind, pointer bool) (Codec[T], bool) {
	switch kind {
	case reflect.String:
		return scalar[T](String(), pointer), true
	case reflect.Int:
		return scalar[T](Int(), pointer), true
	case reflect.Int32:
		return scalar[T](Int32(), pointer), true
	case reflect.Int64:
		return scalar[T](Int64(), pointer), true
	case reflect.Float32:
		return scalar[T](Float32(), pointer), true
	case reflect.Float64:
		return scalar[T](Float64(), pointer), true
	case reflect.Bool:
		return scalar[T](Bool(), pointer), true
	}
	return nil, false
}

func scalar[T, U any](inner Codec[U], pointer bool) Codec[T] {
	if pointer {
		return retypeNuller[T, *U](nullable[U]{inner: inner})
	}
	return retype[T](inner)
}

// retype makes a codec of T from one of U, which has the same underlying type.
func retype[T, U any](inner Codec[U]) Codec[T] {
	if same, ok := inner.(Codec[T]); ok {
		return same
	}
	return retyped[T, U]{inner}
}

// retypeNuller is retype for types that have a null.
func retypeNuller[T, U any](inner interface {
	Codec[U]
	Nuller[U]
},
) Codec[T] {
	if same, ok := inner.(Codec[T]); ok {
		return same
	}
	return retypedNuller[T, U]{retyped[T, U]{inner}, inner}
}

// retyped lets a codec of U serve a T of the same underlying type (or a pointer to it, if U is a pointer). Go has no
// conversion between two type parameters, so it reads the one as the other in place: such types have the same layout in
// memory, pointers for the garbage collector included. This costs no allocation and no reflection for a record.
type retyped[T, U any] struct{ inner Codec[U] }

func (r retyped[T, U]) Append(dst []byte, c *Context, v T) ([]byte, error) {
	dst, err := r.inner.Append(dst, c, *(*U)(unsafe.Pointer(&v)))
	return dst, renamed[T](err)
}

func (r retyped[T, U]) Decode(c *Context, data []byte) (T, error) {
	v, err := r.inner.Decode(c, data)
	return *(*T)(unsafe.Pointer(&v)), renamed[T](err)
}

// renamed puts the name of T into an error that names its underlying type. The inner codec made the error in the call
// that just ended, so that nobody else has it yet.
func renamed[T any](err error) error {
	if e, ok := err.(*Error); ok { //nolint:errorlint // see above: what is further down belongs to a user's codec
		e.Type = reflect.TypeFor[T]()
	}
	return err
}

// retypedNuller is a retyped for a T with a null.
type retypedNuller[T, U any] struct {
	retyped[T, U]
	nuller Nuller[U]
}

func (r retypedNuller[T, U]) IsNull(v T) bool { return r.nuller.IsNull(*(*U)(unsafe.Pointer(&v))) }
