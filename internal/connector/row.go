package connector

import (
	"context"
	"encoding"
	"encoding/json"
	"reflect"

	"github.com/weirstreams/weir/row"
)

// ValueColumn is the column of a value that has no columns of its own, such as a number.
const ValueColumn = "value"

// ToRow returns the function that makes a row of a value: a row as it is, structs and maps as row.FromStruct does it, and anything else as
// one column, [ValueColumn]. A null value is a nil row.
func ToRow[V any]() func(V) (row.Row, error) {
	if same, ok := any(func(r row.Row) (row.Row, error) { return r, nil }).(func(V) (row.Row, error)); ok {
		return same
	}
	if t := reflect.TypeFor[V](); hasColumns(t) {
		convert := row.FromStruct[V]()
		return func(v V) (row.Row, error) { return convert(context.Background(), v) }
	}
	convert := row.FromStruct[wrapped[V]]()
	return func(v V) (row.Row, error) {
		r, err := convert(context.Background(), wrapped[V]{v})
		if err != nil {
			return row.Row{}, err
		}
		value, _ := r.Lookup(ValueColumn)
		switch value.Kind() {
		case row.KindRow: // in an interface, or of a type that writes its own JSON
			return row.As[row.Row](value)
		case row.KindNull:
			return row.Row{}, nil
		}
		return r, nil
	}
}

// ToReusedRow is [ToRow] for writers that encode each row at once: a row is valid until the next call, and the function is for one goroutine.
func ToReusedRow[V any]() func(V) (row.Row, error) {
	if !hasColumns(reflect.TypeFor[V]()) {
		return ToRow[V]()
	}
	convert := row.FromStructReusing[V]()
	return func(v V) (row.Row, error) { return convert(context.Background(), v) }
}

// FromRow returns the function that turns a row of [ToRow] back into a value.
func FromRow[V any]() func(row.Row) (V, error) {
	if same, ok := any(func(r row.Row) (row.Row, error) { return r, nil }).(func(row.Row) (V, error)); ok {
		return same
	}
	if t := reflect.TypeFor[V](); hasColumns(t) || t.Kind() == reflect.Interface {
		convert := row.ToStruct[V]()
		return func(r row.Row) (V, error) { return convert(context.Background(), r) }
	}
	convert := row.ToStruct[wrapped[V]]()
	return func(r row.Row) (V, error) {
		w, err := convert(context.Background(), r)
		return w.Value, err
	}
}

type wrapped[V any] struct {
	Value V `json:"value"`
}

// hasColumns reports whether JSON of a type is an object.
func hasColumns(t reflect.Type) bool {
	if implements[json.Marshaler](t) || implements[encoding.TextMarshaler](t) {
		return false
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
		return t.Kind() == reflect.Struct && hasColumns(t)
	}
	return t.Kind() == reflect.Struct || t.Kind() == reflect.Map
}
