package row

import (
	"cmp"
	"context"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/weirstreams/weir/codec"
)

// FromStruct makes a function for Stream.MapWith that makes a row of a Go value: a struct, a map or a pointer to one. Columns are
// named, left out and embedded as encoding/json does it, in the order of the fields; those of a map are sorted. A float stays
// a float, also a whole one, and types with a MarshalJSON or MarshalText are what these methods write. A nil pointer or map is
// a nil row. The function fails for a value that JSON cannot say, such as a channel, and for one that is no object.
func FromStruct[T any]() func(context.Context, T) (Row, error) {
	of := valueOf
	if t := reflect.TypeFor[T](); t.Kind() == reflect.Struct && t != rowType && t != valueType && !writesItself(t) {
		of = rowOfStruct
	}
	values := sync.Pool{New: func() any { return new(T) }}
	return func(_ context.Context, v T) (Row, error) {
		copied := values.Get().(*T)
		*copied = v
		out, err := of(reflect.ValueOf(copied).Elem(), 0)
		*copied = *new(T)
		values.Put(copied)
		if err == nil && out.kind != KindRow && out.kind != KindNull {
			err = fmt.Errorf("%w, got %v", errNotRow, out.kind)
		}
		if err != nil {
			return Row{}, fmt.Errorf("row of a %s: %w", reflect.TypeFor[T](), err)
		}
		if out.kind == KindNull {
			return Row{}, nil
		}
		return out.row(), nil
	}
}

// FromStructReusing is [FromStruct] with a function that makes the rows of structs in the same memory, for writers that encode each row at once: a row is valid
// until the next call. The function is for one goroutine. Rows of other types, and nested ones, have memory of their own.
func FromStructReusing[T any]() func(context.Context, T) (Row, error) {
	t := reflect.TypeFor[T]()
	if t.Kind() != reflect.Struct || t == rowType || t == valueType || writesItself(t) {
		return FromStruct[T]()
	}
	copied := new(T)
	v := reflect.ValueOf(copied).Elem()
	columns := structColumns(t)
	fields := make([]Field, 0, len(columns))
	return func(_ context.Context, value T) (Row, error) {
		*copied = value
		out, err := appendColumns(fields, columns, v, 0)
		if err != nil {
			return Row{}, fmt.Errorf("row of a %s: %w", t, err)
		}
		return Row{out}, nil
	}
}

// FromMap makes a row of a map, such as one that codec.JSON reads. Columns are sorted by name. A nil map is a nil row.
func FromMap(ctx context.Context, m map[string]any) (Row, error) {
	return FromStruct[map[string]any]()(ctx, m)
}

var errNilRow = errors.New("the value is null, not a row")

// ToStruct makes a function for Stream.MapWith that makes a Go value of a row, as codec.JSON reads the row's JSON: columns that T does
// not have are passed over, and fields that the row does not have are zero. A number that does not fit its field is an error. A nil
// row is a nil pointer or map, and an error if T is neither.
func ToStruct[T any]() func(context.Context, Row) (T, error) {
	into := codec.JSON[T]()
	nuller, nilable := into.(codec.Nuller[T])
	var plan []structColumn // nil unless setPlain may set values
	if t := reflect.TypeFor[T](); plainTarget(t) {
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		plan = structColumns(t)
	}
	return func(_ context.Context, r Row) (T, error) {
		var none T
		if r.IsNil() && nilable && nuller.IsNull(none) {
			return none, nil
		}
		fail := func(err error) (T, error) { return none, fmt.Errorf("%s of a row: %w", reflect.TypeFor[T](), err) }
		if r.IsNil() {
			return fail(errNilRow)
		}
		if plan != nil {
			var v T
			if setPlain(reflect.ValueOf(&v).Elem(), plan, r) {
				return v, nil
			}
		}
		data, err := appendRow(nil, r)
		if err != nil {
			return fail(err)
		}
		v, err := into.Decode(nil, data)
		if err != nil {
			if e, ok := errors.AsType[*codec.Error](err); ok {
				err = e.Err
			}
			return fail(err)
		}
		return v, nil
	}
}

