package avro

import (
	"encoding"
	"encoding/binary"
	"fmt"
	"math/big"
	"reflect"

	"github.com/hamba/avro/v2"
)

// fromGeneric sets a Go value to a value that the generic codec has read.
func (m *mapped) fromGeneric(s avro.Schema, value any, to reflect.Value) error {
	s = deref(s)
	if u, ok := s.(*avro.UnionSchema); ok {
		return m.fromUnion(u, value, to)
	}
	if to.Kind() == reflect.Pointer {
		if value == nil {
			to.SetZero()
			return nil
		}
		if r, ok := value.(*big.Rat); ok && to.Type().Elem() == ratType {
			to.Set(reflect.ValueOf(r))
			return nil
		}
		to.Set(reflect.New(to.Type().Elem()))
		return m.fromGeneric(s, value, to.Elem())
	}
	if to.Kind() == reflect.Interface {
		return m.intoInterface(s, value, to)
	}
	switch s := s.(type) {
	case *avro.RecordSchema:
		return m.fromRecord(s, value.(map[string]any), to)
	case *avro.ArraySchema:
		items := value.([]any)
		if to.Kind() != reflect.Slice {
			return unsupported(to.Type(), s)
		}
		out := reflect.MakeSlice(to.Type(), len(items), len(items))
		for i, item := range items {
			if err := m.fromGeneric(s.Items(), item, out.Index(i)); err != nil {
				return within(fmt.Sprint(i), err)
			}
		}
		to.Set(out)
		return nil
	case *avro.MapSchema:
		if to.Kind() != reflect.Map || to.Type().Key().Kind() != reflect.String {
			return unsupported(to.Type(), s)
		}
		values := value.(map[string]any)
		out := reflect.MakeMapWithSize(to.Type(), len(values))
		for name, item := range values {
			element := reflect.New(to.Type().Elem()).Elem()
			if err := m.fromGeneric(s.Values(), item, element); err != nil {
				return within(name, err)
			}
			out.SetMapIndex(reflect.ValueOf(name).Convert(to.Type().Key()), element)
		}
		to.Set(out)
		return nil
	}
	return fromScalar(s, value, to)
}

func fromScalar(s avro.Schema, value any, to reflect.Value) error {
	v := reflect.ValueOf(value)
	switch t := to.Type(); {
	case value == nil:
		to.SetZero()
		return nil
	case v.Type() == timeType && t.Kind() == reflect.Struct && timeType.ConvertibleTo(t), v.Type() == t:
		to.Set(v.Convert(t))
		return nil
	case t == ratType && v.Type() == reflect.PointerTo(ratType):
		to.Set(v.Elem())
		return nil
	case v.Type() == bytesType && t == calendarType && v.Len() == 12:
		b := v.Bytes()
		to.Set(reflect.ValueOf(avro.LogicalDuration{
			Months: binary.LittleEndian.Uint32(b), Days: binary.LittleEndian.Uint32(b[4:]), Milliseconds: binary.LittleEndian.Uint32(b[8:]),
		}))
		return nil
	case v.Type() == bytesType && t.Kind() == reflect.Array && t.Elem().Kind() == reflect.Uint8 && t.Len() == v.Len():
		reflect.Copy(to, v)
		return nil
	case v.Type() == bytesType && t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8,
		v.Kind() == reflect.String && t.Kind() == reflect.String, v.Kind() == reflect.Bool && t.Kind() == reflect.Bool,
		v.CanFloat() && to.CanFloat():
		to.Set(v.Convert(t))
		return nil
	case v.CanInt() && to.CanInt():
		if to.OverflowInt(v.Int()) {
			return fmt.Errorf("%d does not fit %s", v.Int(), t)
		}
		to.SetInt(v.Int())
		return nil
	case v.CanInt() && to.CanUint():
		if v.Int() < 0 || to.OverflowUint(uint64(v.Int())) {
			return fmt.Errorf("%d does not fit %s", v.Int(), t)
		}
		to.SetUint(uint64(v.Int()))
		return nil
	case v.Kind() == reflect.String && to.CanAddr():
		if text, ok := to.Addr().Interface().(encoding.TextUnmarshaler); ok {
			return text.UnmarshalText([]byte(v.String()))
		}
	}
	return unsupported(to.Type(), s)
}

