package connector

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
)

// KeyValue returns the function that makes a value of a document of a key: numbers and booleans as int64, float64 and bool, and the text of [KeyText] of others. The result
// is nil for null. The function may be called by several goroutines at once.
func KeyValue[K any]() func(K) (any, error) {
	t := reflect.TypeFor[K]()
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	_, text := reflect.New(t).Interface().(encoding.TextMarshaler)
	switch t.Kind() {
	case reflect.Bool, reflect.Float32, reflect.Float64, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if !text {
			return func(k K) (any, error) { return scalarValue(reflect.ValueOf(k)) }
		}
	}
	texts := KeyText[K]()
	return func(k K) (any, error) {
		text, null, err := texts(k)
		if err != nil || null {
			return nil, err
		}
		return text, nil
	}
}

func scalarValue(v reflect.Value) (any, error) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil, nil
		}
		v = v.Elem()
	}
	switch {
	case v.CanInt():
		return v.Int(), nil
	case v.CanUint():
		if v.Uint() > math.MaxInt64 {
			return nil, fmt.Errorf("%d is greater than the integers of 64 bits of the target", v.Uint())
		}
		return int64(v.Uint()), nil
	case v.CanFloat():
		return v.Float(), nil
	}
	return v.Bool(), nil
}
