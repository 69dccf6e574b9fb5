package avro

import (
	"slices"

	"github.com/hamba/avro/v2"
)

// composable reports whether hamba/avro (v2.31.0) resolves data of schema w as schema r rightly. Its composite schemas are fast to
// read with, but of recursive types it makes them without end, it refuses unions with a branch that the reader does not have though no
// value may be of it, and it takes the first branch that a value can be promoted to before one of the same type.
//
// The names of records that hold the types are in outer.
func composable(w, r avro.Schema, outer []string) bool {
	w, r = deref(w), deref(r)
	if w.Type() == avro.Union || r.Type() == avro.Union {
		return composableUnion(w, r, outer)
	}
	if logicalName(w) != logicalName(r) {
		return false
	}
	switch w := w.(type) {
	case *avro.RecordSchema:
		r, ok := r.(*avro.RecordSchema)
		if !ok || w.FullName() != r.FullName() || slices.Contains(outer, w.FullName()) {
			return false
		}
		outer = append(slices.Clip(outer), w.FullName())
		for _, field := range r.Fields() {
			i := slices.IndexFunc(w.Fields(), func(f *avro.Field) bool { return f.Name() == field.Name() })
			switch {
			case i >= 0 && !composable(w.Fields()[i].Type(), field.Type(), outer):
				return false
			case i < 0 && (len(field.Aliases()) > 0 || !field.HasDefault() || hasHardDefault(field)):
				return false
			}
		}
		return true
	case *avro.ArraySchema:
		r, ok := r.(*avro.ArraySchema)
		return ok && composable(w.Items(), r.Items(), outer)
	case *avro.MapSchema:
		r, ok := r.(*avro.MapSchema)
		return ok && composable(w.Values(), r.Values(), outer)
	case *avro.EnumSchema:
		r, ok := r.(*avro.EnumSchema)
		return ok && w.FullName() == r.FullName() && slices.Equal(w.Symbols(), r.Symbols())
	case *avro.FixedSchema:
		r, ok := r.(*avro.FixedSchema)
		return ok && w.FullName() == r.FullName() && w.Size() == r.Size() && scaleOf(w) == scaleOf(r)
	}
	return w.Type() == r.Type() && scaleOf(w) == scaleOf(r) || isNone(logicalOf(r)) && promote(w.Type(), r.Type()) != nil
}

// composableUnion is composable for two unions of a null and another type in the same order. A value that was written without a
// union, the library does not read into a pointer.
func composableUnion(w, r avro.Schema, outer []string) bool {
	reader, ok := r.(*avro.UnionSchema)
	if !ok || !reader.Nullable() {
		return false
	}
	writer, ok := w.(*avro.UnionSchema)
	if !ok || !writer.Nullable() {
		return false
	}
	null, inner := reader.Indices()
	otherNull, otherInner := writer.Indices()
	return null == otherNull && composable(writer.Types()[otherInner], reader.Types()[inner], outer)
}

func logicalName(s avro.Schema) avro.LogicalType {
	if l := logicalOf(s); !isNone(l) {
		return l.Type()
	}
	return ""
}
