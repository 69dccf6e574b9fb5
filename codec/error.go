package codec

import (
	"fmt"
	"reflect"
)

// Op is the operation of a codec.
type Op string

const (
	// Encode is a call of Append.
	Encode Op = "encode"
	// Decode is a call of Decode.
	Decode Op = "decode"
)

// Error is the error of the codecs of Weir. Get at it with errors.As; it unwraps to Err.
// It holds no memory of the input, so that it may be kept.
type Error struct {
	// Op says whether encoding or decoding failed.
	Op Op
	// Part and Topic are those of the [Context]. Topic is the name of the store when Part is [State].
	Part  Part
	Topic string
	// Type is the Go type that was encoded or decoded.
	Type reflect.Type
	// Err is the cause: the expected and the actual input, with the position if there is one. An error that a
	// user's MarshalJSON or UnmarshalJSON returned is in its chain.
	Err error
}

// Error returns, for example, `decode key of topic "trades" as int32: want 4 bytes, got 3 (0x010203)`.
func (e *Error) Error() string {
	of := "topic"
	if e.Part == State {
		of = "store"
	}
	return fmt.Sprintf("%s %s of %s %q as %s: %v", e.Op, e.Part, of, e.Topic, e.Type, e.Err)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Failed returns an [*Error] about a T, for codecs outside this package. It keeps nothing of c, which may be nil.
func Failed[T any](op Op, c *Context, err error) error { return failed[T](op, c, err) }

// failed wraps err in an Error about a T. It keeps nothing of c.
func failed[T any](op Op, c *Context, err error) error {
	e := &Error{Op: op, Type: reflect.TypeFor[T](), Err: err}
	if c != nil {
		e.Part, e.Topic = c.Part, c.Topic
	}
	return e
}

// wrongLength is the error for data that is not want bytes long.
func wrongLength[T any](c *Context, want int, data []byte) error {
	unit := "bytes"
	if want == 1 {
		unit = "byte"
	}
	const most = 16
	shown, more := data, ""
	if len(data) > most {
		shown, more = data[:most], "..."
	}
	if len(data) == 0 {
		return failed[T](Decode, c, fmt.Errorf("want %d %s, got none", want, unit))
	}
	return failed[T](Decode, c, fmt.Errorf("want %d %s, got %d (0x%x%s)", want, unit, len(data), shown, more))
}
