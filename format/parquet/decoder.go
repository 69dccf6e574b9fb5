package parquet

import (
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"reflect"

	pq "github.com/parquet-go/parquet-go"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
)

const (
	// readRows is how many rows are read at a time.
	readRows = 64
	// footer is how much of the end of a file is compared: it names all columns and row groups.
	footer = 64 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type decoder[K, V any] struct {
	format Format[K, V]
	file   format.File
	key    func(string) (K, error)
	rows   *pq.GenericReader[any]
	schema *pq.Schema
	// place is behind the last row; total is the number of rows.
	place format.Place
	total int64
	// buffer has rows that were read, from next on.
	buffer []any
	next   int
	ended  bool
}

func newDecoder[K, V any](f Format[K, V], file format.File, from format.Place) (d *decoder[K, V], err error) {
	f.Rows = f.Rows.WithDefaults()
	d = &decoder[K, V]{format: f, file: file, key: connector.ParseKey[K](), place: from}
	end := make([]byte, min(footer, file.Size()))
	if _, err := file.ReadAt(end, file.Size()-int64(len(end))); err != nil && !errors.Is(err, io.EOF) {
		return nil, d.fail(true, err)
	}
	sum := crc32.Checksum(end, castagnoli)
	if from != (format.Place{}) && (from.Sum != sum || from.Last != file.Size()) {
		return nil, d.fail(true, format.ErrChanged)
	}
	d.place.Sum, d.place.Last = sum, file.Size()
	err = guard(func() error {
		in, err := pq.OpenFile(file, file.Size())
		if err != nil && format.CompressionOf(file.Name()) != format.Uncompressed {
			return fmt.Errorf("Parquet is read from the end of a file, and not through a compression of the whole file, which this name stands for: decompress the file: %w", err)
		}
		if err != nil {
			return err
		}
		d.schema, d.total = in.Schema(), in.NumRows()
		d.rows = pq.NewGenericReader[any](in)
		return d.rows.SeekToRow(from.Records)
	})
	if err != nil {
		return nil, d.fail(true, err)
	}
	return d, nil
}

// guard turns panics of the library, which damaged files cause, into errors.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the file is damaged: %v", p)
		}
	}()
	return f()
}

func (d *decoder[K, V]) fail(rest bool, err error) error {
	return &format.Error{File: d.file.Name(), Record: d.place.Records + 1, Rest: rest, Err: err}
}

func (d *decoder[K, V]) Place() format.Place {
	p := d.place
	if d.total > 0 {
		p.Bytes = int64(float64(d.file.Size()) * float64(p.Records) / float64(d.total))
	}
	return p
}

func (d *decoder[K, V]) Decode(r *weir.Record[K, V]) error {
	if d.next == len(d.buffer) {
		if err := d.read(); err != nil {
			return err
		}
	}
	v := d.buffer[d.next]
	d.next++
	if err := d.decode(v, r); err != nil {
		err = d.fail(false, err)
		d.place.Records++
		return err
	}
	d.place.Records++
	return nil
}

func (d *decoder[K, V]) read() error {
	if d.ended || d.place.Records >= d.total {
		return io.EOF
	}
	d.buffer, d.next = make([]any, readRows), 0
	n := 0
	err := guard(func() (err error) {
		n, err = d.rows.Read(d.buffer)
		return err
	})
	d.buffer = d.buffer[:n]
	d.ended = errors.Is(err, io.EOF)
	switch {
	case n > 0 && (err == nil || d.ended):
		return nil
	case err == nil || d.ended: // the footer promises more
		err = io.ErrUnexpectedEOF
	}
	d.ended = true
	return d.fail(true, err)
}

func (d *decoder[K, V]) decode(v any, r *weir.Record[K, V]) error {
	m, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("the row is a %T", v)
	}
	r.KeyNull = true
	var fields []row.Field
	for _, f := range d.schema.Fields() {
		value, err := valueOf(f, m[f.Name()])
		if err != nil {
			return fmt.Errorf("column %q: %w", f.Name(), err)
		}
		switch f.Name() {
		case timeColumn:
			if r.Millis, err = row.As[int64](value); err != nil && !value.IsNull() {
				return fmt.Errorf("column %q: %w", timeColumn, err)
			}
		case keyColumn:
			if value.IsNull() {
				continue
			}
			text, err := connector.ValueText(value)
			if err == nil {
				r.Key, err = d.key(text)
			}
			if err != nil {
				return fmt.Errorf("column %q: %w", keyColumn, err)
			}
			r.KeyNull = false
		default:
			fields = append(fields, row.Field{Name: f.Name(), Value: value})
		}
	}
	if len(fields) == 0 {
		return d.format.FromRow(row.Row{}, r)
	}
	return d.format.FromRow(row.New(fields...), r)
}

// valueOf returns a value that the library has read. Groups have their columns in the order of the file, bytes that are no text are base64.
func valueOf(node pq.Node, v any) (row.Value, error) {
	switch v := v.(type) {
	case nil:
		return row.Null(), nil
	case string:
		return row.String(v), nil
	case []byte:
		if t := node; t != nil && t.Leaf() && t.Type().LogicalType() != nil {
			return row.String(string(v)), nil
		}
		return row.String(base64.StdEncoding.EncodeToString(v)), nil
	case []any:
		items := make([]row.Value, len(v))
		for i := range v {
			var err error
			if items[i], err = valueOf(itemOf(node), v[i]); err != nil {
				return row.Null(), err
			}
		}
		return row.List(items...), nil
	case map[string]any:
		if node == nil || node.Leaf() {
			r, err := connector.ToRow[map[string]any]()(v)
			return r.Value(), err
		}
		var fields []row.Field
		for _, f := range node.Fields() {
			value, err := valueOf(f, v[f.Name()])
			if err != nil {
				return row.Null(), err
			}
			fields = append(fields, row.Field{Name: f.Name(), Value: value})
		}
		return row.New(fields...).Value(), nil
	}
	switch rv := reflect.ValueOf(v); {
	case rv.Kind() == reflect.Bool:
		return row.Bool(rv.Bool()), nil
	case rv.CanInt():
		return row.Int(rv.Int()), nil
	case rv.CanUint():
		return row.Uint(rv.Uint()), nil
	case rv.CanFloat():
		return row.Float(rv.Float()), nil
	}
	r, err := connector.ToRow[any]()(v)
	if err != nil {
		return row.Null(), err
	}
	if value, ok := r.Lookup(connector.ValueColumn); ok && r.Len() == 1 {
		return value, nil
	}
	return r.Value(), nil
}

// itemOf returns the node of the items of a list, nil if it is of a form that the format does not know.
func itemOf(node pq.Node) pq.Node {
	if node == nil || node.Leaf() {
		return node
	}
	if f := node.Fields(); len(f) == 1 && !f[0].Leaf() && len(f[0].Fields()) == 1 {
		return f[0].Fields()[0]
	}
	return nil
}

func (d *decoder[K, V]) Close() error { return guard(d.rows.Close) }