func (m *mapped) fromUnion(u *avro.UnionSchema, value any, to reflect.Value) error {
	if value == nil {
		to.SetZero()
		return nil
	}
	for name, inner := range value.(map[string]any) { // there is one
		for _, branch := range u.Types() {
			if branchName(branch) != name {
				continue
			}
			isForm := to.Kind() == reflect.Map && to.Type().Key().Kind() == reflect.String && to.Type().Elem().Kind() == reflect.Interface
			if isForm && deref(branch).Type() != avro.Map && deref(branch).Type() != avro.Record {
				element := reflect.New(to.Type().Elem()).Elem()
				if err := m.fromGeneric(branch, inner, element); err != nil {
					return err
				}
				out := reflect.MakeMap(to.Type())
				out.SetMapIndex(reflect.ValueOf(name).Convert(to.Type().Key()), element)
				to.Set(out)
				return nil
			}
			return m.fromGeneric(branch, inner, to)
		}
	}
	return fmt.Errorf("no branch of %s: %v", describe(u), value)
}

// intoInterface sets an interface to the Go type that is registered for a name, or to the one that hamba/avro uses.
func (m *mapped) intoInterface(s avro.Schema, value any, to reflect.Value) error {
	t := reflect.TypeOf(value)
	if registered, ok := m.registered[branchName(s)]; ok {
		t = registered
	} else {
		switch s := s.(type) {
		case *avro.RecordSchema, *avro.MapSchema:
			t = reflect.TypeFor[map[string]any]()
		case *avro.ArraySchema:
			t = reflect.TypeFor[[]any]()
		case *avro.FixedSchema:
			if t == bytesType {
				t = reflect.ArrayOf(s.Size(), reflect.TypeFor[byte]())
			}
		default:
			if s.Type() == avro.Int && t.Kind() == reflect.Int32 {
				t = reflect.TypeFor[int]()
			}
		}
	}
	if t == nil {
		to.SetZero()
		return nil
	}
	v := reflect.New(t).Elem()
	if err := m.fromGeneric(s, value, v); err != nil {
		return err
	}
	if !t.AssignableTo(to.Type()) {
		return unsupported(to.Type(), s)
	}
	to.Set(v)
	return nil
}

func (m *mapped) fromRecord(s *avro.RecordSchema, values map[string]any, to reflect.Value) error {
	if to.Kind() == reflect.Map && to.Type().Key().Kind() == reflect.String {
		out := reflect.MakeMapWithSize(to.Type(), len(values))
		for _, f := range s.Fields() {
			element := reflect.New(to.Type().Elem()).Elem()
			if err := m.fromGeneric(f.Type(), values[f.Name()], element); err != nil {
				return within(f.Name(), err)
			}
			out.SetMapIndex(reflect.ValueOf(f.Name()).Convert(to.Type().Key()), element)
		}
		to.Set(out)
		return nil
	}
	if to.Kind() != reflect.Struct {
		return unsupported(to.Type(), s)
	}
	fields := fieldsOf(to.Type())
	for _, f := range s.Fields() {
		index, ok := fields[f.Name()]
		if !ok {
			continue
		}
		field := to
		for _, i := range index {
			if field.Kind() == reflect.Pointer {
				if field.IsNil() {
					field.Set(reflect.New(field.Type().Elem()))
				}
				field = field.Elem()
			}
			field = field.Field(i)
		}
		if err := m.fromGeneric(f.Type(), values[f.Name()], field); err != nil {
			return within(f.Name(), err)
		}
	}
	return nil
}
