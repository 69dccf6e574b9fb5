package row

import (
	"math"
	"strconv"
	"unsafe"
)

// Kind is the kind of a [Value].
type Kind uint8

const (
	// KindNull is null, the zero Value.
	KindNull Kind = iota
	// KindBool is true or false.
	KindBool
	// KindInt is an integer of 64 bits: in JSON, a number without fraction and exponent.
	KindInt
	// KindFloat is a float of 64 bits: in JSON, a number with a fraction or an exponent.
	KindFloat
	// KindBig is an integer that does not fit 64 bits. It is kept as it came and written so, and computes as a float.
	KindBig
	// KindString is text in UTF-8.
	KindString
	// KindList is a list of values.
	KindList
	// KindRow is a nested row.
	KindRow
)

// String returns the name of the kind, as errors use it.
func (k Kind) String() string {
	return [...]string{"null", "bool", "integer", "float", "big integer", "string", "list", "row"}[k]
}

// Value is one value of a row. It is immutable and small: copy it. The zero Value is null. Two are compared with Equal,
// not with ==.
type Value struct {
	// p and n hold the value by its kind: a bool or number in n; the data and length of a string or slice.
	p    unsafe.Pointer
	n    uint64
	kind Kind
}

// Null returns null.
func Null() Value { return Value{} }

// Bool returns a boolean.
func Bool(v bool) Value {
	if v {
		return Value{kind: KindBool, n: 1}
	}
	return Value{kind: KindBool}
}

// Int returns an integer.
func Int(v int64) Value { return Value{kind: KindInt, n: uint64(v)} }

// Uint returns an integer, which is a KindBig beyond 64 bits with a sign.
func Uint(v uint64) Value {
	if v > math.MaxInt64 {
		return big(strconv.FormatUint(v, 10))
	}
	return Int(int64(v))
}

// Float returns a float.
func Float(v float64) Value { return Value{kind: KindFloat, n: math.Float64bits(v)} }

// String returns a string.
func String(v string) Value { return text(KindString, v) }

// List returns a list. It keeps the slice, which must not be changed any more.
func List(v ...Value) Value {
	return Value{kind: KindList, p: unsafe.Pointer(unsafe.SliceData(v)), n: uint64(len(v))}
}

// Value returns the row as a value, for nesting. A nil row is null.
func (r Row) Value() Value {
	if r.fields == nil {
		return Value{}
	}
	return Value{kind: KindRow, p: unsafe.Pointer(unsafe.SliceData(r.fields)), n: uint64(len(r.fields))}
}

// big keeps an integer of any size as text.
func big(digits string) Value { return text(KindBig, digits) }

func text(kind Kind, v string) Value {
	return Value{kind: kind, p: unsafe.Pointer(unsafe.StringData(v)), n: uint64(len(v))}
}

// Kind returns the kind of the value.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether the value is null.
func (v Value) IsNull() bool { return v.kind == KindNull }

func (v Value) bool() bool     { return v.n != 0 }
func (v Value) int() int64     { return int64(v.n) }
func (v Value) float() float64 { return math.Float64frombits(v.n) }
func (v Value) text() string   { return unsafe.String((*byte)(v.p), int(v.n)) }
func (v Value) list() []Value  { return unsafe.Slice((*Value)(v.p), int(v.n)) }

func (v Value) row() Row {
	if v.n == 0 {
		return Row{fields: noFields}
	}
	fields := unsafe.Slice((*Field)(v.p), int(v.n))
	return Row{fields: fields}
}

// number returns the value as a float, and whether it is a number.
func (v Value) number() (float64, bool) {
	switch v.kind {
	case KindInt:
		return float64(v.int()), true
	case KindFloat:
		return v.float(), true
	case KindBig:
		f, _ := strconv.ParseFloat(v.text(), 64) // out of range gives an infinity, which is what it is worth
		return f, true
	}
	return 0, false
}

// Truthy reports whether the value counts as true: everything but null, false, zero, and empty text, lists and rows.
func (v Value) Truthy() bool {
	switch v.kind {
	case KindNull:
		return false
	case KindFloat:
		return v.float() != 0
	}
	return v.n != 0
}

// Equal reports whether two values are the same: numbers of all kinds by their size, lists in order, rows without regard to
// the order of their columns.
func (v Value) Equal(w Value) bool {
	switch {
	case v.kind == KindInt && w.kind == KindInt, v.kind == KindBool && w.kind == KindBool:
		return v.n == w.n
	case v.kind == KindString && w.kind == KindString:
		return v.text() == w.text()
	case v.kind == KindNull && w.kind == KindNull:
		return true
	case v.kind == KindRow && w.kind == KindRow:
		return v.row().Equal(w.row())
	case v.kind == KindList && w.kind == KindList:
		if v.n != w.n {
			return false
		}
		other := w.list()
		for i, item := range v.list() {
			if !item.Equal(other[i]) {
				return false
			}
		}
		return true
	}
	order, ok := compareNumbers(v, w)
	return ok && order == 0
}

// String returns the value as JSON. Numbers that JSON lacks, such as NaN, are written as Go writes them.
func (v Value) String() string {
	data, err := appendValue(nil, v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}
