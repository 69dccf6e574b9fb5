package iceberg

import (
	"fmt"
	"iter"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/arrow/memory"
	client "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/weirstreams/weir/row"
)

// batchRows is the number of rows that are handed to the writer of data files at a time.
const batchRows = 8192

// batches returns held rows in the form that iceberg-go writes. The rows fit the schema.
func (w *writer[K, V]) batches(schema *client.Schema) (*arrow.Schema, iter.Seq2[arrow.RecordBatch, error], error) {
	to, err := table.SchemaToArrowSchema(schema, nil, true, false)
	if err != nil {
		return nil, nil, err
	}
	fields := schema.Fields()
	return to, func(yield func(arrow.RecordBatch, error) bool) {
		b := array.NewRecordBuilder(memory.DefaultAllocator, to)
		defer b.Release()
		for from := 0; from < len(w.rows); from += batchRows {
			some := w.rows[from:min(from+batchRows, len(w.rows))]
			b.Reserve(len(some))
			for i := range some {
				if err := w.appendRow(b, fields, &some[i]); err != nil {
					yield(nil, err)
					return
				}
			}
			if !yield(b.NewRecordBatch(), nil) {
				return
			}
		}
	}, nil
}

func (w *writer[K, V]) appendRow(b *array.RecordBuilder, fields []client.NestedField, h *held) error {
	o := &w.sink.options
	for i, f := range fields {
		to := b.Field(i)
		v, _ := h.row.Lookup(f.Name)
		switch {
		case !v.IsNull():
			if err := appendValue(to, f.Type, v); err != nil {
				return fmt.Errorf("column %q: %w", f.Name, err)
			}
		case f.Name == o.KeyColumn && !h.keyNull:
			to.(*array.StringBuilder).Append(h.key)
		case f.Name == o.TimeColumn:
			appendTime(to.(*array.TimestampBuilder), time.UnixMilli(h.millis))
		default:
			to.AppendNull()
		}
	}
	return nil
}

// appendValue appends a value that fits the type.
func appendValue(b array.Builder, t client.Type, v row.Value) error {
	if v.IsNull() {
		b.AppendNull()
		return nil
	}
	var err error
	switch b := b.(type) {
	case *array.BooleanBuilder:
		err = add(boolOf, b.Append, v)
	case *array.Int32Builder:
		err = add(intOf, func(n int64) { b.Append(int32(n)) }, v)
	case *array.Int64Builder:
		err = add(intOf, b.Append, v)
	case *array.Float32Builder:
		err = add(floatOf, func(f float64) { b.Append(float32(f)) }, v)
	case *array.Float64Builder:
		err = add(floatOf, b.Append, v)
	case *array.Decimal128Builder:
		n, wrong := decimalOf(v, t.(client.DecimalType))
		b.Append(n)
		err = wrong
	case *array.StringBuilder:
		err = add(textOf, b.Append, v)
	case *array.BinaryBuilder:
		err = add(bytesOf, b.Append, v)
	case *array.FixedSizeBinaryBuilder:
		err = add(bytesOf, b.Append, v)
	case *array.Date32Builder:
		err = add(dateOf, func(t time.Time) { b.Append(arrow.Date32FromTime(t)) }, v)
	case *array.Time64Builder:
		err = add(clockOf, func(d time.Duration) { b.Append(arrow.Time64(d.Microseconds())) }, v)
	case *array.TimestampBuilder:
		err = add(timeOf, func(t time.Time) { appendTime(b, t) }, v)
	case *extensions.UUIDBuilder:
		err = add(uuidOf, b.Append, v)
	case *array.ListBuilder:
		return appendList(b, t.(*client.ListType), v)
	case *array.StructBuilder:
		return appendStruct(b, t.(*client.StructType), v)
	case *array.MapBuilder:
		return appendMap(b, t.(*client.MapType), v)
	default:
		err = fmt.Errorf("the column is a %s, which the sink does not write", t)
	}
	return err
}

// add appends a value in the form that one of the functions of scalar.go reads it in.
func add[T any](read func(row.Value) (T, error), to func(T), v row.Value) error {
	x, err := read(v)
	to(x)
	return err
}

func appendTime(b *array.TimestampBuilder, t time.Time) {
	if b.Type().(*arrow.TimestampType).Unit == arrow.Nanosecond {
		b.Append(arrow.Timestamp(t.UnixNano()))
		return
	}
	b.Append(arrow.Timestamp(t.UnixMicro()))
}

func appendList(b *array.ListBuilder, t *client.ListType, v row.Value) error {
	items, err := row.As[[]row.Value](v)
	if err != nil {
		return err
	}
	b.Append(true)
	for _, item := range items {
		if err := appendValue(b.ValueBuilder(), t.Element, item); err != nil {
			return err
		}
	}
	return nil
}

func appendStruct(b *array.StructBuilder, t *client.StructType, v row.Value) error {
	nested, err := row.As[row.Row](v)
	if err != nil {
		return err
	}
	b.Append(true)
	for i, f := range t.FieldList {
		item, _ := nested.Lookup(f.Name)
		if err := appendValue(b.FieldBuilder(i), f.Type, item); err != nil {
			return err
		}
	}
	return nil
}

func appendMap(b *array.MapBuilder, t *client.MapType, v row.Value) error {
	nested, err := row.As[row.Row](v)
	if err != nil {
		return err
	}
	b.Append(true)
	for name, item := range nested.All() {
		if err := appendValue(b.KeyBuilder(), t.KeyType, row.String(name)); err != nil {
			return err
		}
		if err := appendValue(b.ItemBuilder(), t.ValueType, item); err != nil {
			return err
		}
	}
	return nil
}
