package row

import (
	"fmt"
	"strconv"

	"github.com/weirstreams/weir/internal/jsontext"
)

// appendValue appends the value as JSON: compact, columns in order, text in UTF-8 and escaped only where JSON demands it.
// A float always has a fraction or an exponent, so that it comes back as one.
func appendValue(dst []byte, v Value) (_ []byte, err error) {
	switch v.kind {
	case KindNull:
		return append(dst, "null"...), nil
	case KindBool:
		return strconv.AppendBool(dst, v.bool()), nil
	case KindInt:
		return strconv.AppendInt(dst, v.int(), 10), nil
	case KindFloat:
		return jsontext.AppendFloat(dst, v.float())
	case KindBig:
		return append(dst, v.text()...), nil
	case KindString:
		return jsontext.AppendString(dst, v.text())
	case KindList:
		dst = append(dst, '[')
		for i, item := range v.list() {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = appendValue(dst, item); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	}
	return appendRow(dst, v.row())
}

func appendRow(dst []byte, r Row) (_ []byte, err error) {
	dst = append(dst, '{')
	for i := range r.fields {
		f := &r.fields[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = jsontext.AppendString(dst, f.Name); err != nil {
			return dst, err
		}
		dst = append(dst, ':')
		if dst, err = appendValue(dst, f.Value); err != nil {
			return dst, fmt.Errorf("column %q: %w", f.Name, err)
		}
	}
	return append(dst, '}'), nil
}
