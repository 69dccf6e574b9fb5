package console

import (
	"fmt"
	"unicode/utf8"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/row"
)

// Inspector returns a function that turns a T into a value for people: its JSON or, if it has none, its text.
// Bytes are text if they are UTF-8, else hexadecimal digits.
func Inspector[T any]() func(T) row.Value {
	var inspect any
	switch any(*new(T)).(type) {
	case row.Row:
		inspect = row.Row.Value
	case string:
		inspect = Text
	case []byte:
		inspect = func(b []byte) row.Value {
			if b == nil {
				return row.Null()
			}
			return Text(string(b))
		}
	default:
		json := codec.JSON[T]()
		inspect = func(v T) row.Value {
			data, err := json.Append(nil, nil, v)
			var out row.Value
			if err == nil {
				err = out.UnmarshalJSON(data)
			}
			if err != nil {
				return Text(fmt.Sprintf("%+v", v))
			}
			return out
		}
	}
	return inspect.(func(T) row.Value)
}

// Text returns a string as a value, in hexadecimal digits if it is not UTF-8.
func Text(s string) row.Value {
	if !utf8.ValidString(s) {
		return row.String(fmt.Sprintf("0x%x", s))
	}
	return row.String(s)
}
