package row

import (
	"context"
	"errors"
	"fmt"
)

// Apply calls a function with the value. The types of the function are the kinds of its argument and result: a value of another
// kind, null included, is a [*TypeError], unless it takes a [Value].
func (e Expr) Apply[A, B Scalar](f func(A) B) Expr {
	x := &applied[A, B]{of: e.node, take: reader[A](), give: writer[B]()}
	if f != nil {
		x.f = func(_ context.Context, a A) (B, error) { return f(a), nil }
	}
	return Expr{x}
}

// TryApply is Apply with a function that can fail.
func (e Expr) TryApply[A, B Scalar](f func(context.Context, A) (B, error)) Expr {
	return Expr{&applied[A, B]{of: e.node, f: f, take: reader[A](), give: writer[B]()}}
}

var errNoFunction = errors.New("the function is nil")

type applied[A, B Scalar] struct {
	of   node
	f    func(context.Context, A) (B, error)
	take func(Value) (A, error)
	give func(B) Value
}

func (x *applied[A, B]) write(dst []byte, _ bool) []byte { return postfix(dst, x.of, "apply") }

func (x *applied[A, B]) eval(ctx context.Context, r Row) (Value, error) {
	v, err := x.of.eval(ctx, r)
	if err != nil {
		return Value{}, err
	}
	if x.f == nil {
		return Value{}, at(x, errNoFunction)
	}
	a, err := x.take(v)
	if err != nil {
		return Value{}, at(x, err)
	}
	b, err := x.f(ctx, a)
	if err != nil {
		return Value{}, fmt.Errorf("%s: %w", textOf(x), err)
	}
	return x.give(b), nil
}
