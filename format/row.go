package format

import (
	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
)

// Rows says how records become rows and come back, for formats with columns. The zero value takes the value of the record: a row as it
// is, structs and maps as row.FromStruct names their columns, anything else as one column, "value".
type Rows[K, V any] struct {
	// ToRow makes a row of a record, with only those columns that the file is to have beside those of the format itself. It must not
	// keep or change the record.
	ToRow func(r *weir.Record[K, V]) (row.Row, error)
	// FromRow sets the value of a record, and anything else that it finds in the row.
	FromRow func(columns row.Row, r *weir.Record[K, V]) error
}

// reusingRows sets ToRow, if it is missing, for an encoder that needs a row no longer than a record.
func (c Rows[K, V]) reusingRows() Rows[K, V] {
	if c.ToRow == nil {
		c.ToRow = rowOfValue[K](connector.ToReusedRow[V]())
	}
	return c.WithDefaults()
}

func rowOfValue[K, V any](convert func(V) (row.Row, error)) func(*weir.Record[K, V]) (row.Row, error) {
	return func(r *weir.Record[K, V]) (row.Row, error) {
		if r.ValueNull {
			return row.Row{}, nil
		}
		return convert(r.Value)
	}
}

// WithDefaults sets the functions that are missing.
func (c Rows[K, V]) WithDefaults() Rows[K, V] {
	if c.ToRow == nil {
		c.ToRow = rowOfValue[K](connector.ToRow[V]())
	}
	if c.FromRow == nil {
		convert := connector.FromRow[V]()
		c.FromRow = func(columns row.Row, r *weir.Record[K, V]) (err error) {
			if columns.IsNil() {
				r.ValueNull = true
				return nil
			}
			r.Value, err = convert(columns)
			return err
		}
	}
	return c
}
