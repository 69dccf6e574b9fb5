package codec

import (
	"errors"
	"reflect"
	"sync"
	"unicode/utf8"
	"unsafe"
)

// JSON returns a codec of T that writes JSON. Struct tags, embedding and the Marshaler and Unmarshaler interfaces work
// as in encoding/json; a method with a pointer receiver is found although Append is given a value.
//
// Append writes bytes that depend on the value alone, so that they can serve as keys: compact, map keys sorted, text in
// UTF-8 and escaped only where JSON demands it (no HTML escapes). It fails for NaN and the infinities, and for text that
// is not valid UTF-8, which Decode would refuse.
//
// Decode is strict: it refuses invalid UTF-8, escapes of half a surrogate pair, raw control characters in strings, numbers
// that do not fit, and anything but white space after the value. Fields that T does not have are skipped after a check of
// their syntax, which like that of a [encoding/json.RawMessage] need not look into the escapes of strings. Of a name that
// comes twice the last counts; names match as in encoding/json, without regard to case. A number that lands in an interface
// is a [encoding/json.Number], so that integers of 64 bits and decimals come out again as they went in; with float64 they
// would be rounded, and with int64 the Go type would change with the data. Decoded values share no memory with the
// input.
//
// If T is a pointer, slice, map or interface, its nil is null (see [Nuller]): for a value that means a tombstone, so
// return an empty slice, not nil, for a list without elements. The text null is null for every T, in both directions (see
// [NullEncoding]): a record with this value has a null value. Append itself writes nil as the text null, and Decode turns
// the text null into the zero value.
//
// Errors are an [*Error]; its cause names the position and shows an excerpt. The engine is sonic where it runs, and
// encoding/json elsewhere; see [JSONEngine].
func JSON[T any]() Codec[T] {
	codec := jsonCodec[T]{
		scratch:   &sync.Pool{New: func() any { return new(jsonScratch[T]) }},
		copyInput: jsonAliases(reflect.TypeFor[T](), map[reflect.Type]bool{}),
	}
	switch kind := reflect.TypeFor[T]().Kind(); kind {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return nilableJSON[T]{codec, kind == reflect.Interface}
	}
	return codec
}

// JSONEngine returns the engine of [JSON]: "sonic" or "encoding/json". The second is correct but slower; it serves
// platforms and Go versions that sonic does not know, and the build tag weir_stdjson selects it. The two differ in
// a few bytes that mean the same, such as the escape of a control character; see the tests.
func JSONEngine() string { return jsonEngine }

type jsonCodec[T any] struct {
	scratch *sync.Pool // of *jsonScratch[T]
	// copyInput is set for types that keep references to their input. They get a copy of their own;
	// others are decoded from the caller's bytes, which saves the copy and lets a short string not hold a long record.
	copyInput bool
}

// jsonScratch is the heap memory of one call, because the engine takes it as an interface and escape analysis ends
// there. Between calls it is zero, so that the pool keeps neither the caller's buffer nor values.
type jsonScratch[T any] struct {
	value  T
	buffer []byte
	parser jsonParser
}

var (
	errEmptyJSON   = errors.New("want JSON, got no bytes")
	errInvalidUTF8 = errors.New("text is not valid UTF-8")
)

func (j jsonCodec[T]) Append(dst []byte, c *Context, v T) ([]byte, error) {
	s := j.scratch.Get().(*jsonScratch[T])
	s.value, s.buffer = v, dst
	err := appendJSON(&s.buffer, &s.value)
	out := s.buffer
	j.release(s)
	if err == nil && !utf8.Valid(out[len(dst):]) {
		err = errInvalidUTF8
	}
	if err != nil {
		return dst, failed[T](Encode, c, err)
	}
	return out, nil
}

func (j jsonCodec[T]) Decode(c *Context, data []byte) (T, error) {
	var zero T
	if len(data) == 0 {
		return zero, failed[T](Decode, c, errEmptyJSON)
	}
	if at := invalidUTF8(data); at >= 0 {
		return zero, failed[T](Decode, c, jsonErrorAt(data, at, errInvalidUTF8))
	}
	s := j.scratch.Get().(*jsonScratch[T])
	var err error
	if j.copyInput {
		err = s.parser.parse(string(data), false, &s.value)
	} else {
		err = s.parser.parse(unsafe.String(unsafe.SliceData(data), len(data)), true, &s.value)
	}
	v := s.value
	j.release(s)
	if err != nil {
		return zero, failed[T](Decode, c, err)
	}
	return v, nil
}

// IsNullEncoding implements [NullEncoding].
func (jsonCodec[T]) IsNullEncoding(_ *Context, data []byte) bool { return IsJSONNull(data) }

func (j jsonCodec[T]) release(s *jsonScratch[T]) {
	var zero T
	s.value, s.buffer = zero, nil
	j.scratch.Put(s)
}

// nilableJSON is a jsonCodec for a T that can be nil.
type nilableJSON[T any] struct {
	jsonCodec[T]
	// isInterface says that T is an interface. A nil in it, such as a nil pointer, is null too: it is written as null.
	isInterface bool
}

// IsNull reads the first word of v, which is zero exactly if a pointer, slice, map or interface is nil; reflect's IsNil
// does the same.
func (j nilableJSON[T]) IsNull(v T) bool {
	return *(*unsafe.Pointer)(unsafe.Pointer(&v)) == nil || j.isInterface && holdsNil(reflect.ValueOf(v))
}

// NullIsZeroWord tells operators, which check each record, that they need not call IsNull: a T is null exactly if its first word is zero.
func (j nilableJSON[T]) NullIsZeroWord() bool { return !j.isInterface }

// holdsNil reports whether the value in an interface is nil.
func holdsNil(inner reflect.Value) bool {
	switch inner.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return inner.IsNil()
	}
	return false
}
