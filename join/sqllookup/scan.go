package sqllookup

import (
	"database/sql"
	"fmt"
	"reflect"
	"time"
	"unicode/utf8"

	"github.com/weirstreams/weir/row"
)

// scanner makes an R of the columns of a row.
type scanner[R any] struct {
	// fields are those of a struct, by their column. Nil means that R is no struct of columns.
	fields  []field
	dynamic bool // R is row.Row
	// columns are those that are read, places the fields for them.
	columns []string
	places  []int
}

type field struct {
	column string
	index  int
}

func newScanner[R any]() (*scanner[R], error) {
	t := reflect.TypeFor[R]()
	s := &scanner[R]{dynamic: t == reflect.TypeFor[row.Row]()}
	if s.dynamic || t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() || reflect.PointerTo(t).Implements(reflect.TypeFor[sql.Scanner]()) {
		return s, nil
	}
	seen := map[string]string{}
	for i := range t.NumField() {
		f := t.Field(i)
		column := f.Tag.Get("db")
		if column == "" || column == "-" {
			continue
		}
		if !f.IsExported() {
			return nil, fmt.Errorf("sql lookup: field %s of %v is not exported", f.Name, t)
		}
		if other, ok := seen[column]; ok {
			return nil, fmt.Errorf("sql lookup: fields %s and %s of %v are both for column %q", other, f.Name, t, column)
		}
		seen[column] = f.Name
		s.fields = append(s.fields, field{column, i})
	}
	if len(s.fields) == 0 {
		return nil, fmt.Errorf(`sql lookup: no field of %v has a tag like db:"column"`, t)
	}
	return s, nil
}

// names returns the columns of the fields.
func (s *scanner[R]) names() []string {
	var names []string
	for _, f := range s.fields {
		names = append(names, f.column)
	}
	return names
}

// bind says which columns are going to be scanned.
func (s *scanner[R]) bind(columns []string) error {
	s.columns = columns
	switch {
	case s.dynamic:
		return nil
	case s.fields == nil:
		if len(columns) != 1 {
			return fmt.Errorf("there are %d columns, and %v has room for one", len(columns), reflect.TypeFor[R]())
		}
		return nil
	}
	for _, c := range columns {
		i := 0
		for i < len(s.fields) && s.fields[i].column != c {
			i++
		}
		if i == len(s.fields) {
			return fmt.Errorf("%v has no field for column %q", reflect.TypeFor[R](), c)
		}
		s.places = append(s.places, s.fields[i].index)
	}
	return nil
}

// row returns where to scan the columns of a row to, and what makes the row of that.
func (s *scanner[R]) row() (done func() (R, error), places []any) {
	r := new(R)
	switch {
	case s.dynamic:
		values := make([]any, len(s.columns))
		return func() (R, error) {
			dynamic, err := s.toRow(values)
			*any(r).(*row.Row) = dynamic
			return *r, err
		}, pointers(values)
	case s.fields == nil:
		places = []any{r}
	default:
		v := reflect.ValueOf(r).Elem()
		for _, i := range s.places {
			places = append(places, v.Field(i).Addr().Interface())
		}
	}
	return func() (R, error) { return *r, nil }, places
}

func pointers(values []any) []any {
	p := make([]any, len(values))
	for i := range values {
		p[i] = &values[i]
	}
	return p
}

// toRow makes a row of what the driver gives. Bytes are text, and times are in RFC 3339.
func (s *scanner[R]) toRow(values []any) (row.Row, error) {
	fields := make([]row.Field, len(values))
	for i, v := range values {
		var value row.Value
		switch v := v.(type) {
		case nil:
			value = row.Null()
		case bool:
			value = row.Bool(v)
		case int64:
			value = row.Int(v)
		case float64:
			value = row.Float(v)
		case string:
			value = row.String(v)
		case []byte:
			if !utf8.Valid(v) {
				return row.Row{}, fmt.Errorf("column %q is no text", s.columns[i])
			}
			value = row.String(string(v))
		case time.Time:
			value = row.String(v.Format(time.RFC3339Nano))
		default:
			return row.Row{}, fmt.Errorf("column %q is a %T, which a row has no place for", s.columns[i], v)
		}
		fields[i] = row.Field{Name: s.columns[i], Value: value}
	}
	return row.New(fields...), nil
}
