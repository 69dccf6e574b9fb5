package parquet

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	pq "github.com/parquet-go/parquet-go"

	"github.com/weirstreams/weir/row"
)

// kind is the kind of a column.
type kind uint8

const (
	nullKind kind = iota // only nulls were seen
	boolKind
	intKind
	wideKind // integers that a float cannot hold
	floatKind
	textKind
	groupKind
	listKind
)

// shape is the type of a column.
type shape struct {
	kind   kind
	fields map[string]*shape // of a group
	item   *shape            // of a list
	sorted []string          // the names of fields, when they are known
}

var errWide = errors.New("an integer of more than 64 bits has no type in Parquet")

// shapeOf returns the type of a value, with its size in bytes.
func shapeOf(v row.Value) (s *shape, size int64, err error) {
	s = &shape{}
	const scalar = 9
	switch v.Kind() {
	case row.KindNull:
		return s, 1, nil
	case row.KindBool:
		s.kind = boolKind
	case row.KindInt:
		n, err := row.As[int64](v)
		s.kind = intKind
		if int64(float64(n)) != n || n > 1<<53 || n < -1<<53 {
			s.kind = wideKind
		}
		return s, scalar, err
	case row.KindFloat:
		s.kind = floatKind
	case row.KindString:
		text, err := row.As[string](v)
		s.kind = textKind
		return s, scalar + int64(len(text)), err
	case row.KindList:
		items, err := row.As[[]row.Value](v)
		if err != nil {
			return nil, 0, err
		}
		s.kind, s.item = listKind, &shape{}
		for i, v := range items {
			item, n, err := shapeOf(v)
			if err == nil && !s.item.merge(item) {
				err = errors.New("the items of the list have different types")
			}
			if err != nil {
				return nil, 0, fmt.Errorf("item %d: %w", i, err)
			}
			size += n
		}
	case row.KindRow:
		fields, err := row.As[row.Row](v)
		if err != nil {
			return nil, 0, err
		}
		return shapeOfRow(fields)
	default:
		return nil, 0, errWide
	}
	return s, size + scalar, nil
}

func shapeOfRow(r row.Row) (s *shape, size int64, err error) {
	s = &shape{kind: groupKind, fields: map[string]*shape{}}
	for name, v := range r.All() {
		if name == "" {
			return nil, 0, errors.New("a column without a name has no place in Parquet")
		}
		field, n, err := shapeOf(v)
		if err != nil {
			return nil, 0, fmt.Errorf("column %q: %w", name, err)
		}
		s.fields[name] = field
		size += n
	}
	return s, size, nil
}

// merge widens the type so that values of another fit too. It reports false, and may have widened a part, if no type fits both.
func (s *shape) merge(o *shape) bool {
	switch {
	case o.kind == nullKind:
		return true
	case s.kind == nullKind:
		*s = *o
		return true
	case s.kind == o.kind:
	case s.kind == intKind && (o.kind == floatKind || o.kind == wideKind):
		s.kind = o.kind
		return true
	case o.kind == intKind && (s.kind == floatKind || s.kind == wideKind):
		return true
	default:
		return false
	}
	if s.kind == listKind {
		return s.item.merge(o.item)
	}
	for name, field := range o.fields {
		if own := s.fields[name]; own == nil {
			s.fields[name] = field
		} else if !own.merge(field) {
			return false
		}
	}
	return true
}

// mergeable reports whether merge succeeds, without changing anything.
func (s *shape) mergeable(o *shape) bool { return s.clone().merge(o.clone()) }

// fits reports whether values of another type fit into columns of this one, which are written already.
func (s *shape) fits(o *shape) bool {
	switch {
	case o.kind == nullKind:
		return true
	case s.kind == nullKind: // the column is text
		return o.kind == textKind
	case s.kind == groupKind && o.kind == groupKind:
		for name, field := range o.fields {
			if own := s.fields[name]; own == nil || !own.fits(field) {
				return false
			}
		}
		return len(s.fields) > 0 || len(o.fields) == 0
	case s.kind == listKind && o.kind == listKind:
		return s.item.fits(o.item)
	case s.kind == intKind && o.kind == wideKind, o.kind == intKind && (s.kind == floatKind || s.kind == wideKind):
		return true
	}
	return s.kind == o.kind
}

