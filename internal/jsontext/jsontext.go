// Package jsontext writes the scalars of JSON as the original does: a float always looks like one, and comes back as one.
package jsontext

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// ErrNumber says that JSON cannot write a float, ErrUTF8 that text is not valid UTF-8.
var (
	ErrNumber = errors.New("JSON has no NaN and no infinity")
	ErrUTF8   = errors.New("text is not valid UTF-8")
)

// AppendFloat appends the shortest decimal that reads as f, with a fraction or an exponent: 1.0, 0.0001, 1e-7, 1e+16. It
// fails for NaN and the infinities.
func AppendFloat(dst []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, fmt.Errorf("%v: %w", f, ErrNumber)
	}
	const low, high = 1e-4, 1e16 // where the shorter form changes
	begin := len(dst)
	if abs := math.Abs(f); abs != 0 && (abs < low || abs >= high) {
		dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
		// strconv writes two digits of an exponent at least.
		if n := len(dst); n-begin >= 4 && dst[n-2] == '0' && (dst[n-3] == '-' || dst[n-3] == '+') {
			dst[n-2] = dst[n-1]
			dst = dst[:n-1]
		}
		return dst, nil
	}
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	for _, c := range dst[begin:] {
		if c == '.' {
			return dst, nil
		}
	}
	return append(dst, '.', '0'), nil
}

// AppendString appends text in UTF-8, escaped only where JSON demands it.
func AppendString(dst []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return dst, ErrUTF8
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
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		default:
			const digits = "0123456789abcdef"
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	dst = append(dst, s[begin:]...)
	return append(dst, '"'), nil
}
