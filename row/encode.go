package row

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

var errNoNumber = errors.New("JSON has no NaN and no infinity")

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
		return appendFloat(dst, v.float())
	case KindBig:
		return append(dst, v.text()...), nil
	case KindString:
		return appendString(dst, v.text())
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
		if dst, err = appendString(dst, f.Name); err != nil {
			return dst, err
		}
		dst = append(dst, ':')
		if dst, err = appendValue(dst, f.Value); err != nil {
			return dst, fmt.Errorf("column %q: %w", f.Name, err)
		}
	}
	return append(dst, '}'), nil
}

func appendFloat(dst []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, fmt.Errorf("%v: %w", f, errNoNumber)
	}
	const low, high = 1e-4, 1e16 // where the shorter form changes
	if abs := math.Abs(f); abs != 0 && (abs < low || abs >= high) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64), nil
	}
	begin := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	for _, c := range dst[begin:] {
		if c == '.' {
			return dst, nil
		}
	}
	return append(dst, '.', '0'), nil
}

func appendString(dst []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return dst, errUTF8
	}
	dst = append(dst, '"')
	begin := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[begin:i]...)
		begin = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			const digits = "0123456789abcdef"
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	dst = append(dst, s[begin:]...)
	return append(dst, '"'), nil
}
