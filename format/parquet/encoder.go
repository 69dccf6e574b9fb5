package parquet

import (
	"errors"
	"fmt"
	"io"

	pq "github.com/parquet-go/parquet-go"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
)

// sample is a row that waits for the columns of its file.
type sample struct {
	millis int64
	key    *string
	fields row.Row
}

type encoder[K, V any] struct {
	format Format[K, V]
	w      io.Writer
	key    func(K) (text string, null bool, err error)
	shape  *shape
	sample []sample
	// out is nil until the columns are known.
	out *pq.Writer
	// columns are the values of a row, by column, and row is the memory of one.
	columns [][]pq.Value
	row     pq.Row
	// held is the size of the rows in memory.
	held int64
}

func newEncoder[K, V any](f Format[K, V], w io.Writer) *encoder[K, V] {
	f.Rows = f.Rows.WithDefaults()
	return &encoder[K, V]{format: f, w: w, key: connector.KeyText[K](), shape: &shape{kind: groupKind, fields: map[string]*shape{}}}
}

func (e *encoder[K, V]) Encode(r *weir.Record[K, V]) error {
	fields, err := e.format.ToRow(r)
	if err != nil {
		return err
	}
	of, size, err := shapeOfRow(fields)
	if err != nil {
		return err
	}
	for _, name := range []string{timeColumn, keyColumn} {
		if of.fields[name] != nil {
			return fmt.Errorf("column %q: the name is that of the time or the key of the record; set Format.ToRow", name)
		}
	}
	s := sample{millis: r.Millis, fields: fields}
	if !r.KeyNull {
		key, null, err := e.key(r.Key)
		if err != nil {
			return fmt.Errorf("key: %w", err)
		}
		if !null {
			s.key = &key
		}
	}
	switch {
	case e.out != nil && !e.shape.fits(of), e.out == nil && !e.shape.mergeable(of):
		return format.ErrNewFile
	case e.out == nil:
		e.shape.merge(of)
		e.sample = append(e.sample, s)
		if e.held += size; len(e.sample) >= e.format.SampleRows || e.held >= e.format.GroupBytes {
			return e.begin()
		}
		return nil
	}
	e.held += size
	return e.write(s)
}

// begin writes the rows of the sample.
func (e *encoder[K, V]) begin() error {
	group := e.shape.group()
	group[timeColumn], group[keyColumn] = pq.Int(64), pq.Optional(pq.String())
	e.out = pq.NewWriter(e.w, pq.NewSchema("record", group), pq.Compression(e.format.Compression.codec()))
	e.shape.fields[timeColumn], e.shape.fields[keyColumn] = nil, nil
	e.columns = make([][]pq.Value, 0, len(e.shape.fields))
	for _, f := range e.shape.fields {
		n := 1
		if f != nil {
			n = f.leaves()
		}
		for range n {
			e.columns = append(e.columns, nil)
		}
	}
	for _, s := range e.sample {
		if err := e.write(s); err != nil {
			return err
		}
	}
	e.sample = nil
	return nil
}

func (e *encoder[K, V]) write(s sample) error {
	for i := range e.columns {
		e.columns[i] = e.columns[i][:0]
	}
	col := 0
	for _, name := range e.shape.names() {
		switch name {
		case timeColumn:
			e.columns[col] = append(e.columns[col], pq.Int64Value(s.millis).Level(0, 0, col))
			col++
		case keyColumn:
			key := pq.NullValue().Level(0, 0, col)
			if s.key != nil {
				key = pq.ByteArrayValue([]byte(*s.key)).Level(0, 1, col)
			}
			e.columns[col] = append(e.columns[col], key)
			col++
		default:
			v, _ := s.fields.Lookup(name)
			col = e.shape.fields[name].shred(e.columns, col, v, 0, 0, 0)
		}
	}
	e.row = pq.AppendRow(e.row[:0], e.columns...)
	if _, err := e.out.WriteRows([]pq.Row{e.row}); err != nil {
		return fmt.Errorf("write a row: %w", err)
	}
	if e.held < e.format.GroupBytes {
		return nil
	}
	e.held = 0
	return e.out.Flush()
}

func (e *encoder[K, V]) Buffered() int64 { return e.held }

func (e *encoder[K, V]) Close() error {
	var err error
	if e.out == nil {
		err = e.begin()
	}
	e.held = 0
	return errors.Join(err, e.out.Close())
}
