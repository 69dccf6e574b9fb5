package typename

import (
	"fmt"
	"reflect"
	"strings"
	"unsafe"
)

// Aggregator returns the name of an aggregator's computation: "window.extreme(max)". One that is made of others names them
// too. Its functions are not part of it, and neither are its types: the type of its accumulator names them. An aggregator outside of package
// window that is a window.Named has the name that it gives.
func Aggregator(a any) string { return aggregator(reflect.ValueOf(a), 0) }

func aggregator(v reflect.Value, depth int) string {
	for v.Kind() == reflect.Interface && !v.IsNil() {
		v = v.Elem()
	}
	if !v.IsValid() {
		return ""
	}
	ours := ofWindow(v.Type())
	if named, ok := v.Interface().(interface{ AccumulatorName() string }); ok && !ours && !isNil(v) {
		return named.AccumulatorName()
	}
	base, _, _ := strings.Cut(strings.TrimPrefix(clean(v.Type().String()), "*"), "[")
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct || depth == maxDepth {
		return base
	}
	if !v.CanAddr() { // so that the fields of its package can be read
		c := reflect.New(v.Type()).Elem()
		c.Set(v)
		v = c
	}
	var parts []string
	for i := range v.NumField() {
		field := v.Field(i)
		field = reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem()
		switch {
		case isAggregator(field):
			parts = append(parts, aggregator(field, depth+1))
		case !strings.HasSuffix(v.Type().PkgPath(), "/weir/window"):
			// The fields of other aggregators may be anything, also something that changes from run to run.
		case field.Kind() == reflect.String, field.CanInt(), field.CanFloat():
			parts = append(parts, fmt.Sprint(field))
		}
	}
	if len(parts) > 0 {
		base += "(" + strings.Join(parts, ", ") + ")"
	}
	return base
}

// ofWindow reports whether a type, or the type that it points to, is of package window or one below it.
func ofWindow(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return strings.Contains(t.PkgPath()+"/", "/weir/window/")
}

func isNil(v reflect.Value) bool { return v.Kind() == reflect.Pointer && v.IsNil() }

func isAggregator(v reflect.Value) bool {
	if (v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer) && v.IsNil() {
		return false
	}
	t := v.Type()
	if v.Kind() == reflect.Interface {
		t = v.Elem().Type()
	}
	for _, name := range []string{"Init", "Add", "Result", "Codec"} {
		if _, ok := t.MethodByName(name); !ok {
			return false
		}
	}
	return true
}