var (
	rowType       = reflect.TypeFor[Row]()
	valueType     = reflect.TypeFor[Value]()
	numberType    = reflect.TypeFor[json.Number]()
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

// valueOf makes a value of a Go value.
func valueOf(v reflect.Value, depth int) (Value, error) {
	if depth++; depth > maxDepth {
		return Value{}, errDepth
	}
	if !v.IsValid() {
		return Value{}, nil
	}
	switch v.Type() {
	case rowType:
		return v.Interface().(Row).Value(), nil
	case valueType:
		return v.Interface().(Value), nil
	}
	if (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) && v.IsNil() {
		return Value{}, nil
	}
	if out, ok, err := marshaled(v); ok {
		return out, err
	}
	if out, ok, err := scalarOf(v); ok {
		return out, err
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return valueOf(v.Elem(), depth)
	case reflect.Slice:
		if v.IsNil() {
			return Value{}, nil
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return String(base64.StdEncoding.EncodeToString(v.Bytes())), nil
		}
		return listOf(v, depth)
	case reflect.Array:
		return listOf(v, depth)
	case reflect.Map:
		return rowOfMap(v, depth)
	case reflect.Struct:
		return rowOfStruct(v, depth)
	}
	return Value{}, fmt.Errorf("a %s is no value of a row", v.Type())
}

// scalarOf makes a value of a boolean, a number or a text. ok is false for others.
func scalarOf(v reflect.Value) (out Value, ok bool, err error) {
	switch v.Kind() {
	case reflect.Bool:
		return Bool(v.Bool()), true, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return Int(v.Int()), true, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return Uint(v.Uint()), true, nil
	case reflect.Float64:
		return Float(v.Float()), true, nil
	case reflect.Float32:
		f := v.Float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return Float(f), true, nil
		}
		short, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', -1, 32), 64)
		return Float(short), true, err
	case reflect.String:
		if v.Type() == numberType {
			out, err := decode([]byte(cmp.Or(v.String(), "0")))
			return out, true, err
		}
		return String(v.String()), true, nil
	}
	return Value{}, false, nil
}

// writesItself reports whether a type, or a pointer to it, has a MarshalJSON or a MarshalText.
func writesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(jsonMarshaler) || p.Implements(textMarshaler) || t.Implements(jsonMarshaler) || t.Implements(textMarshaler)
}

// marshaled asks a type that writes its own JSON or text. ok is false for others.
func marshaled(v reflect.Value) (out Value, ok bool, err error) {
	own := v
	if v.Kind() != reflect.Pointer && v.CanAddr() {
		own = v.Addr()
	}
	if !own.CanInterface() {
		return Value{}, false, nil
	}
	switch m := own.Interface().(type) {
	case json.Marshaler:
		data, err := m.MarshalJSON()
		if err != nil {
			return Value{}, true, err
		}
		out, err = decode(data)
		return out, true, err
	case encoding.TextMarshaler:
		text, err := m.MarshalText()
		return String(string(text)), true, err
	}
	return Value{}, false, nil
}

