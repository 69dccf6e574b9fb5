package row

import (
	"encoding"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// plainTarget reports whether [setPlain] may set values of a type: a struct of booleans, numbers and texts, and pointers to these, or a pointer to such a
// struct.
func plainTarget(t reflect.Type) bool {
	if readsItself(t) {
		return false
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == rowType || t == valueType || readsItself(t) {
		return false
	}
	for _, c := range structColumns(t) {
		field := t
		for i, at := range c.index {
			if i > 0 && field.Kind() == reflect.Pointer {
				return false
			}
			field = field.Field(at).Type
		}
		if c.quoted || readsItself(field) {
			return false
		}
		if field.Kind() == reflect.Pointer {
			field = field.Elem()
		}
		if _, scalar, _ := scalarOf(reflect.Zero(field)); !scalar || readsItself(field) || field == numberType {
			return false
		}
	}
	return true
}

// readsItself reports whether a type, or a pointer to it, has an UnmarshalJSON or an UnmarshalText.
func readsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(jsonUnmarshaler) || p.Implements(textUnmarshaler) || t.Implements(jsonUnmarshaler) || t.Implements(textUnmarshaler)
}

// setPlain sets a zero value of a [plainTarget] with these columns to a row, as codec.JSON reads the JSON of the row, in a fraction of the time. It returns false where
// the two could differ, for errors above all: then the value is set in part, and counts for nothing.
func setPlain(v reflect.Value, columns []structColumn, r Row) bool {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	for i := range r.fields {
		f := &r.fields[i]
		at := columnNamed(columns, f.Name, i)
		switch {
		case at >= 0:
			field, ok := columns[at].of(v)
			if !ok || !setScalar(field, f.Value) {
				return false
			}
		case !utf8.ValidString(f.Name) || foldedColumn(columns, f.Name) || !writable(f.Value):
			return false
		}
	}
	return true
}

// columnNamed returns the place of a column, or -1. It looks at a likely place first.
func columnNamed(columns []structColumn, name string, likely int) int {
	if likely < len(columns) && columns[likely].name == name {
		return likely
	}
	for i := range columns {
		if columns[i].name == name {
			return i
		}
	}
	return -1
}

// foldedColumn reports whether a name is one of the columns without regard to case.
func foldedColumn(columns []structColumn, name string) bool {
	for i := range columns {
		if strings.EqualFold(columns[i].name, name) {
			return true
		}
	}
	return false
}

// writable reports whether a value that is passed over can be written as JSON for certain.
func writable(v Value) bool {
	switch v.kind {
	case KindNull, KindBool, KindInt:
		return true
	case KindFloat:
		return !math.IsNaN(v.float()) && !math.IsInf(v.float(), 0)
	case KindString:
		return utf8.ValidString(v.text())
	}
	return false
}

// setScalar sets a zero boolean, number or text, or a pointer to one. It returns false for a value of another kind, or one that does not fit.
func setScalar(field reflect.Value, v Value) bool {
	if v.kind == KindNull {
		return true
	}
	if field.Kind() == reflect.Pointer {
		field.Set(reflect.New(field.Type().Elem()))
		field = field.Elem()
	}
	switch {
	case field.Kind() == reflect.String:
		if v.kind != KindString || !utf8.ValidString(v.text()) {
			return false
		}
		field.SetString(v.text())
	case field.Kind() == reflect.Bool:
		if v.kind != KindBool {
			return false
		}
		field.SetBool(v.bool())
	case field.CanInt():
		if v.kind != KindInt || field.OverflowInt(v.int()) {
			return false
		}
		field.SetInt(v.int())
	case field.CanUint():
		if v.kind != KindInt || v.int() < 0 || field.OverflowUint(uint64(v.int())) {
			return false
		}
		field.SetUint(uint64(v.int()))
	case field.CanFloat():
		f, ok := v.number()
		if !ok || v.kind == KindBig || math.IsNaN(f) || math.IsInf(f, 0) {
			return false
		}
		if field.Kind() == reflect.Float32 { // rounded from the decimal or from the float that it stands for: engines of JSON differ
			short, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', -1, 64), 32)
			if err != nil || float32(short) != float32(f) || v.kind == KindInt {
				return false
			}
			f = short
		}
		field.SetFloat(f)
	default:
		return false
	}
	return true
}
