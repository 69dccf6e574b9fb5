//go:build interop

package avro_test

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"time"
)

// hasOneOrder reports whether a value has one encoding: the entries of maps have no order.
func hasOneOrder(n *node, v any) bool {
	switch v := v.(type) {
	case choice:
		return hasOneOrder(n.branches[v.branch], v.value)
	case []any:
		return !slices.ContainsFunc(v, func(item any) bool { return !hasOneOrder(n.item, item) })
	case map[string]any:
		if n.kind == "map" {
			for _, item := range v {
				return len(v) == 1 && hasOneOrder(n.item, item)
			}
			return true
		}
		for _, f := range n.fields {
			item := v[f.name]
			if item == (missing{}) {
				item = f.initial
			}
			if !hasOneOrder(f.node, item) {
				return false
			}
		}
	}
	return true
}

// show returns a decoded value in the form that Difference.java answers with.
func show(v reflect.Value) any {
	switch {
	case !v.IsValid():
		return nil
	case v.Type() == ratType:
		if v.IsNil() {
			return nil
		}
		return "R" + v.Interface().(*big.Rat).RatString()
	case v.Type() == timeType:
		at := v.Interface().(time.Time)
		return fmt.Sprintf("T%d.%d", at.Unix(), at.Nanosecond())
	case v.Type() == durationType:
		return fmt.Sprint("P", v.Int())
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		return "b" + hex.EncodeToString(v.Bytes())
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return show(v.Elem())
	case reflect.Bool:
		return v.Bool()
	case reflect.Int32:
		return fmt.Sprint("i", v.Int())
	case reflect.Int64, reflect.Int:
		return fmt.Sprint("l", v.Int())
	case reflect.Float32:
		return fmt.Sprintf("f%x", math.Float32bits(float32(v.Float())))
	case reflect.Float64:
		return fmt.Sprintf("d%x", math.Float64bits(v.Float()))
	case reflect.String:
		return "s" + v.String()
	case reflect.Array:
		return fmt.Sprintf("b%x", v.Interface())
	case reflect.Slice:
		out := []any{}
		for i := range v.Len() {
			out = append(out, show(v.Index(i)))
		}
		return out
	case reflect.Map:
		out := map[string]any{}
		for entry := v.MapRange(); entry.Next(); {
			out[entry.Key().String()] = show(entry.Value())
		}
		return out
	}
	panic(v.Type())
}

// showStruct is show for structs, whose fields the schema may not have all.
func showStruct(n *node, v reflect.Value) any {
	if n.kind == "union" { // of null and another type, or of scalars
		for v.Kind() == reflect.Pointer && v.Type() != ratType {
			if v = v.Elem(); !v.IsValid() {
				return nil
			}
		}
		for _, branch := range n.branches {
			if branch.kind != "null" && v.Kind() != reflect.Interface {
				return showStruct(branch, v)
			}
		}
	}
	switch n.kind {
	case "record":
		out := map[string]any{}
		for _, f := range n.fields {
			out[f.name] = showStruct(f.node, fieldOf(v, f.name))
		}
		return out
	case "array":
		out := []any{}
		for i := range v.Len() {
			out = append(out, showStruct(n.item, v.Index(i)))
		}
		return out
	case "map":
		out := map[string]any{}
		for entry := v.MapRange(); entry.Next(); {
			out[entry.Key().String()] = showStruct(n.item, entry.Value())
		}
		return out
	}
	return show(v)
}

// untag takes the names of branches away.
func untag(n *node, v any) any {
	switch n.kind {
	case "union":
		for name, inner := range asMap(v) {
			for _, branch := range n.branches {
				if branch.branch() == name {
					return untag(branch, inner)
				}
			}
		}
	case "record":
		for _, f := range n.fields {
			asMap(v)[f.name] = untag(f.node, asMap(v)[f.name])
		}
	case "array":
		for i := range v.([]any) {
			v.([]any)[i] = untag(n.item, v.([]any)[i])
		}
	case "map":
		for k := range asMap(v) {
			asMap(v)[k] = untag(n.item, asMap(v)[k])
		}
	}
	return v
}

func asMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// wideIntegers makes no difference between int and long, as fields of Go's int do not.
func wideIntegers(v any) any {
	switch v := v.(type) {
	case string:
		if strings.HasPrefix(v, "i") {
			return "l" + v[1:]
		}
	case []any:
		for i := range v {
			v[i] = wideIntegers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = wideIntegers(v[k])
		}
	}
	return v
}
