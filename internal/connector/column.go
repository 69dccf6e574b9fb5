package connector

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unsafe"

	"github.com/weirstreams/weir/row"
)

// TextKinds returns the kinds that cells of text have to be read as, for [FromRow] of V to take them: those of the fields of a struct, by
// their JSON names, and of [ValueColumn] for other values. Columns of rows and maps have none: they stay text. KindRow stands for all
// fields that are written as JSON.
func TextKinds[V any]() map[string]row.Kind {
	t := reflect.TypeFor[V]()
	kinds := map[string]row.Kind{}
	switch {
	case t == reflect.TypeFor[row.Row](), t.Kind() == reflect.Interface:
	case !hasColumns(t):
		kinds[ValueColumn] = textKind(t)
	default:
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() == reflect.Struct {
			fieldKinds(t, kinds, 0)
		}
	}
	return kinds
}

func fieldKinds(t reflect.Type, kinds map[string]row.Kind, depth int) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		embedded := f.Type
		if embedded.Kind() == reflect.Pointer {
			embedded = embedded.Elem()
		}
		switch {
		case name == "-" && options == "":
		case f.Anonymous && name == "" && embedded.Kind() == reflect.Struct:
			if depth < 10 {
				fieldKinds(embedded, kinds, depth+1)
			}
		case f.IsExported():
			if name == "" {
				name = f.Name
			}
			if _, outer := kinds[name]; !outer || depth == 0 {
				kinds[name] = textKind(f.Type)
				if strings.Contains(","+options+",", ",string,") {
					kinds[name] = row.KindString
				}
			}
		}
	}
}

// textKind returns the kind of the JSON of a type.
func textKind(t reflect.Type) row.Kind {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[json.Number]():
		return row.KindFloat
	case implements[json.Marshaler](t):
		return row.KindRow
	case implements[encoding.TextMarshaler](t):
		return row.KindString
	}
	switch t.Kind() {
	case reflect.Bool:
		return row.KindBool
	case reflect.String:
		return row.KindString
	case reflect.Float32, reflect.Float64:
		return row.KindFloat
	case reflect.Slice, reflect.Array, reflect.Map, reflect.Struct, reflect.Interface:
		if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 {
			return row.KindString // base64
		}
		return row.KindRow
	}
	return row.KindInt
}

// ParseValue reads text as a value of a kind. KindRow and KindList stand for any JSON, and text that is no JSON is a string: it may be that of a
// type which writes its own JSON, such as a time, and for any other type [FromRow] refuses it.
func ParseValue(text []byte, kind row.Kind) (row.Value, error) {
	bad := func(err error) (row.Value, error) {
		return row.Value{}, fmt.Errorf("%q is no %v: %w", excerpt(string(text)), kind, err)
	}
	view := unsafe.String(unsafe.SliceData(text), len(text)) // of the functions of strconv, which keep nothing of it
	switch kind {
	case row.KindString:
		return row.String(string(text)), nil
	case row.KindBool:
		b, err := strconv.ParseBool(view)
		if err != nil {
			return bad(strconv.ErrSyntax)
		}
		return row.Bool(b), nil
	case row.KindFloat:
		f, err := strconv.ParseFloat(view, 64)
		if err != nil {
			return bad(errors.Unwrap(err)) // of a strconv.NumError, without the text
		}
		return row.Float(f), nil
	case row.KindInt:
		if digits := strings.TrimPrefix(view, "-"); len(digits) > 0 && digits[0] >= '1' && digits[0] <= '9' {
			if n, err := strconv.ParseInt(view, 10, 64); err == nil {
				return row.Int(n), nil
			}
		}
	}
	var v row.Value
	if err := v.UnmarshalJSON(text); err != nil {
		if kind == row.KindRow || kind == row.KindList {
			return row.String(string(text)), nil
		}
		return bad(cause(err))
	}
	if k := v.Kind(); (kind == row.KindInt || kind == row.KindBig) && k != row.KindInt && k != row.KindBig {
		return bad(strconv.ErrSyntax)
	}
	return v, nil
}

func excerpt(text string) string {
	const shown = 40
	if len(text) <= shown {
		return text
	}
	return strings.ToValidUTF8(text[:shown], "") + "..."
}

// ValueText writes a value as text: text as it is, everything else as JSON. A null has no text: the caller decides about it.
func ValueText(v row.Value) (string, error) {
	if v.Kind() == row.KindString {
		text, err := row.As[string](v)
		if err != nil {
			return "", err
		}
		return checkedText(text)
	}
	data, err := v.MarshalJSON()
	return string(data), err
}

// AppendValueText appends the text of [ValueText].
func AppendValueText(dst []byte, v row.Value) ([]byte, error) {
	if v.Kind() == row.KindString {
		text, err := ValueText(v)
		return append(dst, text...), err
	}
	return v.AppendJSON(dst)
}
