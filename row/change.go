package row

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Change makes a row of another, for Stream.MapWith. It does not change its argument.
type Change func(context.Context, Row) (Row, error)

// Select keeps some columns, in the given order. A missing one is a [*ColumnError].
func Select(columns ...string) Change {
	columns = slices.Clone(columns)
	return func(_ context.Context, r Row) (Row, error) {
		fields := make([]Field, len(columns))
		for i, name := range columns {
			j := find(r.fields, name)
			if j < 0 {
				return Row{}, r.missing(name)
			}
			fields[i] = r.fields[j]
		}
		return Row{fields}, nil
	}
}

// Assign sets a column to a constant or to the value of an expression: in its place if the column exists, else at the end.
func Assign[T Operand](column string, v T) Change {
	n := operand(v)
	return func(ctx context.Context, r Row) (Row, error) {
		if r.IsNil() {
			return Row{}, r.missing(column)
		}
		v, err := n.eval(ctx, r)
		if err != nil {
			return Row{}, fmt.Errorf("assign %q: %w", column, err)
		}
		return r.with(column, v), nil
	}
}

// Drop removes columns. A missing one is a [*ColumnError].
func Drop(columns ...string) Change { return drop(columns, true) }

// DropExisting removes those of some columns that the row has.
func DropExisting(columns ...string) Change { return drop(columns, false) }

func drop(columns []string, all bool) Change {
	columns = slices.Clone(columns)
	return func(_ context.Context, r Row) (Row, error) {
		dropped := 0
		for _, name := range columns {
			if find(r.fields, name) >= 0 {
				dropped++
			} else if all {
				return Row{}, r.missing(name)
			}
		}
		if dropped == 0 {
			return r, nil
		}
		fields := make([]Field, 0, len(r.fields))
		for _, f := range r.fields {
			if !slices.Contains(columns, f.Name) {
				fields = append(fields, f)
			}
		}
		return Row{fields}, nil
	}
}

// Fill gives columns that are missing or null a value. Columns that have one are not touched; new ones go to the end, in
// the given order. A nil row stays nil.
func Fill(fields ...Field) Change {
	fields = slices.Clone(fields)
	return func(_ context.Context, r Row) (Row, error) {
		if r.IsNil() {
			return r, nil
		}
		out, own := r.fields, false
		for _, f := range fields {
			i := find(out, f.Name)
			if i >= 0 && !out[i].Value.IsNull() {
				continue
			}
			if !own {
				out, own = append(make([]Field, 0, len(out)+len(fields)), out...), true
			}
			if i < 0 {
				out = append(out, f)
			} else {
				out[i].Value = f.Value
			}
		}
		return Row{out}, nil
	}
}

// Rename gives a column another name, in its place. A column that has that name already is removed. A missing one is a
// [*ColumnError].
func Rename(from, to string) Change {
	return func(_ context.Context, r Row) (Row, error) {
		i := find(r.fields, from)
		switch {
		case i < 0:
			return Row{}, r.missing(from)
		case from == to:
			return r, nil
		}
		fields := make([]Field, 0, len(r.fields))
		for j, f := range r.fields {
			switch {
			case j == i:
				fields = append(fields, Field{to, f.Value})
			case f.Name != to:
				fields = append(fields, f)
			}
		}
		return Row{fields}, nil
	}
}

// Steps makes changes one after the other, as one operator.
func Steps(changes ...Change) Change {
	changes = slices.Clone(changes)
	return func(ctx context.Context, r Row) (Row, error) {
		for _, change := range changes {
			var err error
			if r, err = change(ctx, r); err != nil {
				return Row{}, err
			}
		}
		return r, nil
	}
}

var errNotBool = errors.New("a condition has to be true or false")

// Where makes a function for Stream.FilterWith of an expression that gives true or false. Anything else, null included, is
// an error; see Truthy.
func Where(condition Expr) func(context.Context, Row) (bool, error) {
	n := condition.node
	return func(ctx context.Context, r Row) (bool, error) {
		v, err := n.eval(ctx, r)
		if err != nil {
			return false, err
		}
		if v.kind != KindBool {
			return false, fmt.Errorf("%s is %v: %w", textOf(n), v.kind, errNotBool)
		}
		return v.bool(), nil
	}
}

// Column makes a function that returns a column as a Go value, for Stream.MapWith, or to be called in the
// function of Stream.GroupByRecord. It fails as [Row.Get] does.
func Column[T Scalar](name string) func(context.Context, Row) (T, error) {
	return Compute[T](Col(name))
}

// Compute makes a function that returns the value of an expression as a Go value, for Stream.MapWith.
// A value of another kind is a [*TypeError].
func Compute[T Scalar](e Expr) func(context.Context, Row) (T, error) {
	n, read := e.node, reader[T]()
	return func(ctx context.Context, r Row) (T, error) {
		v, err := n.eval(ctx, r)
		if err != nil {
			var none T
			return none, err
		}
		t, err := read(v)
		if err != nil {
			err = at(n, err)
		}
		return t, err
	}
}
