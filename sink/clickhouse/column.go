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
	// ints are the integers of the type, as far as 64 bits with a sign have them, and times its times in seconds since 1970.
	ints, times span
}

// span are the numbers from first to last.
type span struct{ first, last int64 }

func (s span) has(n int64) bool { return n >= s.first && n <= s.last }

// everything is the span of types that the sink knows no bounds of.
var everything = span{math.MinInt64, math.MaxInt64}

// columnOf reads the type of a column, and how it gets its values.
func columnOf(kind, origin string) column {
	for _, wrapper := range []string{"LowCardinality(", "Nullable("} {
		if inner, ok := strings.CutPrefix(kind, wrapper); ok {
			kind = strings.TrimSuffix(inner, ")")
		}
	}
	kind, _, _ = strings.Cut(kind, "(")
	c := column{kind: kind, ints: integers(kind), times: times(kind)}
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

// times returns the times of a type.
func times(kind string) span {
	switch kind {
	case "DateTime":
		return span{0, lastDateTime}
	case "DateTime64", "Date32":
		return span{firstDateTime64, lastDateTime64}
	case "Date":
		return span{0, lastDate}
	}
	return everything
}

// integers returns the integers of a type.
func integers(kind string) span {
	switch kind {
	case "Int8", "Int16", "Int32":
		bits, _ := strconv.Atoi(kind[len("Int"):])
		return span{-1 << (bits - 1), 1<<(bits-1) - 1}
	case "UInt8", "UInt16", "UInt32":
		bits, _ := strconv.Atoi(kind[len("UInt"):])
		return span{0, 1<<bits - 1}
	case "UInt64":
		return span{0, math.MaxInt64}
	case "DateTime", "DateTime64":
		return times(kind)
	}
	return everything
}

// takes reports whether the type has a time.
func (c *column) takes(at time.Time) bool { return c.times.has(at.Unix()) }

// check returns an error for a value that the server would change without a word: integers beyond their column wrap round, and times beyond it become its
// first or its last one. The server itself refuses values of other kinds.
func (c *column) check(v row.Value) error {
	switch v.Kind() {
	case row.KindInt:
		n, err := row.As[int64](v)
		if err == nil && !c.ints.has(n) {
			err = c.beyond(strconv.FormatInt(n, 10))
		}
		return err
	case row.KindBig:
		return c.checkBig(v)
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

// beyond is the error of an integer.
func (c *column) beyond(digits string) error {
	if c.kind == "DateTime" || c.kind == "DateTime64" {
		return fmt.Errorf("%s is beyond %s, which reads numbers as seconds since 1970: write a time as text of RFC 3339", digits, c.kind)
	}
	return fmt.Errorf("%s is beyond %s", digits, c.kind)
}

// checkBig checks an integer of more than 64 bits with a sign.
func (c *column) checkBig(v row.Value) error {
	digits, err := connector.ValueText(v)
	if err != nil {
		return err
	}
	fits := c.ints == everything && c.kind != "Int64"
	if c.kind == "UInt64" {
		_, err := strconv.ParseUint(digits, 10, 64)
		fits = err == nil
	}
	if !fits {
		return c.beyond(digits)
	}
	return nil
}

func (c *column) checkText(v row.Value) error {
	if c.times == everything {
		return nil
	}
	text, err := row.As[string](v)
	if err != nil {
		return err
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateTime, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			if !c.takes(at) {
				return fmt.Errorf("%s is beyond %s", text, c.kind)
			}
			return nil
		}
	}
	return nil // of another form, which the server reads or refuses
}
