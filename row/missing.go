package row

import (
	"context"
	"errors"
)

// IsNull says whether a value is null. A missing column is an error, as everywhere; see [Contains] and Fill.
func (e Expr) IsNull() Expr { return Expr{&nullness{e.node, true}} }

// NotNull says whether a value is not null.
func (e Expr) NotNull() Expr { return Expr{&nullness{e.node, false}} }

// Fill is the value, or another in place of null and of a column or nested value that is missing.
func (e Expr) Fill[T Operand](v T) Expr { return Expr{&filled{e.node, operand(v)}} }

type nullness struct {
	of   node
	want bool
}

func (x *nullness) write(dst []byte, _ bool) []byte {
	if x.want {
		return postfix(dst, x.of, "isNull")
	}
	return postfix(dst, x.of, "notNull")
}

func (x *nullness) eval(ctx context.Context, r Row) (Value, error) {
	v, err := x.of.eval(ctx, r)
	return Bool(v.IsNull() == x.want), err
}

type filled struct{ of, with node }

func (x *filled) write(dst []byte, _ bool) []byte { return postfix(dst, x.of, "fill", x.with) }

func (x *filled) eval(ctx context.Context, r Row) (Value, error) {
	var v Value
	if c, ok := x.of.(column); ok { // without making an error
		v, _ = r.Lookup(string(c))
	} else {
		var err error
		if v, err = x.of.eval(ctx, r); err != nil && !isMissing(err) {
			return Value{}, err
		}
	}
	if !v.IsNull() {
		return v, nil
	}
	return x.with.eval(ctx, r)
}

func isMissing(err error) bool {
	var column *ColumnError
	var element *ElementError
	return errors.As(err, &column) || errors.As(err, &element)
}
