package row

import "context"

// And says whether both are true. The second is not looked at if the first is false.
func (e Expr) And[T Operand](v T) Expr { return Expr{&logic{e.node, operand(v), true}} }

// Or says whether one is true. The second is not looked at if the first is true.
func (e Expr) Or[T Operand](v T) Expr { return Expr{&logic{e.node, operand(v), false}} }

// Not is the opposite of a boolean.
func (e Expr) Not() Expr { return Expr{&not{e.node}} }

// Truthy says whether a value counts as true: everything but null, false, zero, and empty text, lists and rows.
func (e Expr) Truthy() Expr { return Expr{&truthy{e.node}} }

// OrElse is the first value if it counts as true (see [Value.Truthy]), else the second, which is only then looked at.
func (e Expr) OrElse[T Operand](v T) Expr { return Expr{&choice{e.node, operand(v), true}} }

// AndThen is the first value if it does not count as true, else the second, which is only then looked at.
func (e Expr) AndThen[T Operand](v T) Expr { return Expr{&choice{e.node, operand(v), false}} }

type logic struct {
	a, b node
	and  bool
}

func (x *logic) write(dst []byte, operand bool) []byte {
	op := "or"
	if x.and {
		op = "and"
	}
	return infix(dst, operand, x.a, op, x.b)
}

func (x *logic) eval(ctx context.Context, r Row) (Value, error) {
	a, err := x.a.eval(ctx, r)
	if err != nil {
		return Value{}, err
	}
	if a.kind != KindBool {
		return Value{}, misused(x, a)
	}
	if a.bool() != x.and {
		return a, nil
	}
	b, err := x.b.eval(ctx, r)
	if err != nil {
		return Value{}, err
	}
	if b.kind != KindBool {
		return Value{}, misused(x, a, b)
	}
	return b, nil
}

type not struct{ of node }

func (x *not) write(dst []byte, _ bool) []byte { return x.of.write(append(dst, "not "...), true) }

func (x *not) eval(ctx context.Context, r Row) (Value, error) {
	v, err := x.of.eval(ctx, r)
	if err != nil {
		return Value{}, err
	}
	if v.kind != KindBool {
		return Value{}, misused(x, v)
	}
	return Bool(!v.bool()), nil
}

type truthy struct{ of node }

func (x *truthy) write(dst []byte, _ bool) []byte { return postfix(dst, x.of, "truthy") }

func (x *truthy) eval(ctx context.Context, r Row) (Value, error) {
	v, err := x.of.eval(ctx, r)
	return Bool(v.Truthy()), err
}

type choice struct {
	a, b node
	// first is whether the first is the result when it counts as true.
	first bool
}

func (x *choice) write(dst []byte, _ bool) []byte {
	if x.first {
		return postfix(dst, x.a, "orElse", x.b)
	}
	return postfix(dst, x.a, "andThen", x.b)
}

func (x *choice) eval(ctx context.Context, r Row) (Value, error) {
	a, err := x.a.eval(ctx, r)
	if err != nil || a.Truthy() == x.first {
		return a, err
	}
	return x.b.eval(ctx, r)
}
