package avro

import (
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hamba/avro/v2"
)

// mapped encodes and decodes Go values by way of maps and the generic codec. hamba/avro v2.31.0 has these defects, so the schemas
// that can meet them go this way: a date before 1970 is a day late, a decimal is cut to its scale and not written in the fewest
// bytes, a decimal of no bytes reads as 0, a nullable one is read over the memory behind a big.Rat, local timestamps depend on the zone of the machine,
// default values of long, bytes and times of day are wrong, and schemas that differ are resolved wrongly (see composable).
type mapped struct {
	generic  genericCodec // with the names of branches
	schema   avro.Schema
	defaults defaults
	// registered are the Go types of named types in interfaces.
	registered map[string]reflect.Type
}

// needsMaps reports whether values of a schema have to be written, or read, by way of maps.
func needsMaps(s *schema) (write, read bool) {
	walk(s.parsed, map[string]bool{}, false, func(s avro.Schema, inUnion bool) {
		if r, ok := s.(*avro.RecordSchema); ok && slices.ContainsFunc(r.Fields(), hasHardDefault) {
			write = true
		}
		switch logicalName(s) {
		case avro.Date:
			write = true
		case avro.Decimal:
			write, read = true, read || inUnion || deref(s).Type() == avro.Bytes
		case avro.LocalTimestampMillis, avro.LocalTimestampMicros:
			write, read = true, true
		}
	})
	return write, read
}

// hasHardDefault reports whether hamba/avro gets the default value of a field wrong for its logical type: a time of day, or a value
// of a union that is not null.
func hasHardDefault(f *avro.Field) (found bool) {
	if f.HasDefault() {
		walk(f.Type(), map[string]bool{}, false, func(s avro.Schema, inUnion bool) {
			logical := logicalName(s)
			found = found || logical == avro.TimeMillis || logical == avro.TimeMicros || logical != "" && inUnion && f.Default() != nil
		})
	}
	return found
}

// walk calls f with all types of a schema.
func walk(s avro.Schema, seen map[string]bool, inUnion bool, f func(s avro.Schema, inUnion bool)) {
	s = deref(s)
	if named, ok := s.(avro.NamedSchema); ok {
		if seen[named.FullName()] && !inUnion {
			return
		}
		key := fmt.Sprint(named.FullName(), inUnion)
		if seen[key] {
			return
		}
		seen[named.FullName()], seen[key] = true, true
	}
	f(s, inUnion)
	switch s := s.(type) {
	case *avro.RecordSchema:
		for _, field := range s.Fields() {
			walk(field.Type(), seen, false, f)
		}
	case *avro.ArraySchema:
		walk(s.Items(), seen, false, f)
	case *avro.MapSchema:
		walk(s.Values(), seen, false, f)
	case *avro.UnionSchema:
		for _, branch := range s.Types() {
			walk(branch, seen, true, f)
		}
	}
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
	calendarType = reflect.TypeFor[avro.LogicalDuration]()
	ratType      = reflect.TypeFor[big.Rat]()
	bytesType    = reflect.TypeFor[[]byte]()
)

func unsupported(v reflect.Type, s avro.Schema) error {
	return fmt.Errorf("a value of Go type %s is no %s", v, describe(s))
}

// fieldsOf returns the fields of a struct by their names in a schema: those of tags `avro:"name"`, or else those in Go.
func fieldsOf(t reflect.Type) map[string][]int {
	out := map[string][]int{}
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous || !f.IsExported() {
			continue
		}
		name := f.Name
		if tag, ok := f.Tag.Lookup("avro"); ok {
			name, _, _ = strings.Cut(tag, ",")
		}
		if old, ok := out[name]; !ok || len(f.Index) < len(old) {
			out[name] = f.Index
		}
	}
	return out
}
