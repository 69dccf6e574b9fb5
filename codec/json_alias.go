//go:build (amd64 || arm64) && !go1.28 && !weir_stdjson

package codec

import (
	"reflect"

	"github.com/bytedance/sonic"
	"github.com/bytedance/sonic/ast"
)

// jsonAliases reports whether decoding a t can leave references to the input in it. Sonic has two types that do so by
// design, and v1.15.5 does not copy a [encoding/json.Number] that lands in an interface, with any options. All else
// is copied, and encoding/json demands of an Unmarshaler that it copies. seen ends the walk of recursive types.
func jsonAliases(t reflect.Type, seen map[reflect.Type]bool) bool {
	if t == reflect.TypeFor[sonic.NoCopyRawMessage]() || t == reflect.TypeFor[ast.Node]() {
		return true
	}
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return jsonAliases(t.Elem(), seen)
	case reflect.Map:
		return jsonAliases(t.Key(), seen) || jsonAliases(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if jsonAliases(t.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
}
