package row

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
)

// Eq says whether two values are equal. Values of kinds that cannot be compared are not; null equals null.
func (e Expr) Eq[T Operand](v T) Expr { return Expr{&equality{e.node, operand(v), true}} }

// Ne is the opposite of Eq.
func (e Expr) Ne[T Operand](v T) Expr { return Expr{&equality{e.node, operand(v), false}} }

// Is says whether two values are the same: of the same kind, and equal. Unlike Eq it tells 1 from 1.0, and lists and nested rows
// are the same if all that they hold is. Null is null.
func (e Expr) Is[T Operand](v T) Expr { return Expr{&identity{e.node, operand(v), true}} }

// IsNot is the opposite of Is.
func (e Expr) IsNot[T Operand](v T) Expr { return Expr{&identity{e.node, operand(v), false}} }

// Lt says whether a number, string or list is less than another.
func (e Expr) Lt[T Operand](v T) Expr { return Expr{&comparison{less, e.node, operand(v)}} }

// Le says whether a number, string or list is less than another or equal.
func (e Expr) Le[T Operand](v T) Expr { return Expr{&comparison{less | equal, e.node, operand(v)}} }

// Gt says whether a number, string or list is greater than another.
func (e Expr) Gt[T Operand](v T) Expr { return Expr{&comparison{greater, e.node, operand(v)}} }

// Ge says whether a number, string or list is greater than another or equal.
func (e Expr) Ge[T Operand](v T) Expr { return Expr{&comparison{greater | equal, e.node, operand(v)}} }

// evalBoth evaluates the operands of a comparison, the left one first.
func evalBoth(ctx context.Context, r Row, left, right node) (a, b Value, err error) {
	if a, err = left.eval(ctx, r); err != nil {
		return Value{}, Value{}, err
	}
	b, err = right.eval(ctx, r)
	return a, b, err
}

type equality struct {
	a, b node
	want bool
}

func (x *equality) write(dst []byte, operand bool) []byte {
	op := "=="
	if !x.want {
		op = "!="
	}
	return infix(dst, operand, x.a, op, x.b)
}

func (x *equality) eval(ctx context.Context, r Row) (Value, error) {
	a, b, err := evalBoth(ctx, r, x.a, x.b)
	if err != nil {
		return Value{}, err
	}
	return Bool(a.Equal(b) == x.want), nil
}

type identity struct {
	a, b node
	want bool
}

func (x *identity) write(dst []byte, operand bool) []byte {
	op := "is"
	if !x.want {
		op = "is not"
	}
	return infix(dst, operand, x.a, op, x.b)
}

func (x *identity) eval(ctx context.Context, r Row) (Value, error) {
	a, b, err := evalBoth(ctx, r, x.a, x.b)
	if err != nil {
		return Value{}, err
	}
	return Bool(a.same(b) == x.want), nil
}

// same reports whether two values are of the same kind, and equal, and so are all values in them.
func (v Value) same(w Value) bool {
	if v.kind != w.kind {
		return false
	}
	switch v.kind {
	case KindBig:
		return v.text() == w.text()
	case KindList:
		return slices.EqualFunc(v.list(), w.list(), Value.same)
	case KindRow:
		fields, others := v.row().fields, w.row().fields
		return len(fields) == len(others) && !slices.ContainsFunc(fields, func(f Field) bool {
			i := find(others, f.Name)
			return i < 0 || !f.Value.same(others[i].Value)
		})
	}
	return v.Equal(w)
}

// ordering is a set of outcomes of a comparison.
type ordering uint8

const (
	less ordering = 1 << iota
	equal
	greater
)

type comparison struct {
	accept ordering
	a, b   node
}

func (x *comparison) write(dst []byte, operand bool) []byte {
	return infix(dst, operand, x.a, [...]string{less: "<", less | equal: "<=", greater: ">", greater | equal: ">="}[x.accept], x.b)
}

func (x *comparison) eval(ctx context.Context, r Row) (Value, error) {
	a, err := x.a.eval(ctx, r)
	if err != nil {
		return Value{}, err
	}
	b, err := x.b.eval(ctx, r)
	if err != nil {
		return Value{}, err
	}
	order, ok := compare(a, b)
	if !ok {
		return Value{}, misused(x, a, b)
	}
	outcome := ordering(0) // of NaN
	switch order {
	case -1:
		outcome = less
	case 0:
		outcome = equal
	case 1:
		outcome = greater
	}
	return Bool(x.accept&outcome != 0), nil
}

// compare orders two numbers, strings or lists, and says whether they have an order. Lists are ordered by the first items that
// differ, and one that begins with all of the other comes after it.
func compare(a, b Value) (order int, ok bool) {
	switch {
	case a.kind == KindInt && b.kind == KindInt:
		return cmp.Compare(a.int(), b.int()), true
	case a.kind == KindString && b.kind == KindString:
		return strings.Compare(a.text(), b.text()), true
	case a.kind == KindList && b.kind == KindList:
		other := b.list()
		for i, item := range a.list() {
			if i == len(other) {
				return 1, true
			}
			if !item.Equal(other[i]) {
				return compare(item, other[i])
			}
		}
		return cmp.Compare(a.n, b.n), true
	}
	return compareNumbers(a, b)
}

// unordered is how NaN compares.
const unordered = 2

// compareNumbers compares two numbers of any kinds exactly, and says whether both are numbers.
func compareNumbers(a, b Value) (int, bool) {
	switch {
	case a.kind == KindInt && b.kind == KindInt:
		return cmp.Compare(a.int(), b.int()), true
	case a.kind == KindInt && b.kind == KindFloat:
		return compareIntFloat(a.int(), b.float()), true
	case a.kind == KindFloat && b.kind == KindInt:
		order := compareIntFloat(b.int(), a.float())
		if order != unordered {
			order = -order
		}
		return order, true
	case a.kind == KindBig && b.kind == KindBig && a.text() == b.text():
		return 0, true
	}
	f, ok := a.number()
	g, also := b.number()
	if !ok || !also {
		return 0, false
	}
	if math.IsNaN(f) || math.IsNaN(g) {
		return unordered, true
	}
	return cmp.Compare(f, g), true
}

// compareIntFloat does not round the integer, as a conversion to a float does beyond 53 bits.
func compareIntFloat(n int64, f float64) int {
	switch {
	case math.IsNaN(f):
		return unordered
	case f >= 1<<63:
		return -1
	case f < -1<<63:
		return 1
	}
	whole := int64(f)
	if order := cmp.Compare(n, whole); order != 0 {
		return order
	}
	return cmp.Compare(0, f-math.Trunc(f))
}
