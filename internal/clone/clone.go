// Package clone copies values so that changes of a copy do not reach the original.
package clone

import "reflect"

// Cloner is implemented by types that know how to copy themselves.
type Cloner[T any] interface{ Clone() T }

// For returns the function that copies a T: its method Clone() T if it has one. Otherwise pointers, maps, slices and
// interfaces are followed, through exported fields of structs and arrays; everything else, such as channels, functions
// and targets of unexported fields, is shared. A T that refers to itself must have a method.
func For[T any]() func(T) T {
	if reflect.TypeFor[T]().Implements(reflect.TypeFor[Cloner[T]]()) {
		return func(v T) T {
			if isNil(reflect.ValueOf(v)) {
				return v
			}
			return any(v).(Cloner[T]).Clone()
		}
	}
	return func(v T) T {
		if isNil(reflect.ValueOf(v)) {
			return v
		}
		// Through a pointer, because T may be an interface.
		return deep(reflect.ValueOf(&v).Elem()).Interface().(T)
	}
}

func isNil(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return v.IsNil()
	case reflect.Invalid:
		return true
	default:
		return false
	}
}

func deep(v reflect.Value) reflect.Value {
	if isNil(v) {
		return v
	}
	t := v.Type()
	switch v.Kind() {
	case reflect.Pointer:
		to := reflect.New(t.Elem())
		to.Elem().Set(deep(v.Elem()))
		return to.Convert(t)
	case reflect.Interface:
		to := reflect.New(t).Elem()
		to.Set(deep(v.Elem()))
		return to
	case reflect.Map:
		to := reflect.MakeMapWithSize(t, v.Len())
		for entries := v.MapRange(); entries.Next(); {
			to.SetMapIndex(entries.Key(), deep(entries.Value()))
		}
		return to
	case reflect.Slice:
		to := reflect.MakeSlice(t, v.Len(), v.Len())
		if flat(t.Elem()) {
			reflect.Copy(to, v)
			return to
		}
		for i := range v.Len() {
			to.Index(i).Set(deep(v.Index(i)))
		}
		return to
	case reflect.Array:
		to := reflect.New(t).Elem()
		for i := range v.Len() {
			to.Index(i).Set(deep(v.Index(i)))
		}
		return to
	case reflect.Struct:
		to := reflect.New(t).Elem()
		to.Set(v)
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && !flat(f.Type) {
				to.Field(i).Set(deep(v.Field(i)))
			}
		}
		return to
	default:
		return v
	}
}

// Needed reports whether values of T have to be copied to be kept apart. It is false for those that assignment copies.
func Needed[T any]() bool { return !flat(reflect.TypeFor[T]()) }

// flat reports whether values of a type are copied by assignment.
func flat(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return flat(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !flat(t.Field(i).Type) {
				return false
			}
		}
		return true
	default:
		return t.Kind() <= reflect.Complex128 || t.Kind() == reflect.String
	}
}
