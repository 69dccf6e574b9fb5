package avro

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/hamba/avro/v2"
)

// checkFit returns an error for a struct of t that stands for a record of the schema, and has a tag that names no field of the record or its
// aliases, or shares no field with it. Such fields would be zero in each value that is read, and missing in each that is written, without an error.
func checkFit(s avro.Schema, t reflect.Type) error { return (&fit{map[placed]bool{}}).check(s, t) }

type fit struct{ seen map[placed]bool }

func (x *fit) check(s avro.Schema, t reflect.Type) error {
	s = deref(s)
	if t.Implements(converterType) || reflect.PointerTo(t).Implements(converterType) {
		return nil // the type reads its union itself
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch s := s.(type) {
	case *avro.RecordSchema:
		return x.record(s, t)
	case *avro.ArraySchema:
		if t.Kind() == reflect.Slice {
			return x.check(s.Items(), t.Elem())
		}
	case *avro.MapSchema:
		if t.Kind() == reflect.Map {
			return x.check(s.Values(), t.Elem())
		}
	case *avro.UnionSchema:
		records := slices.DeleteFunc(slices.Clone(s.Types()), func(b avro.Schema) bool { return deref(b).Type() != avro.Record })
		if len(records) == 1 {
			return x.check(records[0], t)
		}
	}
	return nil // a type of another kind is found by the first value
}

func (x *fit) record(s *avro.RecordSchema, t reflect.Type) error {
	place := placed{s.FullName(), t}
	if t.Kind() != reflect.Struct || x.seen[place] {
		return nil
	}
	x.seen[place] = true
	fields, known := fieldsOf(t), map[string]bool{}
	shared := false
	for _, field := range s.Fields() {
		for _, name := range append([]string{field.Name()}, field.Aliases()...) {
			known[name] = true
			index, ok := fields[name]
			if !ok {
				continue
			}
			shared = true
			if err := x.check(field.Type(), t.FieldByIndex(index).Type); err != nil {
				return within(field.Name(), err)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		f := t.FieldByIndex(fields[name])
		tag, tagged := f.Tag.Lookup("avro")
		switch _, option, _ := strings.Cut(tag, ","); {
		case option == optional:
			shared = true
		case option != "":
			return fmt.Errorf("the field %s of %s has the tag avro:%q: the only option is %s", f.Name, t, tag, optional)
		case tagged && name != "" && name != "-" && !known[name]:
			return fmt.Errorf("the field %s of %s has the tag avro:%q, and the record %s has no such field, only %s", f.Name, t, tag, s.FullName(), fieldNames(s))
		}
	}
	if !shared && len(fields) > 0 && len(known) > 0 {
		return fmt.Errorf("no field of %s is one of the record %s, which has %s: give the fields tags `avro:\"name\"`", t, s.FullName(), fieldNames(s))
	}
	return nil
}

// optional is the option of a tag whose field the schema may lack.
const optional = "optional"

func fieldNames(s *avro.RecordSchema) string {
	var names []string
	for _, field := range s.Fields() {
		names = append(names, field.Name())
	}
	return strings.Join(names, ", ")
}

// checkRegistered checks a type that [TypedFormat.Register] names.
func checkRegistered(s avro.Schema, name string, t reflect.Type) (err error) {
	walk(s, map[string]bool{}, false, func(s avro.Schema, _ bool) {
		if r, ok := s.(*avro.RecordSchema); ok && r.FullName() == name && err == nil {
			err = checkFit(r, t)
		}
	})
	return err
}
