package avro

import (
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/hamba/avro/v2"
)

// A change turns one form of a value into another. A nil change leaves it as it is.
type change func(any) (any, error)

// fromPlain returns the conversion from the type below a logical type: goavro's null, int32, int64,
// []byte and so on. Unknown logical types keep the value of the type below, as the specification says.
func fromPlain(s avro.Schema) change {
	logical := logicalOf(s)
	if isNone(logical) {
		return nil
	}
	switch logical.Type() {
	case avro.Date:
		return func(v any) (any, error) { return time.Unix(integer(v)*secondsPerDay, 0).UTC(), nil }
	case avro.TimeMillis:
		return func(v any) (any, error) { return time.Duration(integer(v)) * time.Millisecond, nil }
	case avro.TimeMicros:
		return func(v any) (any, error) { return time.Duration(integer(v)) * time.Microsecond, nil }
	case avro.TimestampMillis:
		return func(v any) (any, error) { return time.UnixMilli(integer(v)).UTC(), nil }
	case avro.LocalTimestampMillis:
		return func(v any) (any, error) { return time.UnixMilli(integer(v)).UTC(), nil }
	case avro.LocalTimestampMicros:
		return func(v any) (any, error) { return time.UnixMicro(integer(v)).UTC(), nil }
	case avro.TimestampMicros:
		return func(v any) (any, error) { return time.UnixMicro(integer(v)).UTC(), nil }
	case avro.Decimal:
		scale := logical.(*avro.DecimalLogicalSchema).Scale()
		return func(v any) (any, error) {
			b := v.([]byte)
			if len(b) == 0 {
				return nil, errEmptyDecimal
			}
			return decimal(b, scale), nil
		}
	}
	return nil
}

// toPlain is the reverse of fromPlain. It also takes values of the type below.
func toPlain(s avro.Schema) change {
	logical := logicalOf(s)
	if isNone(logical) {
		return nil
	}
	var moment func(time.Time) int64
	var span time.Duration
	switch logical.Type() {
	case avro.Date:
		moment = func(t time.Time) int64 { return floorDiv(t.Unix(), secondsPerDay) }
	case avro.TimestampMillis:
		moment = time.Time.UnixMilli
	case avro.TimestampMicros:
		moment = time.Time.UnixMicro
	case avro.LocalTimestampMillis:
		moment = func(t time.Time) int64 { return wallClock(t).UnixMilli() }
	case avro.LocalTimestampMicros:
		moment = func(t time.Time) int64 { return wallClock(t).UnixMicro() }
	case avro.TimeMillis:
		span = time.Millisecond
	case avro.TimeMicros:
		span = time.Microsecond
	case avro.Decimal:
		d := logical.(*avro.DecimalLogicalSchema)
		return decimalToPlain(s, d.Precision(), d.Scale())
	default:
		return nil
	}
	return func(v any) (any, error) {
		switch v := v.(type) {
		case time.Time:
			if moment != nil {
				return moment(v), nil
			}
		case time.Duration:
			if span != 0 {
				return int64(v / span), nil
			}
		}
		return v, nil
	}
}

// wallClock returns the time in UTC with the date and the time of day of t.
func wallClock(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

const secondsPerDay = 24 * 60 * 60

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func isNone(l avro.LogicalSchema) bool {
	switch l := l.(type) {
	case nil:
		return true
	case *avro.PrimitiveLogicalSchema:
		return l == nil
	case *avro.DecimalLogicalSchema:
		return l == nil
	}
	return false
}

func integer(v any) int64 {
	if i, ok := v.(int32); ok {
		return int64(i)
	}
	return v.(int64)
}

// decimal reads the two's complement of an unscaled number.
func decimal(b []byte, scale int) *big.Rat {
	unscaled := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		unscaled.Sub(unscaled, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return new(big.Rat).SetFrac(unscaled, tenTo(scale))
}

func tenTo(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

func decimalToPlain(s avro.Schema, precision, scale int) change {
	size := 0 // as few bytes as it takes
	if f, ok := s.(*avro.FixedSchema); ok {
		size = f.Size()
	}
	beyond := tenTo(precision)
	return func(v any) (any, error) {
		r, ok := v.(*big.Rat)
		if !ok {
			return v, nil
		}
		if r == nil {
			return nil, errNilDecimal
		}
		scaled := new(big.Rat).Mul(r, new(big.Rat).SetInt(tenTo(scale)))
		if !scaled.IsInt() {
			return nil, fmt.Errorf("%s has more than %d decimal places", r.FloatString(scale+1), scale)
		}
		if scaled.Num().CmpAbs(beyond) >= 0 {
			return nil, fmt.Errorf("%s has more than %d digits, the precision of the type", r.FloatString(scale), precision)
		}
		b := twosComplement(scaled.Num())
		if size == 0 || len(b) == size {
			return b, nil
		}
		if len(b) > size {
			return nil, fmt.Errorf("%s does not fit %d bytes", r.FloatString(scale), size)
		}
		out := make([]byte, size)
		copy(out[size-len(b):], b)
		if b[0]&0x80 != 0 {
			for i := range size - len(b) {
				out[i] = 0xff
			}
		}
		return out, nil
	}
}

var errEmptyDecimal = errors.New("a decimal of no bytes is no number")

var errNilDecimal = errors.New("a nil *big.Rat is no decimal")

// twosComplement returns the shortest form, as Java's BigInteger writes it.
func twosComplement(n *big.Int) []byte {
	if n.Sign() >= 0 {
		return append(make([]byte, 0, 16), signed(n.Bytes())...)
	}
	// The bits of -n-1, turned round.
	b := signed(new(big.Int).Not(n).Bytes())
	for i := range b {
		b[i] = ^b[i]
	}
	return b
}

// signed puts a zero byte before a number with a set first bit, which would count as its sign.
func signed(b []byte) []byte {
	if len(b) == 0 || b[0]&0x80 != 0 {
		return append([]byte{0}, b...)
	}
	return b
}
