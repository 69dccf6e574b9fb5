// Package typename names types and codecs for people and for fingerprints: the same on every machine and in every build.
package typename

import (
	"reflect"
	"regexp"
	"strings"

	"github.com/weirstreams/weir/codec"
)

// Of returns the name of a type with its package: "shop.Order". A struct without a name is written out.
func Of[T any]() string { return clean(reflect.TypeFor[T]().String()) }

// Codec returns the names of the type and of its encoder: "shop.Order as codec.jsonCodec[shop.Order]". A codec that
// is made of others names them too. It is "" if the codec is nil.
func Codec[T any](c codec.Codec[T]) string {
	if c == nil {
		return ""
	}
	return Of[T]() + " as " + describe(reflect.ValueOf(c), 0)
}

// paths match the beginning of names of type arguments: the path of a package up to its last element. The other pattern
// numbers types that are declared in functions, by how many of them there are.
var (
	paths   = regexp.MustCompile(`[\w.~%-]+/`)
	numbers = regexp.MustCompile(`·\d+`)
)

func clean(name string) string {
	return numbers.ReplaceAllString(paths.ReplaceAllString(name, ""), "")
}

// maxDepth bounds codecs that are made of codecs.
const maxDepth = 5

func describe(v reflect.Value, depth int) string {
	name := clean(v.Type().String())
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct || depth == maxDepth {
		return name
	}
	var parts []string
	for i := range v.NumField() {
		if field := v.Field(i); field.Kind() == reflect.Interface && !field.IsNil() && isCodec(field.Type()) {
			parts = append(parts, describe(field.Elem(), depth+1))
		}
	}
	if len(parts) > 0 {
		name += " of " + strings.Join(parts, " and ")
	}
	return name
}

func isCodec(t reflect.Type) bool {
	_, appends := t.MethodByName("Append")
	_, decodes := t.MethodByName("Decode")
	return appends && decodes
}
