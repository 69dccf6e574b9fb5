package codec

import (
	"reflect"
	"unsafe"
)

// layout is a type with a built-in codec: a predeclared type, or a pointer to one.
type layout uint8

const (
	otherLayout layout = iota
	stringLayout
	intLayout
	int32Layout
	int64Layout
	float32Layout
	float64Layout
	boolLayout
	bytesLayout
	emptyLayout

	pointerLayout layout = 1 << 7 // added to the layout of the target
)

// layoutOf returns the layout of a type, by its underlying type.
func layoutOf(t reflect.Type) layout {
	switch t.Kind() {
	case reflect.Slice:
		// Only the predeclared byte: a slice of a named byte type is a list for JSON.
		if t.Elem() == reflect.TypeFor[byte]() {
			return bytesLayout
		}
	case reflect.Struct:
		if t.NumField() == 0 {
			return emptyLayout
		}
	case reflect.Pointer:
		if target := scalarLayout(t.Elem().Kind()); target != otherLayout {
			return target | pointerLayout
		}
	}
	return scalarLayout(t.Kind())
}

func scalarLayout(kind reflect.Kind) layout {
	switch kind {
	case reflect.String:
		return stringLayout
	case reflect.Int:
		return intLayout
	case reflect.Int32:
		return int32Layout
	case reflect.Int64:
		return int64Layout
	case reflect.Float32:
		return float32Layout
	case reflect.Float64:
		return float64Layout
	case reflect.Bool:
		return boolLayout
	}
	return otherLayout
}

// predeclared returns the Codec of the predeclared type of a layout.
func predeclared(l layout) any {
	switch l {
	case stringLayout:
		return String()
	case intLayout:
		return Int()
	case int32Layout:
		return Int32()
	case int64Layout:
		return Int64()
	case float32Layout:
		return Float32()
	case float64Layout:
		return Float64()
	case boolLayout:
		return Bool()
	case bytesLayout:
		return Bytes()
	case emptyLayout:
		return emptyCodec{}
	case stringLayout | pointerLayout:
		return Nullable(String())
	case intLayout | pointerLayout:
		return Nullable(Int())
	case int32Layout | pointerLayout:
		return Nullable(Int32())
	case int64Layout | pointerLayout:
		return Nullable(Int64())
	case float32Layout | pointerLayout:
		return Nullable(Float32())
	case float64Layout | pointerLayout:
		return Nullable(Float64())
	case boolLayout | pointerLayout:
		return Nullable(Bool())
	}
	return nil
}

// nullable reports whether a value of the layout can be null.
func (l layout) nullable() bool { return l == bytesLayout || l&pointerLayout != 0 }

// append appends the encoding of the value at p, which has the layout.
func (l layout) append(dst []byte, c *Context, p unsafe.Pointer) ([]byte, error) {
	if l&pointerLayout != 0 {
		if p = *(*unsafe.Pointer)(p); p == nil {
			return dst, failed[any](Encode, c, errNilPointer)
		}
	}
	switch l &^ pointerLayout {
	case stringLayout:
		return stringCodec{}.Append(dst, c, *(*string)(p))
	case intLayout:
		return intCodec{}.Append(dst, c, *(*int)(p))
	case int32Layout:
		return int32Codec{}.Append(dst, c, *(*int32)(p))
	case int64Layout:
		return int64Codec{}.Append(dst, c, *(*int64)(p))
	case float32Layout:
		return float32Codec{}.Append(dst, c, *(*float32)(p))
	case float64Layout:
		return float64Codec{}.Append(dst, c, *(*float64)(p))
	case boolLayout:
		return boolCodec{}.Append(dst, c, *(*bool)(p))
	case bytesLayout:
		return bytesCodec{}.Append(dst, c, *(*[]byte)(p))
	}
	return dst, nil // struct{}
}

// decode decodes data into the value at p, which has the layout.
func (l layout) decode(c *Context, data []byte, p unsafe.Pointer) (err error) {
	switch l {
	case stringLayout:
		*(*string)(p), err = stringCodec{}.Decode(c, data)
	case intLayout:
		*(*int)(p), err = intCodec{}.Decode(c, data)
	case int32Layout:
		*(*int32)(p), err = int32Codec{}.Decode(c, data)
	case int64Layout:
		*(*int64)(p), err = int64Codec{}.Decode(c, data)
	case float32Layout:
		*(*float32)(p), err = float32Codec{}.Decode(c, data)
	case float64Layout:
		*(*float64)(p), err = float64Codec{}.Decode(c, data)
	case boolLayout:
		*(*bool)(p), err = boolCodec{}.Decode(c, data)
	case bytesLayout:
		*(*[]byte)(p), err = bytesCodec{}.Decode(c, data)
	case emptyLayout:
		_, err = emptyCodec{}.Decode(c, data)
	default:
		err = l.decodePointer(c, data, p)
	}
	return err
}

// decodePointer lets the pointer at p point to the value that data encodes, or leaves it nil after an error.
func (l layout) decodePointer(c *Context, data []byte, p unsafe.Pointer) (err error) {
	switch l &^ pointerLayout {
	case stringLayout:
		*(**string)(p), err = nullable[string]{inner: stringCodec{}}.Decode(c, data)
	case intLayout:
		*(**int)(p), err = nullable[int]{inner: intCodec{}}.Decode(c, data)
	case int32Layout:
		*(**int32)(p), err = nullable[int32]{inner: int32Codec{}}.Decode(c, data)
	case int64Layout:
		*(**int64)(p), err = nullable[int64]{inner: int64Codec{}}.Decode(c, data)
	case float32Layout:
		*(**float32)(p), err = nullable[float32]{inner: float32Codec{}}.Decode(c, data)
	case float64Layout:
		*(**float64)(p), err = nullable[float64]{inner: float64Codec{}}.Decode(c, data)
	case boolLayout:
		*(**bool)(p), err = nullable[bool]{inner: boolCodec{}}.Decode(c, data)
	}
	return err
}
