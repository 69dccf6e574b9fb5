package neo4j

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"
	"unicode/utf8"

	"github.com/neo4j/neo4j-go-driver/v5/neo4j/dbtype"

	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
)

// maxDepth is how deep values may be nested.
const maxDepth = 100

var errDepth = fmt.Errorf("the value is nested more than %d deep", maxDepth)

// sized is a parameter of the driver, and about the number of its bytes.
type sized struct {
	value any
	size  int
}

// parameter returns a value as a parameter of the driver: rows and maps as maps, times in UTC, since the server knows no zone of the name Local.
func parameter(v any) (sized, error) { return parameterAt(v, maxDepth) }

const scalarSize = 9 // bytes, at most

func parameterAt(v any, depth int) (sized, error) {
	if depth == 0 {
		return sized{}, errDepth
	}
	switch v := v.(type) {
	case nil:
		return sized{nil, 1}, nil
	case row.Row:
		return rowParameter(v, depth)
	case row.Value:
		return valueParameter(v, depth)
	case time.Time:
		return sized{v.UTC(), 2 * scalarSize}, nil
	case time.Duration:
		return sized{}, errors.New("a time.Duration is no value of Neo4j: give its number, or a dbtype.Duration")
	case dbtype.Date, dbtype.Time, dbtype.LocalTime, dbtype.LocalDateTime, dbtype.Duration, dbtype.Point2D, dbtype.Point3D:
		return sized{v, 4 * scalarSize}, nil
	case []byte:
		if v == nil {
			return sized{nil, 1}, nil
		}
		return sized{v, len(v) + scalarSize}, nil
	case encoding.TextMarshaler:
		if value := reflect.ValueOf(v); value.Kind() == reflect.Pointer && value.IsNil() {
			return sized{nil, 1}, nil
		}
		text, err := v.MarshalText()
		if err != nil {
			return sized{}, err
		}
		return textParameter(string(text))
	}
	return reflected(reflect.ValueOf(v), depth)
}

func textParameter(text string) (sized, error) {
	if !utf8.ValidString(text) {
		return sized{}, connector.ErrUTF8
	}
	return sized{text, len(text) + scalarSize}, nil
}

// reflected returns a value of any other type.
func reflected(v reflect.Value, depth int) (sized, error) {
	switch v.Kind() {
	case reflect.Bool:
		return sized{v.Bool(), 1}, nil
	case reflect.String:
		return textParameter(v.String())
	case reflect.Pointer:
		if v.IsNil() {
			return sized{nil, 1}, nil
		}
		return parameterAt(v.Elem().Interface(), depth-1)
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.IsNil() {
			return sized{nil, 1}, nil
		}
		list, size := make([]any, v.Len()), scalarSize
		for i := range list {
			p, err := parameterAt(v.Index(i).Interface(), depth-1)
			if err != nil {
				return sized{}, fmt.Errorf("element %d: %w", i, err)
			}
			list[i], size = p.value, size+p.size
		}
		return sized{list, size}, nil
	case reflect.Map:
		if v.IsNil() {
			return sized{nil, 1}, nil
		}
		if v.Type().Key().Kind() != reflect.String {
			return sized{}, fmt.Errorf("a %v is no value of Neo4j: the names of a map are texts", v.Type())
		}
		properties := newMap(v.Len())
		for name, value := range v.Seq2() {
			p, err := parameterAt(value.Interface(), depth-1)
			if err == nil {
				err = properties.add(name.String(), p)
			}
			if err != nil {
				return sized{}, fmt.Errorf("%q: %w", name.String(), err)
			}
		}
		return properties.sized(), nil
	}
	switch {
	case v.CanInt():
		return sized{v.Int(), scalarSize}, nil
	case v.CanUint():
		if v.Uint() > math.MaxInt64 {
			return sized{}, fmt.Errorf("%d is greater than the integers of Neo4j, which have 64 bits", v.Uint())
		}
		return sized{int64(v.Uint()), scalarSize}, nil
	case v.CanFloat():
		return sized{v.Float(), scalarSize}, nil
	}
	return sized{}, fmt.Errorf("a %v is no value of Neo4j: give a map, or a row of row.FromStruct", v.Type())
}

// properties is a map that is being made.
type properties struct {
	values map[string]any
	size   int
}

func newMap(n int) *properties { return &properties{make(map[string]any, n), scalarSize} }

func (m *properties) add(name string, p sized) error {
	if !utf8.ValidString(name) {
		return fmt.Errorf("the name: %w", connector.ErrUTF8)
	}
	m.values[name] = p.value
	m.size += len(name) + scalarSize + p.size
	return nil
}

func (m *properties) sized() sized { return sized{m.values, m.size} }

func rowParameter(r row.Row, depth int) (sized, error) {
	if r.IsNil() {
		return sized{nil, 1}, nil
	}
	if depth == 0 {
		return sized{}, errDepth
	}
	m := newMap(r.Len())
	for name, value := range r.All() {
		p, err := valueParameter(value, depth-1)
		if err == nil {
			err = m.add(name, p)
		}
		if err != nil {
			return sized{}, fmt.Errorf("%q: %w", name, err)
		}
	}
	return m.sized(), nil
}

func valueParameter(v row.Value, depth int) (sized, error) {
	switch v.Kind() {
	case row.KindNull:
		return sized{nil, 1}, nil
	case row.KindBool:
		b, err := row.As[bool](v)
		return sized{b, 1}, err
	case row.KindInt:
		n, err := row.As[int64](v)
		return sized{n, scalarSize}, err
	case row.KindFloat:
		f, err := row.As[float64](v)
		return sized{f, scalarSize}, err
	case row.KindString:
		text, err := row.As[string](v)
		if err != nil {
			return sized{}, err
		}
		return textParameter(text)
	case row.KindRow:
		r, err := row.As[row.Row](v)
		if err != nil {
			return sized{}, err
		}
		return rowParameter(r, depth)
	case row.KindList:
		if depth == 0 {
			return sized{}, errDepth
		}
		elements, err := row.As[[]row.Value](v)
		if err != nil {
			return sized{}, err
		}
		list, size := make([]any, len(elements)), scalarSize
		for i, element := range elements {
			p, err := valueParameter(element, depth-1)
			if err != nil {
				return sized{}, fmt.Errorf("element %d: %w", i, err)
			}
			list[i], size = p.value, size+p.size
		}
		return sized{list, size}, nil
	}
	return sized{}, fmt.Errorf("%s is beyond the integers of Neo4j, which have 64 bits", v)
}
