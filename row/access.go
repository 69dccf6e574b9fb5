package row

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Key is a column of a nested row. A missing one is an [*ElementError].
func (e Expr) Key(name string) Expr { return Expr{&key{e.node, name}} }

// Index is an item of a list; -1 is the last one. A missing one is an [*ElementError].
func (e Expr) Index(i int) Expr { return Expr{&index{e.node, i}} }

// Contains says whether a list contains an item, a string another, or a nested row a column. A row contains no number, boolean
// or null.
func (e Expr) Contains[T Operand](v T) Expr { return Expr{&containing{e.node, operand(v)}} }

// In says whether the value equals one of some constants. For those of another column: Col("list").Contains(e).
func (e Expr) In[T Constant](values ...T) Expr {
	x := &membership{of: e.node, strings: map[string]bool{}, ints: map[int64]bool{}}
	for _, v := range values {
		item := Of(v)
		x.items = append(x.items, item)
		switch item.kind {
		case KindString:
			x.strings[item.text()] = true
		case KindInt:
			x.ints[item.int()] = true
		default:
			x.others = append(x.others, item)
		}
	}
	return Expr{x}
}

type key struct {
	of   node
	name string
}

func (x *key) write(dst []byte, _ bool) []byte {
	return append(strconv.AppendQuote(append(x.of.write(dst, true), '['), x.name), ']')
}

func (x *key) eval(ctx context.Context, r Row) (Value, error) {
	v, err := x.of.eval(ctx, r)
	if err != nil {
		return Value{}, err
	}
	if v.kind != KindRow {
		return Value{}, misused(x, v)
	}
	nested := v.row()
	item, ok := nested.Lookup(x.name)
	if !ok {
		return Value{}, &ElementError{textOf(x), "it is missing; the row has " + strings.Join(nested.Columns(), ", ")}
	}
	return item, nil
}

type index struct {
	of node
	i  int
}

func (x *index) write(dst []byte, _ bool) []byte {
	return append(strconv.AppendInt(append(x.of.write(dst, true), '['), int64(x.i), 10), ']')
}

func (x *index) eval(ctx context.Context, r Row) (Value, error) {
	v, err := x.of.eval(ctx, r)
	if err != nil {
		return Value{}, err
	}
	if v.kind != KindList {
		return Value{}, misused(x, v)
	}
	list := v.list()
	i := x.i
	if i < 0 {
		i += len(list)
	}
	if i < 0 || i >= len(list) {
		return Value{}, &ElementError{textOf(x), fmt.Sprintf("it is missing; the list has %d", len(list))}
	}
	return list[i], nil
}

type containing struct{ of, item node }

func (x *containing) write(dst []byte, _ bool) []byte { return postfix(dst, x.of, "contains", x.item) }

func (x *containing) eval(ctx context.Context, r Row) (Value, error) {
	v, err := x.of.eval(ctx, r)
	if err != nil {
		return Value{}, err
	}
	item, err := x.item.eval(ctx, r)
	if err != nil {
		return Value{}, err
	}
	switch {
	case v.kind == KindList:
		for _, w := range v.list() {
			if w.Equal(item) {
				return Bool(true), nil
			}
		}
		return Bool(false), nil
	case v.kind == KindString && item.kind == KindString:
		return Bool(strings.Contains(v.text(), item.text())), nil
	case v.kind == KindRow && item.kind == KindString:
		return Bool(find(v.row().fields, item.text()) >= 0), nil
	case v.kind == KindRow && item.kind != KindList && item.kind != KindRow:
		return Bool(false), nil // columns have names, which are strings
	}
	return Value{}, misused(x, v, item)
}

type membership struct {
	of      node
	items   []Value
	strings map[string]bool
	ints    map[int64]bool
	others  []Value
}

func (x *membership) write(dst []byte, _ bool) []byte {
	args := make([]node, len(x.items))
	for i, v := range x.items {
		args[i] = constant(v)
	}
	return postfix(dst, x.of, "in", args...)
}

func (x *membership) eval(ctx context.Context, r Row) (Value, error) {
	v, err := x.of.eval(ctx, r)
	if err != nil {
		return Value{}, err
	}
	switch v.kind {
	case KindString:
		return Bool(x.strings[v.text()]), nil
	case KindInt:
		if x.ints[v.int()] {
			return Bool(true), nil
		}
	case KindFloat:
		if f := v.float(); f == float64(int64(f)) && compareIntFloat(int64(f), f) == 0 && x.ints[int64(f)] {
			return Bool(true), nil
		}
	}
	for _, item := range x.others {
		if item.Equal(v) {
			return Bool(true), nil
		}
	}
	return Bool(false), nil
}
