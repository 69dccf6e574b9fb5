package iceberg

import (
	"encoding/base64"
	"fmt"
	"math"
	"time"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	client "github.com/apache/iceberg-go"
	"github.com/google/uuid"

	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
)

// maxDigits is the greatest precision of a decimal.
const maxDigits = 38

func fitsInt32(v row.Value) bool {
	n, err := row.As[int64](v)
	return err == nil && n >= math.MinInt32 && n <= math.MaxInt32
}

// checkScalar reports whether a column of a type that is not nested can have a value.
func checkScalar(t client.Type, v row.Value) error {
	var err error
	switch t := t.(type) {
	case client.BooleanType:
		_, err = boolOf(v)
	case client.Int32Type, client.Int64Type:
		_, err = intOf(v)
	case client.Float32Type, client.Float64Type:
		_, err = floatOf(v)
	case client.DecimalType:
		_, err = decimalOf(v, t)
	case client.StringType:
		_, err = textOf(v)
	case client.BinaryType:
		_, err = bytesOf(v)
	case client.FixedType:
		var data []byte
		if data, err = bytesOf(v); err == nil && len(data) != t.Len() {
			return fmt.Errorf("the value has %d bytes, and the column is a %s", len(data), t)
		}
	case client.DateType:
		_, err = dateOf(v)
	case client.TimeType:
		_, err = clockOf(v)
	case client.TimestampType, client.TimestampTzType, client.TimestampNsType, client.TimestampTzNsType:
		_, err = timeOf(v)
	case client.UUIDType:
		_, err = uuidOf(v)
	default:
		return fmt.Errorf("the column is a %s, which the sink does not write", t)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", mismatch(t, v), err)
	}
	return nil
}

func boolOf(v row.Value) (bool, error) { return row.As[bool](v) }

// intOf takes floats without a fraction too.
func intOf(v row.Value) (int64, error) {
	if v.Kind() == row.KindFloat {
		f, err := row.As[float64](v)
		if err == nil && (f != math.Trunc(f) || math.Abs(f) > 1<<53) {
			err = fmt.Errorf("%v is no integer", f)
		}
		return int64(f), err
	}
	return row.As[int64](v)
}

func floatOf(v row.Value) (float64, error) { return row.As[float64](v) }

func textOf(v row.Value) (string, error) {
	switch v.Kind() {
	case row.KindString, row.KindRow, row.KindList:
		return connector.ValueText(v)
	}
	return row.As[string](v)
}

// decimalOf takes numbers, and texts of numbers.
func decimalOf(v row.Value, t client.DecimalType) (decimal128.Num, error) {
	text := ""
	switch v.Kind() {
	case row.KindInt, row.KindFloat, row.KindBig:
		text = v.String()
	default:
		var err error
		if text, err = row.As[string](v); err != nil {
			return decimal128.Num{}, err
		}
	}
	n, err := decimal128.FromString(text, int32(t.Precision()), int32(t.Scale()))
	if err == nil && !n.FitsInPrecision(int32(t.Precision())) {
		err = fmt.Errorf("%s has more than %d digits", text, t.Precision())
	}
	return n, err
}

// bytesOf reads base64, as encoding/json writes bytes.
func bytesOf(v row.Value) ([]byte, error) {
	text, err := row.As[string](v)
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(text)
}

// timeOf takes RFC 3339, and milliseconds since 1970.
func timeOf(v row.Value) (time.Time, error) {
	if v.Kind() == row.KindInt {
		n, err := row.As[int64](v)
		return time.UnixMilli(n), err
	}
	text, err := row.As[string](v)
	if err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339Nano, text)
}

// dateOf takes 2006-01-02, and times, whose date in UTC counts.
func dateOf(v row.Value) (time.Time, error) {
	if v.Kind() == row.KindString {
		text, err := row.As[string](v)
		if err != nil {
			return time.Time{}, err
		}
		if t, err := time.Parse(time.DateOnly, text); err == nil {
			return t, nil
		}
	}
	t, err := timeOf(v)
	return t.UTC(), err
}

// clockOf reads a time of day.
func clockOf(v row.Value) (time.Duration, error) {
	text, err := row.As[string](v)
	if err != nil {
		return 0, err
	}
	t, err := time.Parse("15:04:05.999999999", text)
	return t.Sub(t.Truncate(24 * time.Hour)), err
}

func uuidOf(v row.Value) (uuid.UUID, error) {
	text, err := row.As[string](v)
	if err != nil {
		return uuid.UUID{}, err
	}
	return uuid.Parse(text)
}
