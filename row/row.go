package row

import (
	"fmt"
	"iter"
	"slices"

	"github.com/weirstreams/weir/codec"
)

// Row is an ordered list of columns. It is immutable and small: copy it. The zero Row is nil: it stands for a null value
// of a record, and is not the same as a row without columns. Two are compared with Equal, not with ==.
type Row struct {
	// fields are shared between rows and never written to. Nil is a nil row.
	fields []Field
}

// Field is one column of a row: a name and its value. [F] makes one.
type Field struct {
	Name  string
	Value Value
}

// noFields are those of a row without columns.
var noFields = []Field{}

// Constant is a Go type that a [Value] can be made of. Types defined by these, such as time.Duration, count as their
// underlying types.
type Constant interface {
	~bool | ~string |
		~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64 |
		Value | Row
}

// F makes a column: F("n", 1), F("name", "x"), F("nothing", Null()).
func F[T Constant](name string, v T) Field { return Field{name, Of(v)} }

// New returns a row of columns, in order. Of a name that comes twice the last value counts, in the place of the first.
func New(fields ...Field) Row {
	r := Row{fields: make([]Field, 0, len(fields))}
	for _, f := range fields {
		r.fields = set(r.fields, f)
	}
	return r
}

// set puts a column into a slice that nobody else has.
func set(fields []Field, f Field) []Field {
	if i := find(fields, f.Name); i >= 0 {
		fields[i].Value = f.Value
		return fields
	}
	return append(fields, f)
}

// find returns the place of a column, or -1. Rows have few columns: a scan is faster than a map.
func find(fields []Field, name string) int {
	for i := range fields {
		if fields[i].Name == name {
			return i
		}
	}
	return -1
}

// IsNil reports whether the row is the zero Row.
func (r Row) IsNil() bool { return r.fields == nil }

// Len returns the number of columns.
func (r Row) Len() int { return len(r.fields) }

// Lookup returns the value of a column and whether there is one. A column that is there may be null.
func (r Row) Lookup(column string) (Value, bool) {
	if i := find(r.fields, column); i >= 0 {
		return r.fields[i].Value, true
	}
	return Value{}, false
}

// Get returns a column as a Go value (see [As]). A missing column is a [*ColumnError], one of another kind, null
// included, a [*TypeError] that names it.
func (r Row) Get[T Scalar](column string) (T, error) {
	v, ok := r.Lookup(column)
	if !ok {
		var none T
		return none, r.missing(column)
	}
	t, err := As[T](v)
	if err != nil {
		return t, fmt.Errorf("column %q: %w", column, err)
	}
	return t, nil
}

// Columns returns the names of the columns, in order.
func (r Row) Columns() []string {
	names := make([]string, len(r.fields))
	for i, f := range r.fields {
		names[i] = f.Name
	}
	return names
}

// All returns an iterator over the columns, in order.
func (r Row) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for _, f := range r.fields {
			if !yield(f.Name, f.Value) {
				return
			}
		}
	}
}

// With returns the row with a column set: in its place if it is there, else at the end.
func (r Row) With[T Constant](column string, v T) Row { return r.with(column, Of(v)) }

func (r Row) with(column string, v Value) Row {
	if i := find(r.fields, column); i >= 0 {
		fields := slices.Clone(r.fields)
		fields[i].Value = v
		return Row{fields}
	}
	fields := make([]Field, len(r.fields), len(r.fields)+1)
	copy(fields, r.fields)
	return Row{append(fields, Field{column, v})}
}

// Equal reports whether two rows have the same columns with equal values, in any order.
func (r Row) Equal(o Row) bool {
	if len(r.fields) != len(o.fields) || r.IsNil() != o.IsNil() {
		return false
	}
	for i, f := range r.fields {
		j := i // where it is if the order is the same
		if o.fields[j].Name != f.Name {
			j = find(o.fields, f.Name)
		}
		if j < 0 || !f.Value.Equal(o.fields[j].Value) {
			return false
		}
	}
	return true
}

// String returns the row as JSON.
func (r Row) String() string { return r.Value().String() }

// Codec returns [JSON]. It makes JSON the default of operators that encode rows, such as GroupBy; see codec.For.
func (Row) Codec() codec.Codec[Row] { return JSON() }
