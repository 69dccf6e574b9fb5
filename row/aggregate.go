package row

import (
	"context"
	"errors"
	"math"
	"strings"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/window"
)

// Aggregate computes one value from the rows of a window. It is a [window.Aggregator] on its own, and a part of
// [Aggregates]. It passes over rows without the column or with a null there. It merges, so that it is also for
// sliding windows and sessions.
//
// A value of a kind that the aggregate does not take, such as a text in a sum, is an error of the record: a panic with an
// [*OperandError].
type Aggregate struct {
	kind aggregateKind
	of   node // nil if rows are counted
	name string
}

type aggregateKind uint8

const (
	aggregateCount aggregateKind = iota
	aggregateSum
	aggregateMean
	aggregateMin
	aggregateMax
	aggregateFirst
	aggregateLast
	aggregateEarliest
	aggregateLatest
)

var aggregateNames = [...]string{"count", "sum", "mean", "min", "max", "first", "last", "earliest", "latest"}

// CountRows counts the rows of a window.
func CountRows() Aggregate { return Aggregate{kind: aggregateCount, name: "count"} }

// Count counts the rows that have a value.
func (e Expr) Count() Aggregate { return e.aggregate(aggregateCount) }

// Sum adds up numbers. It is an integer, 0 if there are no values, as long as all values are integers and it fits 64 bits, and
// a float otherwise. Floats are added with compensation.
func (e Expr) Sum() Aggregate { return e.aggregate(aggregateSum) }

// Mean computes the arithmetic mean of numbers, a float. It is null if there are no values.
func (e Expr) Mean() Aggregate { return e.aggregate(aggregateMean) }

// Min keeps the smallest number, or the smallest string; of equal ones the first. It is null if there are no values.
func (e Expr) Min() Aggregate { return e.aggregate(aggregateMin) }

// Max keeps the greatest number, or the greatest string; of equal ones the first. It is null if there are no values.
func (e Expr) Max() Aggregate { return e.aggregate(aggregateMax) }

// First keeps the first value in the order of processing. It is null if there are no values.
func (e Expr) First() Aggregate { return e.aggregate(aggregateFirst) }

// Last keeps the last value in the order of processing. It is null if there are no values.
func (e Expr) Last() Aggregate { return e.aggregate(aggregateLast) }

// Earliest keeps the value with the smallest event time; of several the one that came first. It is null if there are no values.
func (e Expr) Earliest() Aggregate { return e.aggregate(aggregateEarliest) }

// Latest keeps the value with the greatest event time; of several the one that came last. It is null if there are no values.
func (e Expr) Latest() Aggregate { return e.aggregate(aggregateLatest) }

// Collect keeps all values that are there and not null, as [window.Collect] does.
func (e Expr) Collect() window.Aggregator[Row, struct{}, []Value] {
	value := func(r Row) Value {
		v, _ := e.present(r)
		return v
	}
	return window.Where(func(r Row) bool { _, ok := e.present(r); return ok }, window.CollectOf(value))
}

func (e Expr) aggregate(kind aggregateKind) Aggregate {
	return Aggregate{kind: kind, of: e.node, name: aggregateNames[kind]}
}

// As names the column of the result in [Aggregates].
func (a Aggregate) As(name string) Aggregate {
	a.name = name
	return a
}

// present returns the value of the expression, and whether there is one that is not null.
func (e Expr) present(r Row) (Value, bool) {
	v, err := e.node.eval(context.Background(), r)
	if err != nil {
		var column *ColumnError
		var element *ElementError
		if errors.As(err, &column) || errors.As(err, &element) {
			return Value{}, false
		}
		panic(err)
	}
	return v, !v.IsNull()
}

// Init implements [window.Aggregator].
func (a Aggregate) Init() AggregateState { return AggregateState{} }

// Add implements [window.Aggregator].
func (a Aggregate) Add(s *AggregateState, r Row, millis int64) {
	order := millis
	if a.kind == aggregateFirst || a.kind == aggregateLast {
		order = s.order + 1 // rows come in the order of processing
	}
	a.add(s, r, order)
}

// AddInOrder implements [window.Orderer].
func (a Aggregate) AddInOrder(s *AggregateState, r Row, millis, number int64) {
	order := millis
	if a.kind == aggregateFirst || a.kind == aggregateLast {
		order = number
	}
	a.add(s, r, order)
}

func (a Aggregate) add(s *AggregateState, r Row, order int64) {
	if a.of == nil {
		s.count++
		return
	}
	v, ok := Expr{a.of}.present(r)
	if !ok {
		return
	}
	switch a.kind {
	case aggregateSum, aggregateMean:
		if !s.sum.add(v) {
			panic(a.misused(v))
		}
	case aggregateCount:
	default:
		if s.count == 0 || a.replaces(s, v, order) {
			s.value, s.order = detached(v), order
		}
	}
	s.count++
}

// detached returns a value with text of its own, which does not keep the memory of the record.
func detached(v Value) Value {
	if v.kind == KindString || v.kind == KindBig {
		return text(v.kind, strings.Clone(v.text()))
	}
	return v
}

// replaces reports whether a value takes the place of the one that is kept.
func (a Aggregate) replaces(s *AggregateState, v Value, order int64) bool {
	switch a.kind {
	case aggregateMin:
		return a.compare(v, s.value) < 0
	case aggregateMax:
		return a.compare(s.value, v) < 0
	case aggregateFirst, aggregateEarliest:
		return order < s.order
	}
	return order >= s.order // last, latest
}

// compare orders two values. NaN comes before every number that it is compared with as the first, and after as the second:
// so it wins over all numbers, in any order of arrival.
func (a Aggregate) compare(v, w Value) int {
	if v.kind == KindString && w.kind == KindString {
		return strings.Compare(v.text(), w.text())
	}
	order, ok := compareNumbers(v, w)
	if !ok {
		panic(a.misused(v, w))
	}
	if order != unordered {
		return order
	}
	newer := v
	if a.kind == aggregateMax {
		newer = w
	}
	if f, _ := newer.number(); math.IsNaN(f) {
		return -1
	}
	return 0
}

func (a Aggregate) misused(operands ...Value) error {
	e := &OperandError{Expr: a.String()}
	for _, v := range operands {
		e.Kinds = append(e.Kinds, v.kind)
	}
	return e
}

// Merge implements [window.Merger].
func (a Aggregate) Merge(dst *AggregateState, src AggregateState) {
	if src.count == 0 {
		return
	}
	if dst.count == 0 || (a.kind >= aggregateMin && a.replaces(dst, src.value, src.order)) {
		dst.value, dst.order = src.value, src.order
	}
	dst.count += src.count
	dst.sum.merge(src.sum)
}

// Result implements [window.Aggregator].
func (a Aggregate) Result(s *AggregateState) Value {
	switch {
	case a.kind == aggregateCount:
		return Int(s.count)
	case a.kind == aggregateSum:
		return s.sum.total()
	case s.count == 0:
		return Null()
	case a.kind == aggregateMean:
		sum, _ := s.sum.total().number()
		return Float(sum / float64(s.count))
	}
	return s.value
}

// Codec implements [window.Aggregator].
func (a Aggregate) Codec() codec.Codec[AggregateState] { return aggregateCodec{} }

// String describes the aggregate: mean of price.
func (a Aggregate) String() string {
	if a.of == nil {
		return "count of rows"
	}
	return aggregateNames[a.kind] + " of " + textOf(a.of)
}

// AccumulatorName implements [window.Named].
func (a Aggregate) AccumulatorName() string { return "row " + a.String() }