func listOf(v reflect.Value, depth int) (Value, error) {
	items := make([]Value, v.Len())
	for i := range items {
		var err error
		if items[i], err = valueOf(v.Index(i), depth); err != nil {
			return Value{}, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return List(items...), nil
}

func rowOfMap(v reflect.Value, depth int) (Value, error) {
	if v.IsNil() {
		return Value{}, nil
	}
	columns := make(map[string]Value, v.Len())
	for entry := v.MapRange(); entry.Next(); {
		name, err := keyText(entry.Key())
		if err != nil {
			return Value{}, err
		}
		if columns[name], err = valueOf(entry.Value(), depth); err != nil {
			return Value{}, fmt.Errorf("column %q: %w", name, err)
		}
	}
	fields := make([]Field, 0, len(columns))
	for _, name := range slices.Sorted(maps.Keys(columns)) {
		fields = append(fields, Field{name, columns[name]})
	}
	return Row{fields}.Value(), nil
}

// keyText returns the name of a column for a key of a map.
func keyText(key reflect.Value) (string, error) {
	if key.Kind() == reflect.String {
		return key.String(), nil
	}
	if text, ok := key.Interface().(encoding.TextMarshaler); ok {
		out, err := text.MarshalText()
		return string(out), err
	}
	switch {
	case key.CanInt():
		return strconv.FormatInt(key.Int(), 10), nil
	case key.CanUint():
		return strconv.FormatUint(key.Uint(), 10), nil
	}
	return "", fmt.Errorf("a key of type %s is no name of a column", key.Type())
}

func rowOfStruct(v reflect.Value, depth int) (Value, error) {
	columns := structColumns(v.Type())
	fields, err := appendColumns(make([]Field, 0, len(columns)), columns, v, depth)
	return Row{fields}.Value(), err
}

// appendColumns appends the columns of a struct.
func appendColumns(fields []Field, columns []structColumn, v reflect.Value, depth int) ([]Field, error) {
	for i := range columns {
		c := &columns[i]
		field, ok := c.of(v)
		if !ok {
			continue // of an embedded nil pointer
		}
		if c.omitEmpty && isEmpty(field) || c.omitZero && isZero(field) {
			continue
		}
		var value Value
		var err error
		if c.scalar {
			value, _, err = scalarOf(field)
		} else {
			value, err = valueOf(field, depth)
		}
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", c.name, err)
		}
		if c.quoted && value.kind != KindString && value.kind != KindNull {
			value = String(value.String())
		}
		fields = append(fields, Field{c.name, value})
	}
	return fields, nil
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

func isZero(v reflect.Value) bool {
	if z, ok := v.Interface().(interface{ IsZero() bool }); ok {
		return (v.Kind() != reflect.Pointer || !v.IsNil()) && z.IsZero() || v.IsZero()
	}
	return v.IsZero()
}

// structColumn is a field of a struct as encoding/json sees it.
type structColumn struct {
	name                        string
	index                       []int
	tagged                      bool
	omitEmpty, omitZero, quoted bool
	// scalar says that scalarOf makes its values.
	scalar bool
}

// of returns the field of a struct. ok is false if it is one of an embedded nil pointer.
func (c *structColumn) of(v reflect.Value) (field reflect.Value, ok bool) {
	if len(c.index) == 1 {
		return v.Field(c.index[0]), true
	}
	field, err := v.FieldByIndexErr(c.index)
	return field, err == nil
}

var columnsOfTypes sync.Map // of types to their []structColumn

// structColumns returns the fields of a struct in order. Of fields of the same name the one that is embedded least deeply counts,
// then the one with a tag; if there are several, none does. The result must not be changed.
func structColumns(t reflect.Type) []structColumn {
	if known, ok := columnsOfTypes.Load(t); ok {
		return known.([]structColumn)
	}
	columns := findColumns(t)
	columnsOfTypes.Store(t, columns)
	return columns
}

func findColumns(t reflect.Type) []structColumn {
	var all []structColumn
	collectColumns(t, nil, map[reflect.Type]bool{}, &all)
	var out []structColumn
	for _, c := range all {
		wins := true
		for _, other := range all {
			if other.name != c.name || slices.Equal(other.index, c.index) {
				continue
			}
			byDepth := cmp.Compare(len(c.index), len(other.index))
			if byDepth > 0 || byDepth == 0 && (other.tagged || !c.tagged) {
				wins = false
			}
		}
		if wins {
			out = append(out, c)
		}
	}
	return out
}

func collectColumns(t reflect.Type, index []int, within map[reflect.Type]bool, out *[]structColumn) {
	if within[t] {
		return
	}
	within[t] = true
	defer delete(within, t)
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		if tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		at := append(slices.Clone(index), i)
		embedded := f.Type
		if embedded.Kind() == reflect.Pointer {
			embedded = embedded.Elem()
		}
		if f.Anonymous && name == "" && embedded.Kind() == reflect.Struct {
			collectColumns(embedded, at, within, out)
			continue
		}
		if !f.IsExported() {
			continue
		}
		_, scalar, _ := scalarOf(reflect.Zero(f.Type))
		c := structColumn{name: cmp.Or(name, f.Name), index: at, tagged: name != "", scalar: scalar && !writesItself(f.Type)}
		for option := range strings.SplitSeq(options, ",") {
			switch option {
			case "omitempty":
				c.omitEmpty = true
			case "omitzero":
				c.omitZero = true
			case "string":
				c.quoted = true
			}
		}
		*out = append(*out, c)
	}
}
