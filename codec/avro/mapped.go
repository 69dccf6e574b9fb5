package avro

import (
	"encoding"
	"encoding/binary"
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
