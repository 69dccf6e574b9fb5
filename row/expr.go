package row

import (
	"context"
	"strconv"
)

// Expr computes a value from a row. It is immutable, and may be used in several places and by several goroutines. [Col],
// [Lit] and [Contains] make one.
type Expr struct{ node node }

// Operand is an operand of an expression: a Go constant, a [Value], or another expression.
type Operand interface {
	~bool | ~string |
		~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64 |
		Value | Row | Expr
}

// node is a compiled expression. Its methods are called by several goroutines.
type node interface {
	eval(ctx context.Context, r Row) (Value, error)
	// write appends the expression as text. It is enclosed in parentheses if it is an operand and has parts.
	write(dst []byte, operand bool) []byte
}

// Col is the value of a column. A missing one is a [*ColumnError].
func Col(name string) Expr { return Expr{column(name)} }

// Lit is a constant.
func Lit[T Constant](v T) Expr { return Expr{constant(Of(v))} }

// Contains says whether the row has all of some columns, which may be null. It is true of none.
func Contains(columns ...string) Expr { return Expr{contains(columns)} }

// Eval computes the value for a row. The functions that expressions call are given ctx.
func (e Expr) Eval(ctx context.Context, r Row) (Value, error) { return e.node.eval(ctx, r) }

// String returns the expression as text: x + 1 > y.
func (e Expr) String() string { return textOf(e.node) }

func textOf(n node) string { return string(n.write(nil, false)) }

// operand makes a node of an operand.
func operand[T Operand](v T) node {
	if e, ok := any(v).(Expr); ok {
		return e.node
	}
	return constant(of(v))
}

type column string

func (c column) eval(_ context.Context, r Row) (Value, error) {
	if i := find(r.fields, string(c)); i >= 0 {
		return r.fields[i].Value, nil
	}
	return Value{}, r.missing(string(c))
}

func (c column) write(dst []byte, _ bool) []byte { return append(dst, c...) }

type constant Value

func (c constant) eval(context.Context, Row) (Value, error) { return Value(c), nil }

func (c constant) write(dst []byte, _ bool) []byte { return append(dst, Value(c).String()...) }

type contains []string

func (c contains) eval(_ context.Context, r Row) (Value, error) {
	for _, name := range c {
		if find(r.fields, name) < 0 {
			return Bool(false), nil
		}
	}
	return Bool(true), nil
}

func (c contains) write(dst []byte, _ bool) []byte {
	dst = append(dst, "contains("...)
	for i, name := range c {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = strconv.AppendQuote(dst, name)
	}
	return append(dst, ')')
}

// infix writes a binary expression.
func infix(dst []byte, enclose bool, a node, op string, b node) []byte {
	if enclose {
		dst = append(dst, '(')
	}
	dst = a.write(dst, true)
	dst = append(dst, ' ')
	dst = append(dst, op...)
	dst = append(dst, ' ')
	dst = b.write(dst, true)
	if enclose {
		dst = append(dst, ')')
	}
	return dst
}

// postfix writes a method call.
func postfix(dst []byte, of node, name string, args ...node) []byte {
	dst = of.write(dst, true)
	dst = append(dst, '.')
	dst = append(dst, name...)
	dst = append(dst, '(')
	for i, a := range args {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = a.write(dst, false)
	}
	return append(dst, ')')
}
