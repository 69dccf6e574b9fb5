package sqllookup

import (
	"database/sql"
	"fmt"
	"reflect"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/weirstreams/weir/row"
)

// scanner says how an R is made of the columns of a row.
type scanner[R any] struct {
	// fields are those of a struct, by their column. Nil means that R is no struct of columns.
	fields  []field
	dynamic bool // R is row.Row
}

type field struct {
	column, name string
	index        int
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
		s.fields = append(s.fields, field{column, f.Name, i})
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

// binding is a scanner of certain columns.
type binding[R any] struct {
	*scanner[R]
	columns []string
	// into are the fields of the columns, if R is a struct of them.
	into []field
}

// bind says which columns are going to be scanned.
func (s *scanner[R]) bind(columns []string) (*binding[R], error) {
	b := &binding[R]{scanner: s, columns: columns}
	switch {
	case s.dynamic:
		return b, nil
	case s.fields == nil:
		if len(columns) != 1 {
			return nil, fmt.Errorf("there are %d columns, and %v has room for one", len(columns), reflect.TypeFor[R]())
		}
		return b, nil
	}
	for _, c := range columns {
		i := slices.IndexFunc(s.fields, func(f field) bool { return f.column == c })
		if i < 0 {
			return nil, fmt.Errorf("%v has no field for column %q", reflect.TypeFor[R](), c)
		}
		b.into = append(b.into, s.fields[i])
	}
	return b, nil
}

// each calls use with each row, until it returns false. before and after are places for columns around those of the binding.
// The caller closes rows.
func (b *binding[R]) each(rows *sql.Rows, before, after []any, use func(R) bool) error {
	var places []any
	for rows.Next() {
		made, own := b.row()
		places = append(append(append(places[:0], before...), own...), after...)
		if err := rows.Scan(places...); err != nil {
			return b.blame(rows, places, len(before), err)
		}
		r, err := made()
		if err != nil {
			return err
		}
		if !use(r) {
			return nil
		}
	}
	return rows.Err()
}

// blame names the field that an error of Scan is about: the one that cannot be scanned alone either.
func (b *binding[R]) blame(rows *sql.Rows, places []any, before int, err error) error {
	none := pointers(make([]any, len(places)))
	if rows.Scan(none...) != nil { // it is about none
		return err
	}
	for i, f := range b.into {
		alone := slices.Clone(none)
		alone[before+i] = places[before+i]
		if one := rows.Scan(alone...); one != nil {
			return fmt.Errorf("field %s of %v: %w", f.name, reflect.TypeFor[R](), one)
		}
	}
	return err
}

// row returns the places to scan the columns of a row to, and the function that makes the row of them.
func (b *binding[R]) row() (made func() (R, error), places []any) {
	r := new(R)
	switch {
	case b.dynamic:
		values := make([]any, len(b.columns))
		return func() (R, error) {
			dynamic, err := toRow(b.columns, values)
			*any(r).(*row.Row) = dynamic
			return *r, err
		}, pointers(values)
	case b.fields == nil:
		places = []any{r}
	default:
		v := reflect.ValueOf(r).Elem()
		for _, f := range b.into {
			places = append(places, v.Field(f.index).Addr().Interface())
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

// toRow makes a row of the values of the driver. Bytes are text, and times are in RFC 3339.
func toRow(columns []string, values []any) (row.Row, error) {
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
				return row.Row{}, fmt.Errorf("column %q is no text", columns[i])
			}
			value = row.String(string(v))
		case time.Time:
			value = row.String(v.Format(time.RFC3339Nano))
		default:
			return row.Row{}, fmt.Errorf("column %q is a %T, which a row has no place for", columns[i], v)
		}
		fields[i] = row.Field{Name: columns[i], Value: value}
	}
	return row.New(fields...), nil
}