func (s *shape) clone() *shape {
	c := *s
	if s.item != nil {
		c.item = s.item.clone()
	}
	if s.fields != nil {
		c.fields = make(map[string]*shape, len(s.fields))
		for name, f := range s.fields {
			c.fields[name] = f.clone()
		}
	}
	return &c
}

// node returns the column of Parquet. Everything may be null.
func (s *shape) node() pq.Node {
	switch s.kind {
	case boolKind:
		return pq.Optional(pq.Leaf(pq.BooleanType))
	case intKind, wideKind:
		return pq.Optional(pq.Int(64))
	case floatKind:
		return pq.Optional(pq.Leaf(pq.DoubleType))
	case listKind:
		return pq.Optional(pq.List(s.item.node()))
	case groupKind:
		if len(s.fields) > 0 {
			return pq.Optional(s.group())
		}
	}
	return pq.Optional(pq.String()) // of nulls alone, or of rows without columns, which Parquet does not have
}

func (s *shape) group() pq.Group {
	g := pq.Group{}
	for name, f := range s.fields {
		g[name] = f.node()
	}
	return g
}

// isRow reports whether the column is a group in Parquet.
func (s *shape) isRow() bool { return s.kind == groupKind && len(s.fields) > 0 }

// names returns the columns of a group in the order of Parquet.
func (s *shape) names() []string {
	if s.sorted == nil {
		s.sorted = slices.Sorted(maps.Keys(s.fields))
	}
	return s.sorted
}

// shred appends a value to the columns from col on, as Dremel has it: each with its repetition and definition level. depth is the number of
// lists around the column. It returns the column behind those of the value. (The library takes maps too, but writes false, 0 and "" as null.)
func (s *shape) shred(columns [][]pq.Value, col int, v row.Value, rep, def, depth int) int {
	switch {
	case s.isRow():
		if v.IsNull() {
			for _, name := range s.names() {
				col = s.fields[name].shred(columns, col, row.Null(), rep, def, depth)
			}
			return col
		}
		fields, _ := row.As[row.Row](v)
		for _, name := range s.names() {
			field, _ := fields.Lookup(name)
			col = s.fields[name].shred(columns, col, field, rep, def+1, depth)
		}
		return col
	case s.kind == listKind:
		items, _ := row.As[[]row.Value](v)
		if !v.IsNull() {
			def++
		}
		if len(items) == 0 {
			return s.item.shred(columns, col, row.Null(), rep, def, depth+1)
		}
		next := col
		for _, item := range items {
			next = s.item.shred(columns, col, item, rep, def+1, depth+1)
			rep = depth + 1
		}
		return next
	}
	value := s.value(v)
	if !value.IsNull() {
		def++
	}
	columns[col] = append(columns[col], value.Level(rep, def, col))
	return col + 1
}

// leaves is the number of columns that hold values.
func (s *shape) leaves() (n int) {
	switch {
	case s.isRow():
		for _, f := range s.fields {
			n += f.leaves()
		}
		return n
	case s.kind == listKind:
		return s.item.leaves()
	}
	return 1
}

// value returns a value that is no row and no list.
func (s *shape) value(v row.Value) pq.Value {
	switch v.Kind() {
	case row.KindBool:
		b, _ := row.As[bool](v)
		return pq.BooleanValue(b)
	case row.KindInt:
		n, _ := row.As[int64](v)
		if s.kind == floatKind {
			return pq.DoubleValue(float64(n))
		}
		return pq.Int64Value(n)
	case row.KindFloat:
		f, _ := row.As[float64](v)
		return pq.DoubleValue(f)
	case row.KindString:
		text, _ := row.As[string](v)
		return pq.ByteArrayValue([]byte(text))
	}
	return pq.NullValue()
}
