package clickhouse

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/jsontext"
	"github.com/weirstreams/weir/row"
)

// encoder writes the rows of records in the format JSONEachRow, for one goroutine.
type encoder[K, V any] struct {
	options  *Options[K, V]
	key      func(K) (text string, null bool, err error)
	row      func(V) (row.Row, error)
	metadata []string // names of columns that rows get of their records
	table    map[string]column
	// order are the columns of the last row, which are most often those of the next one.
	order []named

	line    []byte
	columns int // of line
}

// named is a column with its name, and the name as JSON with a colon.
type named struct {
	name string
	json []byte
	column
}

func newEncoder[K, V any](o *Options[K, V], table map[string]column) *encoder[K, V] {
	return &encoder[K, V]{options: o, table: table, key: connector.KeyText[K](), row: connector.ToReusedRow[V](), metadata: o.Metadata.columns()}
}

// appendLine appends the row of a record, with the end of its line.
func (e *encoder[K, V]) appendLine(dst []byte, r *weir.Record[K, V]) ([]byte, error) {
	columns, err := e.rowOf(r)
	if err != nil {
		return dst, err
	}
	e.line, e.columns = append(dst, '{'), 0
	if chosen := e.options.Columns; chosen != nil {
		for _, name := range chosen {
			if value, ok := columns.Lookup(name); ok {
				if err := e.value(name, value); err != nil {
					return dst, err
				}
			}
		}
	} else {
		for name, value := range columns.All() {
			if slices.Contains(e.metadata, name) {
				continue
			}
			if err := e.value(name, value); err != nil {
				return dst, err
			}
		}
	}
	if err := e.appendMetadata(r); err != nil {
		return dst, err
	}
	return append(e.line, '}', '\n'), nil
}

// rowOf returns the columns that a row has of the value of its record.
func (e *encoder[K, V]) rowOf(r *weir.Record[K, V]) (columns row.Row, err error) {
	switch {
	case e.options.Row != nil:
		if columns, err = e.options.Row(r); err != nil {
			return columns, fmt.Errorf("Options.Row: %w", err)
		}
	case r.ValueNull:
		return columns, errors.New("the value is null: set Options.Row to make rows of null values")
	default:
		if columns, err = e.row(r.Value); err != nil {
			return columns, fmt.Errorf("the value as a row: %w", err)
		}
	}
	if columns.IsNil() {
		return columns, errors.New("the row is null")
	}
	return columns, nil
}

// appendMetadata appends the columns of Options.Metadata.
func (e *encoder[K, V]) appendMetadata(r *weir.Record[K, V]) error {
	m := &e.options.Metadata
	if m.Key != "" {
		value := row.Null()
		if !r.KeyNull {
			text, null, err := e.key(r.Key)
			if err != nil {
				return fmt.Errorf("the key as a column: %w", err)
			}
			if !null {
				value = row.String(text)
			}
		}
		if err := e.value(m.Key, value); err != nil {
			return err
		}
	}
	for _, c := range [...]struct {
		name  string
		value row.Value
	}{
		{m.Topic, row.String(r.Origin.Topic)},
		{m.Partition, row.Int(int64(r.Origin.Partition))},
		{m.Offset, row.Int(r.Origin.Offset)},
	} {
		if c.name != "" {
			if err := e.value(c.name, c.value); err != nil {
				return err
			}
		}
	}
	if m.Time == "" {
		return nil
	}
	return e.time(m.Time, r.Millis)
}

// time appends the time of a record: as text, which all types for times read, or as a number.
func (e *encoder[K, V]) time(name string, millis int64) error {
	if kind := e.table[name].kind; kind == "Int64" || kind == "UInt64" {
		return e.value(name, row.Int(millis))
	}
	c, err := e.begin(name)
	if err != nil {
		return err
	}
	at := time.UnixMilli(millis).UTC()
	if !c.takes(at) {
		return fmt.Errorf("the column %q: %s is beyond %s", name, appendTime(nil, at), c.kind)
	}
	e.line = append(appendTime(append(e.line, '"'), at), '"')
	return nil
}

// appendTime appends a time in UTC as RFC 3339 writes it, with three digits of the second. This layout alone is one that package time writes fast.
func appendTime(dst []byte, at time.Time) []byte {
	dst = at.AppendFormat(dst, time.RFC3339)
	millis := at.Nanosecond() / 1e6
	return append(dst[:len(dst)-len("Z")], '.', byte('0'+millis/100), byte('0'+millis/10%10), byte('0'+millis%10), 'Z')
}

// value appends a column with a value that fits it.
func (e *encoder[K, V]) value(name string, value row.Value) error {
	c, err := e.begin(name)
	if err != nil {
		return err
	}
	if err = c.check(value); err == nil {
		e.line, err = value.AppendJSON(e.line)
	}
	if err != nil {
		return fmt.Errorf("the column %s: %w", strconv.Quote(name), err)
	}
	return nil
}

// begin appends the name of the next column.
func (e *encoder[K, V]) begin(name string) (*named, error) {
	at := e.columns
	if at >= len(e.order) || e.order[at].name != name {
		json, err := jsontext.AppendString(nil, name)
		if err != nil {
			return nil, fmt.Errorf("the column %q: the name: %w", name, err)
		}
		c, known := e.table[name]
		if !known { // the server refuses it, or passes over it
			c = columnOf("", "")
		}
		e.order = append(e.order[:at], named{name, append(json, ':'), c})
	}
	if at > 0 {
		e.line = append(e.line, ',')
	}
	e.columns++
	c := &e.order[at]
	e.line = append(e.line, c.json...)
	return c, nil
}
