package query

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/state"
)

// declared is a store without its types: texts of requests come in, and rows for JSON go out.
type declared struct {
	name   string
	layout state.Layout
	// keys and fields are the types of Go; fields is empty if there are none.
	keys, fields         string
	parseKey, parseField func(text string) ([]byte, error)
	row                  func(state.StoredRow) (shownRow, error)
}

func (s Store[K, F, V]) published() (declared, error) {
	if s.err != nil {
		return declared{}, s.err
	}
	d := declared{
		name: s.name, layout: s.layout, keys: reflect.TypeFor[K]().String(),
		parseKey: func(text string) ([]byte, error) { return encodeText(text, s.encodeKey) },
		parseField: func(text string) ([]byte, error) {
			return encodeText(text, s.encodeField)
		},
		row: func(stored state.StoredRow) (shownRow, error) {
			row, err := s.row(stored)
			text := shownRow{Key: asText(row.Key), Value: asText(row.Value)}
			if s.layout != state.CellLayout {
				text.Field = asText(row.Field)
			}
			return text, err
		},
	}
	if s.layout != state.CellLayout {
		d.fields = reflect.TypeFor[F]().String()
	}
	return d, nil
}

// asText returns bytes as text, and all other values as they are.
func asText(v any) any {
	if data, ok := v.([]byte); ok {
		return string(data)
	}
	return v
}

// encodeText encodes a key or a field that a request has as text: a string and bytes as they are, a time as milliseconds or by RFC 3339, all other
// types as JSON.
func encodeText[T any](text string, encode func(T) ([]byte, error)) ([]byte, error) {
	var v T
	var err error
	switch p := any(&v).(type) {
	case *[]byte:
		*p = []byte(text)
	case *time.Time:
		var millis int64
		if err = json.Unmarshal([]byte(text), &millis); err == nil {
			*p = time.UnixMilli(millis)
		} else {
			*p, err = time.Parse(time.RFC3339, text)
		}
	default:
		if r := reflect.ValueOf(p).Elem(); r.Kind() == reflect.String {
			r.SetString(text)
		} else {
			err = json.Unmarshal([]byte(text), p)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %q is not a %s: %w", weir.ErrConfiguration, text, reflect.TypeFor[T](), err)
	}
	return encode(v)
}

// shown returns the answer to a request of a person.
func (d declared) shown(r response, next string) (shownPage, error) {
	p := shownPage{Partition: r.Partition, Position: r.Position, Rows: []shownRow{}, Next: next}
	for _, stored := range r.Rows {
		row, err := d.row(stored)
		if err != nil {
			return p, err
		}
		p.Rows = append(p.Rows, row)
	}
	return p, nil
}
