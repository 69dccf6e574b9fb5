package codec

import (
	"bytes"
	"errors"
	"fmt"
	"go/token"
	"reflect"
	"strings"
	"unicode/utf8"
)

// invalidUTF8 returns the position of the first byte that is not part of valid UTF-8, or -1.
func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	for at := 0; at < len(data); {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return -1
}

// jsonErrorAt wraps err with its position in data and a copy of the text around it.
func jsonErrorAt(data []byte, at int, err error) error {
	const before, after = 16, 24
	at = min(max(at, 0), len(data))
	from, to := max(at-before, 0), min(at+after, len(data))
	excerpt := bytes.ToValidUTF8(data[from:to], []byte("\uFFFD"))
	return fmt.Errorf("%w at byte %d of %d near %q", err, at, len(data), excerpt)
}

// module is the path that the packages of this module begin with.
const module = "github.com/weirstreams/weir/"

// unfit says that a value does not fit a type. A type that users do not know is told by its form.
func unfit(t reflect.Type) error {
	element := t
	for element.Name() == "" && (element.Kind() == reflect.Pointer || element.Kind() == reflect.Slice) {
		element = element.Elem()
	}
	internal := strings.HasPrefix(element.PkgPath(), module) && !token.IsExported(element.Name())
	switch {
	case !internal && (element.Name() != "" || element.Kind() != reflect.Struct):
		return errors.New("value does not fit " + t.String())
	case t.Kind() == reflect.Slice:
		return errors.New("value is no JSON array")
	}
	return errors.New("value is no JSON object")
}
