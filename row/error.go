package row

import (
	"errors"
	"fmt"
	"strings"
)

// Errors of arithmetic. They come wrapped, with the expression.
var (
	ErrDivisionByZero = errors.New("division by zero")
	ErrOverflow       = errors.New("the integer does not fit 64 bits")
	ErrTooLong        = errors.New("the result has more than 16,777,216 bytes or items")
)

// ColumnError says that a row does not have a column.
type ColumnError struct {
	Column string
	// Columns are those that the row has. Nil is said of a null value, which has none.
	Columns []string
	Nil     bool
}

// Error names the missing column, and those that the row has.
func (e *ColumnError) Error() string {
	switch {
	case e.Nil:
		return fmt.Sprintf("column %q is missing: the value is null, not a row", e.Column)
	case len(e.Columns) == 0:
		return fmt.Sprintf("column %q is missing; the row has no columns", e.Column)
	}
	return fmt.Sprintf("column %q is missing; the row has %s", e.Column, strings.Join(e.Columns, ", "))
}

// missing is the error for a column that the row does not have.
func (r Row) missing(column string) error {
	return &ColumnError{Column: column, Columns: r.Columns(), Nil: r.IsNil()}
}

// ElementError says that a nested row or list lacks an element.
type ElementError struct {
	// Expr is the expression, as its String says.
	Expr string
	// Problem names the missing element, and the existing ones.
	Problem string
}

// Error returns the expression and the problem.
func (e *ElementError) Error() string { return e.Expr + ": " + e.Problem }

// OperandError says that an operation is not defined for its operands.
type OperandError struct {
	// Expr is the expression, as its String says.
	Expr string
	// Kinds are those of the operands, in order.
	Kinds []Kind
}

// Error returns the expression and the kinds of its operands.
func (e *OperandError) Error() string {
	kinds := make([]string, len(e.Kinds))
	for i, k := range e.Kinds {
		kinds[i] = k.String()
	}
	return fmt.Sprintf("%s: not defined for %s", e.Expr, strings.Join(kinds, " and "))
}

// misused is the error for operands that an operation does not take.
func misused(n node, operands ...Value) error {
	e := &OperandError{Expr: textOf(n)}
	for _, v := range operands {
		e.Kinds = append(e.Kinds, v.kind)
	}
	return e
}

// at wraps an error of arithmetic.
func at(n node, err error) error { return fmt.Errorf("%s: %w", textOf(n), err) }
