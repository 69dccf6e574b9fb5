package clickhouse

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
)

// column is a column of the table.
type column struct {
	// kind is its type without Nullable and LowCardinality, and without parameters: DateTime64 for Nullable(DateTime64(3)).
	kind string
	// computed is MATERIALIZED or ALIAS for columns that take no values.
	computed string
}

// columnOf reads the type of a column, and how it gets its values.
func columnOf(kind, origin string) column {
	for _, wrapper := range []string{"LowCardinality(", "Nullable("} {
		if inner, ok := strings.CutPrefix(kind, wrapper); ok {
			kind = strings.TrimSuffix(inner, ")")
		}
	}
	kind, _, _ = strings.Cut(kind, "(")
	c := column{kind: kind}
	if origin == "MATERIALIZED" || origin == "ALIAS" {
		c.computed = origin
	}
	return c
}

// Times that the types for them have, in seconds since 1970. The documentation of ClickHouse names them; the server writes the nearest one in place of others, and
// says nothing.
var (
	lastDateTime    = int64(math.MaxUint32)
	firstDateTime64 = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	lastDateTime64  = time.Date(2299, 12, 31, 23, 59, 59, 0, time.UTC).Unix()
	lastDate        = time.Date(2149, 6, 6, 0, 0, 0, 0, time.UTC).Unix()
)

// check returns an error for a value that the server would change without a word: integers beyond their column wrap round, and times beyond it become its
// first or its last one. The server itself refuses values of other kinds.
func (c column) check(v row.Value) error {
	switch v.Kind() {
	case row.KindInt, row.KindBig:
		return c.checkInteger(v)
	case row.KindFloat:
		f, err := row.As[float64](v)
		if c.kind == "Float32" && err == nil && math.Abs(f) > math.MaxFloat32 {
			return fmt.Errorf("%v is beyond Float32", f)
		}
		return err
	case row.KindString:
		return c.checkText(v)
	}
	return nil
}

func (c column) checkInteger(v row.Value) error {
	text, err := connector.ValueText(v)
	if err != nil {
		return err
	}
	n, small := strconv.ParseInt(text, 10, 64)
	between := func(first, last int64, unit string) error {
		if small != nil || n < first || n > last {
			return fmt.Errorf("%s is beyond %s, which reads numbers as %s: write a time as text of RFC 3339", text, c.kind, unit)
		}
		return nil
	}
	switch c.kind {
	case "Int8", "Int16", "Int32", "Int64":
		bits, _ := strconv.Atoi(c.kind[len("Int"):])
		_, err = strconv.ParseInt(text, 10, bits)
	case "UInt8", "UInt16", "UInt32", "UInt64":
		bits, _ := strconv.Atoi(c.kind[len("UInt"):])
		_, err = strconv.ParseUint(text, 10, bits)
	case "DateTime":
		return between(0, lastDateTime, "seconds since 1970")
	case "DateTime64":
		return between(firstDateTime64, lastDateTime64, "seconds since 1970")
	}
	if err != nil {
		return fmt.Errorf("%s is beyond %s", text, c.kind)
	}
	return nil
}

func (c column) checkText(v row.Value) error {
	first, last := int64(0), lastDateTime
	switch c.kind {
	case "DateTime":
	case "DateTime64", "Date32":
		first, last = firstDateTime64, lastDateTime64
	case "Date":
		last = lastDate
	default:
		return nil
	}
	text, err := row.As[string](v)
	if err != nil {
		return err
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateTime, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			if s := at.Unix(); s < first || s > last {
				return fmt.Errorf("%s is beyond %s", text, c.kind)
			}
			return nil
		}
	}
	return nil // of another form, which the server reads or refuses
}
