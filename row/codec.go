package row

import (
	"fmt"
	"reflect"

	"github.com/weirstreams/weir/codec"
)

// JSON returns the codec of rows as JSON objects. Integers of any size stay integers, floats stay floats (1.0 is
// written as 1.0), and columns stay in order: a decoded row is encoded to the same values. Text is written in UTF-8 and
// escaped only where JSON demands it; white space is not kept.
//
// Decode is strict, as that of codec.JSON is, and refuses everything but an object or null. The last value
// of a repeated column counts. A null record or the text null is a nil row, and a nil row is written as a null record
// (for a value, a tombstone). Append fails for NaN and the infinities, and for text that is not UTF-8.
//
// The result of Decode shares no memory with the input, but its strings share one copy of it.
func JSON() codec.Codec[Row] { return rowCodec{} }

type rowCodec struct{}

// IsNull makes nil rows null records (codec.Nuller).
func (rowCodec) IsNull(r Row) bool { return r.IsNil() }

// IsNullEncoding implements codec.NullEncoding.
func (rowCodec) IsNullEncoding(_ *codec.Context, data []byte) bool { return codec.IsJSONNull(data) }

func (rowCodec) Append(dst []byte, c *codec.Context, r Row) ([]byte, error) {
	out, err := appendValue(dst, r.Value())
	if err != nil {
		return dst, failed(codec.Encode, c, err)
	}
	return out, nil
}

func (rowCodec) Decode(c *codec.Context, data []byte) (Row, error) {
	v, err := decode(data)
	switch {
	case err != nil:
	case v.kind == KindRow:
		return v.row(), nil
	case v.kind == KindNull:
		return Row{}, nil
	default:
		err = fmt.Errorf("%w, got %v", errNotRow, v.kind)
	}
	return Row{}, failed(codec.Decode, c, err)
}

func failed(op codec.Op, c *codec.Context, err error) error {
	e := &codec.Error{Op: op, Type: reflect.TypeFor[Row](), Err: err}
	if c != nil {
		e.Part, e.Topic = c.Part, c.Topic
	}
	return e
}

// Parse reads a row from JSON, as [JSON] does.
func Parse(data string) (Row, error) { return rowCodec{}.Decode(nil, []byte(data)) }

// MarshalJSON writes the row as [JSON] does, for rows inside of other types.
func (r Row) MarshalJSON() ([]byte, error) { return appendValue(nil, r.Value()) }

// UnmarshalJSON reads a row as [JSON] does.
func (r *Row) UnmarshalJSON(data []byte) error {
	v, err := rowCodec{}.Decode(nil, data)
	if err == nil {
		*r = v
	}
	return err
}

// MarshalJSON writes the value as [JSON] does.
func (v Value) MarshalJSON() ([]byte, error) { return appendValue(nil, v) }

// AppendJSON appends the value as [JSON] writes it. After an error dst has a part of it.
func (v Value) AppendJSON(dst []byte) ([]byte, error) { return appendValue(dst, v) }

// UnmarshalJSON reads a value as [JSON] does.
func (v *Value) UnmarshalJSON(data []byte) error {
	w, err := decode(data)
	if err == nil {
		*v = w
	}
	return err
}
