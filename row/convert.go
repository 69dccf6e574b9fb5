package row

import (
	"fmt"
	"reflect"
)

// Scalar is a Go type that a [Value] can be read as.
type Scalar interface {
	bool | string | int | int64 | float64 | Value | Row | []Value
}

// TypeError says that a value is of another kind than was asked for.
type TypeError struct {
	// Kind is that of the value, Want the Go type that was asked for.
	Kind Kind
	Want reflect.Type
}

// Error names the kind of the value and the Go type.
func (e *TypeError) Error() string { return fmt.Sprintf("%v is not %v", e.Kind, e.Want) }

// As returns a value as a Go value: bool, string, int, int64, float64 (which takes integers too), Row, []Value, or Value,
// which takes everything. The list must not be changed. Any other kind, null included, is a [*TypeError].
func As[T Scalar](v Value) (T, error) { return reader[T]()(v) }

// reader returns the function that turns values into T. The functions are no closures, as one in a generic function would be allocated by each call.
func reader[T Scalar]() func(Value) (T, error) {
	var read any
	switch any(*new(T)).(type) {
	case bool:
		read = asBool
	case string:
		read = asString
	case int:
		read = asInt
	case int64:
		read = asInt64
	case float64:
		read = asFloat
	case Row:
		read = asRow
	case []Value:
		read = asList
	case Value:
		read = asValue
	}
	return read.(func(Value) (T, error))
}

func asBool(v Value) (bool, error)   { return v.bool(), want[bool](v, KindBool) }
func asInt(v Value) (int, error)     { return int(v.int()), want[int](v, KindInt) }
func asInt64(v Value) (int64, error) { return v.int(), want[int64](v, KindInt) }
func asValue(v Value) (Value, error) { return v, nil }

func asString(v Value) (string, error) {
	if v.kind != KindString {
		return "", want[string](v, KindString)
	}
	return v.text(), nil
}

func asFloat(v Value) (float64, error) {
	f, ok := v.number()
	if !ok {
		return 0, want[float64](v, KindFloat)
	}
	return f, nil
}

func asRow(v Value) (Row, error) {
	if v.kind != KindRow {
		return Row{}, want[Row](v, KindRow)
	}
	return v.row(), nil
}

func asList(v Value) ([]Value, error) {
	if v.kind != KindList {
		return nil, want[[]Value](v, KindList)
	}
	return v.list(), nil
}

// want returns an error unless a value is of a kind.
func want[T any](v Value, kind Kind) error {
	if v.kind == kind {
		return nil
	}
	return &TypeError{Kind: v.kind, Want: reflect.TypeFor[T]()}
}

// writer returns the function that turns T into values.
func writer[T Scalar]() func(T) Value {
	var write any
	switch any(*new(T)).(type) {
	case bool:
		write = Bool
	case string:
		write = String
	case int:
		write = func(v int) Value { return Int(int64(v)) }
	case int64:
		write = Int
	case float64:
		write = Float
	case Row:
		write = Row.Value
	case []Value:
		write = func(v []Value) Value { return List(v...) }
	case Value:
		write = func(v Value) Value { return v }
	}
	return write.(func(T) Value)
}

// Of makes a value of a Go constant. It uses reflection for types that the program defines: make values once, not for
// each record, or use Int, Float and the like.
func Of[T Constant](v T) Value {
	if value, ok := known(v); ok {
		return value
	}
	return of(v)
}

// of is Of for types that the constraint of its caller has checked.
func of(v any) Value {
	if value, ok := known(v); ok {
		return value
	}
	rv := reflect.ValueOf(v)
	switch {
	case rv.CanInt():
		return Int(rv.Int())
	case rv.CanUint():
		return Uint(rv.Uint())
	case rv.CanFloat():
		return Float(rv.Float())
	case rv.Kind() == reflect.Bool:
		return Bool(rv.Bool())
	default:
		return String(rv.String())
	}
}

// known is [of] for the types that need no reflection, by which v would be allocated.
func known(v any) (value Value, ok bool) {
	switch v := v.(type) {
	case Value:
		return v, true
	case Row:
		return v.Value(), true
	case bool:
		return Bool(v), true
	case string:
		return String(v), true
	case int:
		return Int(int64(v)), true
	case int64:
		return Int(v), true
	case float64:
		return Float(v), true
	}
	return Value{}, false
}
