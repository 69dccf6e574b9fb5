package avro

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hamba/avro/v2"
)

const (
	// maxDepth is how deep data may be nested. Recursive types could else fill the stack.
	maxDepth = 1000
	// maxEmpty is how many elements a block may have that take no bytes, such as nulls.
	maxEmpty = 1 << 16
	// modest is the size of data below which lengths cannot do harm: see Typed.
	modest = 1 << 20
)

// check walks over data without decoding it, to find lengths and counts that the data cannot hold. Decoders allocate by
// these counts before they look for the bytes.
type check struct {
	kind  avro.Type
	size  int     // of fixed
	least int     // the least number of bytes that a value takes
	items *check  // of arrays and maps
	parts []*part // of records and unions
	// fixed says that all values are of the least size, prefixed that they begin with their length. guards is how many
	// fields of a record it takes to come to the end of the last one with arrays, maps or recursive types.
	fixed, prefixed bool
	guards          int
}

type part struct {
	name string
	*check
}

var (
	errShort = errors.New("data ends too early")
	errDeep  = fmt.Errorf("nested more than %d deep", maxDepth)
)

// newCheck returns the check of a schema, and whether it has arrays, maps or recursive types.
func newCheck(s avro.Schema) (c *check, guarded bool) {
	b := &checkBuilder{known: map[string]*check{}}
	c = b.build(s)
	for range len(b.known) + 1 { // until it is known through all references
		b.weigh(c, map[*check]bool{})
	}
	return c, b.guarded
}

type checkBuilder struct {
	known   map[string]*check // by full name
	guarded bool
}

func (b *checkBuilder) build(s avro.Schema) *check {
	if r, ok := s.(*avro.RefSchema); ok {
		if c := b.known[r.Schema().FullName()]; c != nil {
			b.guarded = true
			return c
		}
		s = r.Schema()
	}
	c := &check{kind: s.Type(), prefixed: s.Type() == avro.String || s.Type() == avro.Bytes}
	if named, ok := s.(avro.NamedSchema); ok {
		b.known[named.FullName()] = c
	}
	switch s := s.(type) {
	case *avro.RecordSchema:
		before := b.guarded
		for _, f := range s.Fields() {
			b.guarded = false
			c.parts = append(c.parts, &part{f.Name(), b.build(f.Type())})
			if b.guarded {
				before, c.guards = true, len(c.parts)
			}
		}
		b.guarded = before
	case *avro.UnionSchema:
		for _, branch := range s.Types() {
			c.parts = append(c.parts, &part{branchName(branch), b.build(branch)})
		}
	case *avro.ArraySchema:
		c.items, b.guarded = b.build(s.Items()), true
	case *avro.MapSchema:
		c.items, b.guarded = b.build(s.Values()), true
	case *avro.FixedSchema:
		c.size = s.Size()
	}
	return c
}

// weigh computes the least sizes.
func (b *checkBuilder) weigh(c *check, seen map[*check]bool) {
	if seen[c] {
		return
	}
	seen[c] = true
	switch c.kind {
	case avro.Null:
		c.least = 0
	case avro.Boolean:
		c.least, c.fixed = 1, true
	case avro.Float:
		c.least, c.fixed = 4, true
	case avro.Double:
		c.least, c.fixed = 8, true
	case avro.Fixed:
		c.least, c.fixed = c.size, true
	case avro.Record:
		least := 0
		for _, p := range c.parts {
			b.weigh(p.check, seen)
			least += p.least
		}
		c.least = min(least, modest) // of a type that contains itself without end
	default:
		c.least = 1
		for _, p := range c.parts {
			b.weigh(p.check, seen)
		}
		if c.items != nil {
			b.weigh(c.items, seen)
		}
	}
}

// isNull reports whether data is a value of the type null, or of a union and holds a null.
func (c *check) isNull(data []byte) bool {
	if c.kind != avro.Union {
		return c.kind == avro.Null
	}
	n, _, err := long(data)
	return err == nil && n >= 0 && n < int64(len(c.parts)) && c.parts[n].kind == avro.Null
}

// verify returns an error, with the path to the field, unless data begins with a value.
func (c *check) verify(data []byte) error {
	_, err := c.skip(data, 0)
	return err
}

// skip returns the bytes behind the value.
func (c *check) skip(data []byte, depth int) ([]byte, error) {
	switch c.kind {
	case avro.Null:
		return data, nil
	case avro.Boolean:
		return after(data, 1)
	case avro.Int, avro.Long, avro.Enum:
		_, data, err := long(data)
		return data, err
	case avro.Float, avro.Double, avro.Fixed:
		return after(data, int64(c.least))
	case avro.String, avro.Bytes:
		n, data, err := long(data)
		if err != nil {
			return nil, err
		}
		return after(data, n)
	}
	if depth++; depth > maxDepth {
		return nil, errDeep
	}
	switch c.kind {
	case avro.Record:
		var err error
		for _, p := range c.parts {
			if data, err = p.skip(data, depth); err != nil {
				return nil, within(p.name, err)
			}
		}
		return data, nil
	case avro.Union:
		n, data, err := long(data)
		if err != nil {
			return nil, err
		}
		if n < 0 || n >= int64(len(c.parts)) {
			return nil, fmt.Errorf("branch %d of a union of %d", n, len(c.parts))
		}
		return c.parts[n].skip(data, depth)
	default:
		return c.skipBlocks(data, depth)
	}
}

func (c *check) skipBlocks(data []byte, depth int) ([]byte, error) {
	least := c.items.least
	if c.kind == avro.Map {
		least++
	}
	empty := int64(0)
	for {
		n, rest, err := long(data)
		if err != nil || n == 0 {
			return rest, err
		}
		if n < 0 {
			n = -n
			if _, rest, err = long(rest); err != nil {
				return nil, err
			}
		}
		data = rest
		if least == 0 {
			empty += n
		}
		// The least negative number has no positive one.
		if n < 0 || least > 0 && n > int64(len(data)/least) || empty > maxEmpty {
			return nil, fmt.Errorf("a block of %d elements in %d bytes", uint64(n), len(data))
		}
		for range n {
			if c.kind == avro.Map {
				size, rest, err := long(data)
				if err != nil {
					return nil, err
				}
				if data, err = after(rest, size); err != nil {
					return nil, err
				}
			}
			if data, err = c.items.skip(data, depth); err != nil {
				return nil, err
			}
		}
	}
}

func long(data []byte) (int64, []byte, error) {
	v, n := binary.Varint(data)
	switch {
	case n == 0:
		return 0, nil, errShort
	case n < 0:
		return 0, nil, errors.New("a number of more than 64 bits")
	}
	return v, data[n:], nil
}

func after(data []byte, n int64) ([]byte, error) {
	if n < 0 {
		return nil, fmt.Errorf("a length of %d", n)
	}
	if n > int64(len(data)) {
		return nil, fmt.Errorf("%w: want %d bytes, there are %d", errShort, n, len(data))
	}
	return data[n:], nil
}

// fieldError says where in a value something is wrong.
type fieldError struct {
	path string
	err  error
}

func (e *fieldError) Error() string { return fmt.Sprintf("field %s: %v", e.path, e.err) }
func (e *fieldError) Unwrap() error { return e.err }

// within puts the name of a field before the path in err.
func within(name string, err error) error {
	if inner, ok := err.(*fieldError); ok { //nolint:errorlint // only one that the call before has made
		inner.path = name + "." + inner.path
		return inner
	}
	return &fieldError{name, err}
}
