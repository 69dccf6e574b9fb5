package row

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/weirstreams/weir/codec"
)

// AggregateState is the accumulator of an [Aggregate].
type AggregateState struct {
	count int64 // values, or rows
	value Value // that is kept, by those that keep one
	order int64 // of the value: its time, or its number in the order of processing
	sum   sum
}

// sum adds up numbers: integers exactly for as long as they fit, and floats with compensation (Neumaier's variant of Kahan's
// algorithm).
type sum struct {
	whole      int64
	floats     float64
	lost       float64 // by rounding floats
	isFloating bool
}

// add reports whether the value is a number.
func (s *sum) add(v Value) bool {
	switch v.kind {
	case KindInt:
		s.addInt(v.int())
		return true
	case KindFloat, KindBig:
		f, _ := v.number()
		s.isFloating = true
		s.addFloat(f)
		return true
	}
	return false
}

func (s *sum) addInt(n int64) {
	total := s.whole + n
	if (total > s.whole) != (n > 0) && n != 0 {
		s.isFloating = true
		s.addFloat(float64(s.whole))
		total = n
	}
	s.whole = total
}

func (s *sum) addFloat(f float64) {
	total := s.floats + f
	if math.Abs(s.floats) >= math.Abs(f) {
		s.lost += (s.floats - total) + f
	} else {
		s.lost += (f - total) + s.floats
	}
	s.floats = total
}

func (s *sum) merge(o sum) {
	s.addInt(o.whole)
	if o.isFloating {
		s.isFloating = true
		s.addFloat(o.floats)
		s.lost += o.lost
	}
}

func (s *sum) total() Value {
	if !s.isFloating {
		return Int(s.whole)
	}
	t := *s
	t.addFloat(float64(t.whole))
	if f := t.floats + t.lost; !math.IsNaN(f) {
		return Float(f)
	}
	return Float(t.floats) // an infinity has lost nothing that could be told
}

// aggregateCodec stores a byte with the flags below, the count (a uvarint), the order (a varint), the sum, and the value: as 8 bytes
// if it is a float, which may be NaN, and as JSON otherwise.
type aggregateCodec struct{}

const (
	stateIsFloating = 1 << iota
	stateHasValue
	stateHasFloat
)

var errAggregate = errors.New("aggregate of rows: the accumulator is cut off")

func (aggregateCodec) Append(dst []byte, _ *codec.Context, s AggregateState) ([]byte, error) {
	flags := byte(0)
	if s.sum.isFloating {
		flags |= stateIsFloating
	}
	switch s.value.kind {
	case KindNull:
	case KindFloat:
		flags |= stateHasFloat
	default:
		flags |= stateHasValue
	}
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, uint64(s.count))
	dst = binary.AppendVarint(dst, s.order)
	dst = binary.AppendVarint(dst, s.sum.whole)
	if s.sum.isFloating {
		dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(s.sum.floats))
		dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(s.sum.lost))
	}
	switch {
	case flags&stateHasFloat != 0:
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(s.value.float())), nil
	case flags&stateHasValue != 0:
		return appendValue(dst, s.value)
	}
	return dst, nil
}

func (aggregateCodec) Decode(_ *codec.Context, data []byte) (s AggregateState, err error) {
	if len(data) == 0 {
		return s, errAggregate
	}
	flags := data[0]
	r := stateReader{data: data[1:]}
	s.count = int64(r.uvarint())
	s.order, s.sum.whole = r.varint(), r.varint()
	if s.sum.isFloating = flags&stateIsFloating != 0; s.sum.isFloating {
		s.sum.floats, s.sum.lost = r.float(), r.float()
	}
	switch {
	case flags&stateHasFloat != 0:
		s.value = Float(r.float())
	case flags&stateHasValue != 0 && !r.failed:
		s.value, err = decode(r.data)
	}
	if r.failed {
		err = errAggregate
	}
	return s, err
}

// stateReader reads numbers, up to the first that is cut off.
type stateReader struct {
	data   []byte
	failed bool
}

func (r *stateReader) take(n int) bool {
	if n <= 0 || n > len(r.data) {
		r.failed = true
		r.data = nil
		return false
	}
	r.data = r.data[n:]
	return true
}

func (r *stateReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	r.take(n)
	return v
}

func (r *stateReader) varint() int64 {
	v, n := binary.Varint(r.data)
	r.take(n)
	return v
}

func (r *stateReader) float() float64 {
	data := r.data
	if !r.take(8) {
		return 0
	}
	return math.Float64frombits(binary.BigEndian.Uint64(data))
}
