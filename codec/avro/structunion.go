package avro

import (
	"reflect"
	"slices"

	"github.com/hamba/avro/v2"
)

var converterType = reflect.TypeFor[avro.UnionConverter]()

// hasStructInUnion reports whether values of a Go type have a struct where the schema has a union, as a time.Time for a
// ["null", timestamp]. hamba/avro (v2.31.0) takes such a struct for a pointer, and reads and writes elsewhere in the memory.
func hasStructInUnion(s avro.Schema, t reflect.Type) bool {
	return (&structInUnion{map[placed]bool{}}).in(s, t)
}

// placed is a named type of a schema for a Go type.
type placed struct {
	name string
	t    reflect.Type
}

type structInUnion struct{ seen map[placed]bool }

func (x *structInUnion) in(s avro.Schema, t reflect.Type) bool {
	s = deref(s)
	if union, ok := s.(*avro.UnionSchema); ok {
		if t.Implements(converterType) || reflect.PointerTo(t).Implements(converterType) {
			return false
		}
		if t.Kind() == reflect.Struct {
			return true
		}
		for _, branch := range union.Types() {
			if x.in(branch, t) {
				return true
			}
		}
		return false
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if named, ok := s.(avro.NamedSchema); ok {
		place := placed{named.FullName(), t}
		if x.seen[place] {
			return false
		}
		x.seen[place] = true
	}
	switch s := s.(type) {
	case *avro.RecordSchema:
		if t.Kind() == reflect.Map {
			return x.anyField(s, func(string) (reflect.Type, bool) { return t.Elem(), true })
		}
		if t.Kind() == reflect.Struct {
			fields := fieldsOf(t)
			return x.anyField(s, func(name string) (reflect.Type, bool) {
				index, ok := fields[name]
				if !ok {
					return nil, false
				}
				return t.FieldByIndex(index).Type, true
			})
		}
	case *avro.ArraySchema:
		return t.Kind() == reflect.Slice && x.in(s.Items(), t.Elem())
	case *avro.MapSchema:
		return t.Kind() == reflect.Map && x.in(s.Values(), t.Elem())
	}
	return false
}

func (x *structInUnion) anyField(s *avro.RecordSchema, typeOf func(name string) (reflect.Type, bool)) bool {
	for _, f := range s.Fields() {
		if t, ok := typeOf(f.Name()); ok && x.in(f.Type(), t) {
			return true
		}
	}
	return false
}

// hasStructInUnion is the function of this name for all types that t reads and writes.
func (t *typedCodec[T]) hasStructInUnion(s *schema) (found bool) {
	if hasStructInUnion(s.parsed, reflect.TypeFor[T]()) {
		return true
	}
	if len(t.registered) > 0 {
		walk(s.parsed, map[string]bool{}, false, func(s avro.Schema, _ bool) {
			if registered, ok := t.registered[branchName(s)]; ok && hasStructInUnion(s, registered) {
				found = true
			}
		})
	}
	return found
}

// hasPointerInUnion reports whether values are pointers to something else than a record, and the schema is a union. The library reads
// them and does not write them.
func hasPointerInUnion(s avro.Schema, t reflect.Type) bool {
	union, ok := s.(*avro.UnionSchema)
	return ok && t.Kind() == reflect.Pointer && slices.ContainsFunc(union.Types(), func(branch avro.Schema) bool {
		return branch.Type() != avro.Null && deref(branch).Type() != avro.Record
	})
}
