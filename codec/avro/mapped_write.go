package avro

import (
	"encoding"
	"encoding/binary"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"time"

	"github.com/hamba/avro/v2"
)

// toGeneric turns a Go value into a value for the generic codec.
func (m *mapped) toGeneric(s avro.Schema, v reflect.Value) (any, error) {
	s = deref(s)
	if u, ok := s.(*avro.UnionSchema); ok {
		return m.toUnion(u, v)
	}
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			if s.Type() == avro.Null {
				return nil, nil
			}
			return nil, fmt.Errorf("a nil %s is no %s", v.Type(), describe(s))
		}
		if v.Type().Elem() == ratType {
			return new(big.Rat).Set(v.Interface().(*big.Rat)), nil
		}
		v = v.Elem()
	}
	switch s := s.(type) {
	case *avro.RecordSchema:
		return m.toRecord(s, v)
	case *avro.ArraySchema:
		if v.Kind() != reflect.Slice && v.Kind() != reflect.Array {
			return nil, unsupported(v.Type(), s)
		}
		out := make([]any, v.Len())
		for i := range out {
			var err error
			if out[i], err = m.toGeneric(s.Items(), v.Index(i)); err != nil {
				return nil, within(fmt.Sprint(i), err)
			}
		}
		return out, nil
	case *avro.MapSchema:
		if v.Kind() != reflect.Map || v.Type().Key().Kind() != reflect.String {
			return nil, unsupported(v.Type(), s)
		}
		out := make(map[string]any, v.Len())
		for entry := v.MapRange(); entry.Next(); {
			var err error
			if out[entry.Key().String()], err = m.toGeneric(s.Values(), entry.Value()); err != nil {
				return nil, within(entry.Key().String(), err)
			}
		}
		return out, nil
	}
	return toScalar(s, v)
}

func toScalar(s avro.Schema, v reflect.Value) (any, error) {
	switch t := v.Type(); {
	case t.ConvertibleTo(timeType) && t.Kind() == reflect.Struct:
		return v.Convert(timeType).Interface(), nil
	case t == calendarType:
		d := v.Interface().(avro.LogicalDuration)
		b := binary.LittleEndian.AppendUint32(nil, d.Months)
		return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, d.Days), d.Milliseconds), nil
	case t == durationType:
		if isNone(logicalOf(s)) {
			return v.Int(), nil
		}
		return time.Duration(v.Int()), nil
	case t == ratType:
		r := v.Interface().(big.Rat)
		return new(big.Rat).Set(&r), nil
	case s.Type() == avro.String || s.Type() == avro.Enum:
		if v.Kind() == reflect.String {
			return v.String(), nil
		}
		if text, ok := v.Interface().(encoding.TextMarshaler); ok {
			b, err := text.MarshalText()
			return string(b), err
		}
	case s.Type() == avro.Bytes && v.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return nonNil(v.Bytes()), nil
	case s.Type() == avro.Fixed && v.Kind() == reflect.Array && t.Elem().Kind() == reflect.Uint8:
		b := make([]byte, v.Len())
		reflect.Copy(reflect.ValueOf(b), v)
		return b, nil
	case s.Type() == avro.Boolean && v.Kind() == reflect.Bool:
		return v.Bool(), nil
	case s.Type() == avro.Int || s.Type() == avro.Long:
		if v.CanInt() {
			return v.Int(), nil
		}
		if v.CanUint() && v.Uint() <= 1<<63-1 {
			return int64(v.Uint()), nil
		}
	case s.Type() == avro.Float || s.Type() == avro.Double:
		if v.Kind() == reflect.Float32 {
			return float32(v.Float()), nil
		}
		if v.CanFloat() {
			return v.Float(), nil
		}
	}
	return nil, unsupported(v.Type(), s)
}

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func (m *mapped) toUnion(u *avro.UnionSchema, v reflect.Value) (any, error) {
	into := func(branch avro.Schema, v reflect.Value) (any, error) {
		value, err := m.toGeneric(branch, v)
		if err != nil {
			return nil, err
		}
		if value == nil {
			return nil, nil
		}
		return Branch{branchName(branch), value}, nil
	}
	if v.Kind() == reflect.Interface && !v.IsNil() {
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		if v.IsNil() {
			if !u.Nullable() && !slices.ContainsFunc(u.Types(), func(b avro.Schema) bool { return b.Type() == avro.Null }) {
				return nil, fmt.Errorf("a nil %s is no %s", v.Type(), describe(u))
			}
			return nil, nil
		}
	}
	// A map from the name of the branch to the value.
	if v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String && v.Type().Elem().Kind() == reflect.Interface && v.Len() == 1 {
		entry := v.MapRange()
		entry.Next()
		for _, branch := range u.Types() {
			if branchName(branch) == entry.Key().String() {
				return into(branch, entry.Value())
			}
		}
	}
	inner := v
	for inner.Kind() == reflect.Pointer && inner.Type().Elem() != ratType {
		inner = inner.Elem()
	}
	for name, t := range m.registered {
		if t != inner.Type() {
			continue
		}
		for _, branch := range u.Types() {
			if branchName(branch) == name {
				return into(branch, inner)
			}
		}
	}
	best, most := -1, 0
	for i, branch := range u.Types() {
		if n := m.fits(branch, inner); n > most {
			best, most = i, n
		}
	}
	if best < 0 {
		return nil, fmt.Errorf("%s fits none of the branches of %s", v.Type(), describe(u))
	}
	return into(u.Types()[best], inner)
}

// fits says how well a Go value fits a branch of a union: 0 not at all, more is better.
func (m *mapped) fits(s avro.Schema, v reflect.Value) int {
	value, err := m.toGeneric(s, v)
	if err != nil || s.Type() == avro.Null {
		return 0
	}
	if n := m.defaults.fits(s, value); n > 0 {
		switch v.Kind() { // the type that is as wide as the Go type is best
		case reflect.Int32, reflect.Int16, reflect.Int8, reflect.Int:
			if s.Type() == avro.Int {
				n += 3
			}
		}
		return n
	}
	switch deref(s).(type) {
	case *avro.RecordSchema, *avro.ArraySchema, *avro.MapSchema:
		return 1
	}
	return 0
}

func (m *mapped) toRecord(s *avro.RecordSchema, v reflect.Value) (any, error) {
	out := make(map[string]any, len(s.Fields()))
	if v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String {
		for _, f := range s.Fields() {
			item := v.MapIndex(reflect.ValueOf(f.Name()).Convert(v.Type().Key()))
			if !item.IsValid() {
				continue
			}
			var err error
			if out[f.Name()], err = m.toGeneric(f.Type(), item); err != nil {
				return nil, within(f.Name(), err)
			}
		}
		return out, nil
	}
	if v.Kind() != reflect.Struct {
		return nil, unsupported(v.Type(), s)
	}
	fields := fieldsOf(v.Type())
	for _, f := range s.Fields() {
		index, ok := fields[f.Name()]
		if !ok {
			continue
		}
		field, err := v.FieldByIndexErr(index)
		if err != nil {
			continue // of an embedded nil pointer: the default, if there is one
		}
		if out[f.Name()], err = m.toGeneric(f.Type(), field); err != nil {
			return nil, within(f.Name(), err)
		}
	}
	return out, nil
}
