package row

import (
	"context"
	"math"
	"slices"
	"strings"
)

// Add is the sum, or two strings or lists one after the other.
func (e Expr) Add[T Operand](v T) Expr { return Expr{&arithmetic{plus, e.node, operand(v)}} }

// Sub is the difference.
func (e Expr) Sub[T Operand](v T) Expr { return Expr{&arithmetic{minus, e.node, operand(v)}} }

// Mul is the product. A string or list times an integer is repeated that often, and empty for zero and less; one of more than
// 16,777,216 bytes or items is [ErrTooLong].
func (e Expr) Mul[T Operand](v T) Expr { return Expr{&arithmetic{multiply, e.node, operand(v)}} }

// Div is the quotient, a float.
func (e Expr) Div[T Operand](v T) Expr { return Expr{&arithmetic{divide, e.node, operand(v)}} }

// Mod is the remainder, with the sign of the divisor.
func (e Expr) Mod[T Operand](v T) Expr { return Expr{&arithmetic{modulo, e.node, operand(v)}} }

// Abs is the absolute value.
func (e Expr) Abs() Expr { return Expr{&absolute{e.node}} }

type arithmeticOp byte

const (
	plus     arithmeticOp = '+'
	minus    arithmeticOp = '-'
	multiply arithmeticOp = '*'
	divide   arithmeticOp = '/'
	modulo   arithmeticOp = '%'
)

type arithmetic struct {
	op   arithmeticOp
	a, b node
}

func (x *arithmetic) write(dst []byte, operand bool) []byte {
	return infix(dst, operand, x.a, string(rune(x.op)), x.b)
}

func (x *arithmetic) eval(ctx context.Context, r Row) (Value, error) {
	a, err := x.a.eval(ctx, r)
	if err != nil {
		return Value{}, err
	}
	b, err := x.b.eval(ctx, r)
	if err != nil {
		return Value{}, err
	}
	if a.kind == KindInt && b.kind == KindInt && x.op != divide {
		return x.integers(a.int(), b.int())
	}
	f, ok := a.number()
	g, also := b.number()
	if ok && also {
		return x.floats(f, g)
	}
	if x.op == multiply {
		if b.kind == KindInt && (a.kind == KindString || a.kind == KindList) {
			return x.repeat(a, b.int())
		}
		if a.kind == KindInt && (b.kind == KindString || b.kind == KindList) {
			return x.repeat(b, a.int())
		}
		return Value{}, misused(x, a, b)
	}
	if x.op == plus && a.kind == b.kind {
		switch a.kind {
		case KindString:
			return String(a.text() + b.text()), nil
		case KindList:
			return List(slices.Concat(a.list(), b.list())...), nil
		}
	}
	return Value{}, misused(x, a, b)
}

// maxRepeated is how long a repeated string or list may be, in bytes or items.
const maxRepeated = 1 << 24

func (x *arithmetic) repeat(v Value, n int64) (Value, error) {
	length := max(int64(v.n), 1)
	switch {
	case n < 0 || v.n == 0:
		n = 0
	case n > maxRepeated/length:
		return Value{}, at(x, ErrTooLong)
	}
	if v.kind == KindString {
		return String(strings.Repeat(v.text(), int(n))), nil
	}
	return List(slices.Repeat(v.list(), int(n))...), nil
}

func (x *arithmetic) integers(a, b int64) (Value, error) {
	var n int64
	fits := true
	switch x.op {
	case plus:
		n = a + b
		fits = (n > a) == (b > 0)
	case minus:
		n = a - b
		fits = (n < a) == (b > 0)
	case multiply:
		n = a * b
		fits = a == 0 || n/a == b && (a != -1 || b != math.MinInt64)
	case modulo:
		if b == 0 {
			return Value{}, at(x, ErrDivisionByZero)
		}
		if n = a % b; n != 0 && (n < 0) != (b < 0) {
			n += b
		}
	}
	if !fits {
		return Value{}, at(x, ErrOverflow)
	}
	return Int(n), nil
}

func (x *arithmetic) floats(a, b float64) (Value, error) {
	switch x.op {
	case plus:
		return Float(a + b), nil
	case minus:
		return Float(a - b), nil
	case multiply:
		return Float(a * b), nil
	}
	if b == 0 {
		return Value{}, at(x, ErrDivisionByZero)
	}
	if x.op == divide {
		return Float(a / b), nil
	}
	f := math.Mod(a, b)
	switch {
	case f == 0:
		f = math.Copysign(0, b) // math.Mod gives it the sign of the dividend
	case (f < 0) != (b < 0):
		f += b
	}
	return Float(f), nil
}

type absolute struct{ of node }

func (x *absolute) write(dst []byte, _ bool) []byte { return postfix(dst, x.of, "abs") }

func (x *absolute) eval(ctx context.Context, r Row) (Value, error) {
	v, err := x.of.eval(ctx, r)
	if err != nil {
		return Value{}, err
	}
	switch v.kind {
	case KindInt:
		switch n := v.int(); {
		case n == math.MinInt64:
			return Value{}, at(x, ErrOverflow)
		case n < 0:
			return Int(-n), nil
		}
		return v, nil
	case KindFloat:
		return Float(math.Abs(v.float())), nil
	case KindBig:
		if t := v.text(); t[0] == '-' {
			return big(t[1:]), nil
		}
		return v, nil
	}
	return Value{}, misused(x, v)
}
