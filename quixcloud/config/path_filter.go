package config

import (
	"cmp"
	"strconv"

	"github.com/weirstreams/weir/row"
)

// condition is a part of a filter that is true or false for an element.
type condition interface {
	holds(s *search, element row.Value) bool
}

type (
	either  []condition
	both    []condition
	negated struct{ condition }
)

func (c either) holds(s *search, element row.Value) bool {
	for _, part := range c {
		if part.holds(s, element) {
			return true
		}
	}
	return false
}

func (c both) holds(s *search, element row.Value) bool {
	for _, part := range c {
		if !part.holds(s, element) {
			return false
		}
	}
	return true
}

func (c negated) holds(s *search, element row.Value) bool { return !c.condition.holds(s, element) }

// subpath is a path in a filter. As a condition it asks whether the path finds anything.
type subpath struct {
	absolute bool // it begins at the root, not at the element
	segments []segment
}

func (q *subpath) find(s *search, element row.Value) []row.Value {
	if !q.absolute {
		return s.follow([]row.Value{element}, q.segments)
	}
	found, ok := s.absolute[q]
	if !ok {
		found = s.follow([]row.Value{s.root}, q.segments)
		if s.absolute == nil {
			s.absolute = map[*subpath][]row.Value{}
		}
		s.absolute[q] = found
	}
	return found
}

func (q *subpath) holds(s *search, element row.Value) bool { return len(q.find(s, element)) > 0 }

// single reports whether the path finds one value at most.
func (q *subpath) single() bool {
	for _, g := range q.segments {
		if g.descend || len(g.selectors) != 1 {
			return false
		}
		switch g.selectors[0].(type) {
		case named, indexed:
		default:
			return false
		}
	}
	return true
}

// comparison compares two operands, by the rules of RFC 9535: two missing values are equal, and only two numbers or two texts have an
// order.
type comparison struct {
	left, right operand
	operator    string
}

// operand is a literal, or a path.
type operand struct {
	literal row.Value
	path    *subpath // nil for a literal
}

func (o operand) value(s *search, element row.Value) (v row.Value, ok bool) {
	if o.path == nil {
		return o.literal, true
	}
	if found := o.path.find(s, element); len(found) > 0 {
		return found[0], true
	}
	return v, false
}

func (c comparison) holds(s *search, element row.Value) bool {
	left, isLeft := c.left.value(s, element)
	right, isRight := c.right.value(s, element)
	equal := isLeft == isRight && (!isLeft || s.equal(left, right))
	less := func(a, b row.Value) bool {
		order, ok := compare(a, b)
		return isLeft && isRight && ok && order < 0
	}
	switch c.operator {
	case "==":
		return equal
	case "!=":
		return !equal
	case "<":
		return less(left, right)
	case ">":
		return less(right, left)
	case "<=":
		return equal || less(left, right)
	default: // ">="
		return equal || less(right, left)
	}
}

// equal compares values. Containers cost as much as they hold.
func (s *search) equal(a, b row.Value) bool {
	if order, ok := compare(a, b); ok {
		return order == 0
	}
	if a.Kind() == row.KindRow || a.Kind() == row.KindList {
		s.weigh(a)
		return s.left >= 0 && a.Equal(b)
	}
	return a.Equal(b)
}

// weigh spends a unit for each value in a container.
func (s *search) weigh(v row.Value) {
	for e := range s.elements(v) {
		s.weigh(e)
	}
}

// compare returns the order of two numbers or of two texts, and false for everything else.
func compare(a, b row.Value) (order int, ok bool) {
	switch {
	case a.Kind() == row.KindInt && b.Kind() == row.KindInt:
		x, _ := row.As[int64](a)
		y, _ := row.As[int64](b)
		return cmp.Compare(x, y), true
	case a.Kind() == row.KindFloat && b.Kind() == row.KindFloat:
		x, _ := row.As[float64](a)
		y, _ := row.As[float64](b)
		return cmp.Compare(x, y), true
	case a.Kind() == row.KindString && b.Kind() == row.KindString:
		x, _ := row.As[string](a)
		y, _ := row.As[string](b)
		return cmp.Compare(x, y), true
	case isNumber(a) && isNumber(b):
		if a.Equal(b) {
			return 0, true
		}
		// Both as floats, which is how rows compute with big integers.
		x, errX := strconv.ParseFloat(a.String(), 64)
		y, errY := strconv.ParseFloat(b.String(), 64)
		return cmp.Compare(x, y), errX == nil && errY == nil
	}
	return 0, false
}

func isNumber(v row.Value) bool {
	return v.Kind() == row.KindInt || v.Kind() == row.KindFloat || v.Kind() == row.KindBig
}
