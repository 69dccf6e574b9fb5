package tables

import (
	"errors"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/row"
)

// Columns makes records of rows: the value of a record is the row, and columns have its key and its time. The zero Columns gives null keys and the
// time of the clock.
type Columns struct {
	// Key names the column with the key, a text or null. Empty means null keys.
	Key string
	// Time names the column with the time, an integer of Unix milliseconds. Empty means the time of the clock.
	Time string
	// Drop leaves both columns out of the value.
	Drop bool
}

// Record is for Options.Record. A column that a row does not have, or that has another type, is an error that names it.
func (c Columns) Record(columns row.Row) (r weir.Record[string, row.Row], err error) {
	r.Value = columns
	r.KeyNull = c.Key == ""
	if c.Key != "" {
		if r.KeyNull, err = isNull(columns, c.Key); err == nil && !r.KeyNull {
			r.Key, err = columns.Get[string](c.Key)
		}
		if err != nil {
			return r, fmt.Errorf("the key: %w", err)
		}
	}
	if c.Time != "" {
		if r.Millis, err = columns.Get[int64](c.Time); err != nil {
			return r, fmt.Errorf("the time: %w", err)
		}
		if r.Millis <= 0 { // 0 would be the time of the clock
			return r, fmt.Errorf("the time: column %q is %d, and must be greater than 0", c.Time, r.Millis)
		}
	}
	if c.Drop {
		r.Value = without(columns, c.Key, c.Time)
	}
	return r, nil
}

// isNull reports whether a column is null. It is an error if the row does not have it.
func isNull(columns row.Row, name string) (bool, error) {
	if columns.IsNil() {
		return false, errors.New("the row is null")
	}
	v, ok := columns.Lookup(name)
	if !ok {
		return false, fmt.Errorf("there is no column %q, but %q", name, columns.Columns())
	}
	return v.IsNull(), nil
}

func without(columns row.Row, key, time string) row.Row {
	var kept []row.Field
	for name, v := range columns.All() {
		if name != key && name != time {
			kept = append(kept, row.Field{Name: name, Value: v})
		}
	}
	return row.New(kept...)
}
