package connector

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"unicode/utf8"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/row"
)

// ErrUTF8 says that a key or a value is no text.
var ErrUTF8 = errors.New("text is not valid UTF-8")

// KeyText returns the function that writes keys of type K as text: text and bytes as they are, which must be UTF-8; numbers and booleans in
// their shortest decimal form; a type with a MarshalText as that writes it; everything else as compact JSON. The type is looked at once. The
// function may be called by several goroutines at once. Pointers are written as their targets. A nil pointer, slice, map or interface is
// null, which has no text: the caller decides about it.
func KeyText[K any]() func(K) (text string, null bool, err error) {
	write := keyText[K]()
	switch t := reflect.TypeFor[K](); t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return func(k K) (string, bool, error) {
			if reflect.ValueOf(&k).Elem().IsNil() {
				return "", true, nil
			}
			text, err := write(k)
			return text, false, err
		}
	}
	if same, ok := any(write).(func(string) (string, error)); ok {
		return any(func(k string) (string, bool, error) {
			text, err := same(k)
			return text, false, err
		}).(func(K) (string, bool, error))
	}
	return func(k K) (string, bool, error) {
		text, err := write(k)
		return text, false, err
	}
}

func keyText[K any]() func(K) (string, error) {
	var known any
	switch any(*new(K)).(type) {
	case string:
		known = checkedText
	case []byte:
		known = func(v []byte) (string, error) { return checkedText(string(v)) }
	case int64:
		known = func(v int64) (string, error) { return strconv.FormatInt(v, 10), nil }
	case int:
		known = func(v int) (string, error) { return strconv.Itoa(v), nil }
	}
	if known != nil {
		return known.(func(K) (string, error))
	}
	t := reflect.TypeFor[K]()
	if implements[encoding.TextMarshaler](t) {
		return func(k K) (string, error) {
			m, ok := any(k).(encoding.TextMarshaler)
			if !ok {
				m = any(&k).(encoding.TextMarshaler)
			}
			text, err := m.MarshalText()
			if err != nil {
				return "", err
			}
			return checkedText(string(text))
		}
	}
	switch {
	case scalar(t):
		return func(k K) (string, error) { return scalarText(reflect.ValueOf(k)) }
	case t.Kind() == reflect.Pointer && scalar(t.Elem()):
		return func(k K) (string, error) { return scalarText(reflect.ValueOf(k).Elem()) }
	}
	json := ValueCodec[K]()
	return func(k K) (string, error) {
		data, err := json.Append(nil, nil, k)
		return string(data), cause(err)
	}
}

// ParseKey returns the function that reads the text of [KeyText]. The function may be called by several goroutines at once.
func ParseKey[K any]() func(text string) (K, error) {
	var known any
	switch any(*new(K)).(type) {
	case string:
		known = func(text string) (string, error) { return text, nil }
	case []byte:
		known = func(text string) ([]byte, error) { return []byte(text), nil }
	}
	if known != nil {
		return known.(func(string) (K, error))
	}
	t := reflect.TypeFor[K]()
	if implements[encoding.TextUnmarshaler](t) && t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface {
		return func(text string) (k K, err error) {
			return k, any(&k).(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
		}
	}
	switch {
	case scalar(t):
		return func(text string) (k K, err error) {
			return k, parseScalar(text, reflect.ValueOf(&k).Elem())
		}
	case t.Kind() == reflect.Pointer && scalar(t.Elem()):
		return func(text string) (k K, err error) {
			target := reflect.New(t.Elem())
			reflect.ValueOf(&k).Elem().Set(target)
			return k, parseScalar(text, target.Elem())
		}
	}
	json := ValueCodec[K]()
	return func(text string) (K, error) {
		k, err := json.Decode(nil, []byte(text))
		return k, cause(err)
	}
}

// ValueCodec returns the codec that connectors write values as JSON with: compact, in UTF-8, NaN and the infinities refused. It is row.JSON
// for rows, which keeps the fraction of whole floats, and codec.JSON for others: their Go type tells a float from an integer.
func ValueCodec[V any]() codec.Codec[V] {
	if rows, ok := row.JSON().(codec.Codec[V]); ok {
		return rows
	}
	return codec.JSON[V]()
}

// cause takes the words about types off an error of a codec.
func cause(err error) error {
	if e, ok := errors.AsType[*codec.Error](err); ok {
		return e.Err
	}
	return err
}

func checkedText(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", ErrUTF8
	}
	return s, nil
}

// implements reports whether a type or the pointer to it has the methods of T.
func implements[T any](t reflect.Type) bool {
	want := reflect.TypeFor[T]()
	return t.Implements(want) || reflect.PointerTo(t).Implements(want)
}

// scalar reports whether values of a type are text, bytes, numbers or booleans.
func scalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	case reflect.Slice:
		return t.Elem().Kind() == reflect.Uint8
	}
	return false
}

func scalarText(v reflect.Value) (string, error) {
	switch {
	case v.Kind() == reflect.Bool:
		return strconv.FormatBool(v.Bool()), nil
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10), nil
	case v.CanUint():
		return strconv.FormatUint(v.Uint(), 10), nil
	case v.CanFloat():
		return strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits()), nil
	case v.Kind() == reflect.String:
		return checkedText(v.String())
	}
	return checkedText(string(v.Bytes()))
}

// parseScalar reads text into a variable of a type that is scalar.
func parseScalar(text string, into reflect.Value) error {
	t := into.Type()
	var err error
	switch {
	case t.Kind() == reflect.Bool:
		var b bool
		b, err = strconv.ParseBool(text)
		into.SetBool(b)
	case into.CanInt():
		var n int64
		n, err = strconv.ParseInt(text, 10, t.Bits())
		into.SetInt(n)
	case into.CanUint():
		var n uint64
		n, err = strconv.ParseUint(text, 10, t.Bits())
		into.SetUint(n)
	case into.CanFloat():
		var f float64
		f, err = strconv.ParseFloat(text, t.Bits())
		into.SetFloat(f)
	case t.Kind() == reflect.String:
		into.SetString(text)
	default:
		into.SetBytes([]byte(text))
	}
	if err != nil {
		if e, ok := errors.AsType[*strconv.NumError](err); ok {
			err = e.Err
		}
		return fmt.Errorf("%q as %s: %w", text, t, err)
	}
	return nil
}
