package postgres

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir/row"
)

// Numbers of types, from the catalog pg_type, which never change.
const (
	oidBool        = 16
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidOID         = 26
	oidJSON        = 114
	oidFloat4      = 700
	oidFloat8      = 701
	oidTimestamp   = 1114
	oidTimestamptz = 1184
	oidNumeric     = 1700
	oidJSONB       = 3802
)

// decode reads the text form of a value, as the server writes it with the settings of parameters.
func decode(text string, oid uint32, floatDecimals bool) (row.Value, error) {
	switch oid {
	case oidBool:
		return row.Bool(text == "t"), nil
	case oidInt2, oidInt4, oidInt8, oidOID:
		n, err := strconv.ParseInt(text, 10, 64)
		return row.Int(n), err
	case oidNumeric:
		if !floatDecimals {
			return row.String(text), nil
		}
		return float(text)
	case oidFloat4, oidFloat8:
		return float(text)
	case oidJSON, oidJSONB:
		var v row.Value
		err := v.UnmarshalJSON([]byte(text))
		return v, err
	case oidTimestamp:
		return row.String(strings.Replace(text, " ", "T", 1)), nil
	case oidTimestamptz:
		if t, err := time.Parse("2006-01-02 15:04:05.999999999Z07", text); err == nil {
			return row.String(t.UTC().Format(time.RFC3339Nano)), nil
		}
	}
	return row.String(text), nil // dates, times, uuids, arrays, and infinite or ancient times
}

// float reads a float. NaN and the infinities, which JSON does not have, are null.
func float(text string) (row.Value, error) {
	f, err := strconv.ParseFloat(text, 64)
	if math.IsNaN(f) || math.IsInf(f, 0) && err == nil {
		return row.Null(), nil
	}
	return row.Float(f), err
}

// parameters are the settings of sessions that decide about the text form of values.
var parameters = map[string]string{
	"timezone": "UTC", "datestyle": "ISO", "intervalstyle": "iso_8601", "bytea_output": "hex", "extra_float_digits": "1",
}
