package row_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/row"
)

// The recordings in testdata are outputs of the original on the same inputs. Every difference that is meant has a name, and the
// tests count them: docs/differences-from-quix.md has their reasons.

// golden calls f with each line of a recording.
func golden[T any](t *testing.T, file string, f func(T)) {
	t.Helper()
	data, err := os.Open("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	lines := bufio.NewScanner(data)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v T
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		f(v)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

func value(t *testing.T, text string) row.Value {
	t.Helper()
	var v row.Value
	if err := v.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

type jsonCase struct {
	ID    int
	Bytes string
	Out   *string
}

func TestJSONIsWrittenAsTheOriginalWritesIt(t *testing.T) {
	differences := map[string]int{}
	golden(t, "codecs.jsonl", func(c jsonCase) {
		data, err := hex.DecodeString(c.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		var v row.Value
		err = v.UnmarshalJSON(data)
		if c.Out == nil || err != nil {
			if (err != nil) != (c.Out == nil) {
				t.Errorf("%d: %.100q: got %v, %v", c.ID, data, v, err)
			}
			return
		}
		got, err := v.MarshalJSON()
		want, _ := hex.DecodeString(*c.Out)
		switch {
		case err != nil:
			t.Errorf("%d: %.100q: %v", c.ID, data, err)
		case bytes.Equal(want, got):
		case holdsBigInteger(data) && bytes.Equal(bytes.TrimSpace(data), got):
			differences["big integers keep their digits"]++
		default:
			t.Errorf("%d: %.100q: want %.100q, got %.100q", c.ID, data, want, got)
		}
	})
	if diff := cmp.Diff(map[string]int{"big integers keep their digits": 2}, differences); diff != "" {
		t.Errorf("differences that are meant (-want +got):\n%s", diff)
	}
}

// holdsBigInteger reports whether data has an integer that does not fit 64 bits.
func holdsBigInteger(data []byte) bool {
	var v row.Value
	return v.UnmarshalJSON(data) == nil && holds(v, func(v row.Value) bool { return v.Kind() == row.KindBig })
}

// holds reports whether is is true of a value, or of one that it holds.
func holds(v row.Value, is func(row.Value) bool) bool {
	if is(v) {
		return true
	}
	if r, err := row.As[row.Row](v); err == nil {
		for _, item := range r.All() {
			if holds(item, is) {
				return true
			}
		}
	}
	if list, err := row.As[[]row.Value](v); err == nil {
		for _, item := range list {
			if holds(item, is) {
				return true
			}
		}
	}
	return false
}

type seriesCase struct {
	ID    int
	Group string
	Expr  json.RawMessage
	Row   row.Row
	Value *string
	Err   string
}

func TestExpressionsGiveTheValuesOfTheOriginal(t *testing.T) {
	differences := map[string]int{}
	golden(t, "series.jsonl", func(c seriesCase) {
		b := exprBuilder{t: t, row: c.Row}
		e := b.build(value(t, string(c.Expr)))
		got, err := e.Eval(t.Context(), c.Row)
		name := b.difference(e, c, got, err)
		if name == "" {
			return
		}
		if name == "?" {
			t.Errorf("%d %s: %s of %v: want %s %s, got %v, %v", c.ID, c.Group, e, c.Row, deref(c.Value), c.Err, got, err)
			return
		}
		differences[name]++
	})
	if diff := cmp.Diff(map[string]int{
		"an integer that does not fit 64 bits is an error": 8, "booleans are no numbers": 122, "Mod does not format text": 2,
	}, differences); diff != "" {
		t.Errorf("differences that are meant (-want +got):\n%s", diff)
	}
}

func deref(s *string) string {
	if s == nil {
		return "nothing"
	}
	return *s
}

// sameError reports whether err is the counterpart of an exception.
func sameError(exception string, err error) bool {
	var column *row.ColumnError
	var element *row.ElementError
	var operand *row.OperandError
	switch exception {
	case "":
		return err == nil
	case "ColumnDoesNotExist":
		return errors.As(err, &column)
	case "KeyError", "IndexError":
		return errors.As(err, &element) || errors.As(err, &column)
	case "ZeroDivisionError":
		return errors.Is(err, row.ErrDivisionByZero)
	case "TypeError":
		return errors.As(err, &operand)
	}
	return false
}

// exprBuilder makes an expression of a nested list.
type exprBuilder struct {
	t        *testing.T
	row      row.Row
	operands []row.Value
	op       string
	numbers  bool // whether literals are numbers in place of booleans
}

// difference names the difference between a result and that of the original: "" for none, "?" for one that is not meant.
func (b *exprBuilder) difference(e row.Expr, c seriesCase, got row.Value, err error) string {
	if c.Err != "" && err != nil && sameError(c.Err, err) {
		return ""
	}
	if c.Value != nil && err == nil && got.String() == *c.Value {
		return ""
	}
	var want row.Value
	if c.Value != nil && err == nil && want.UnmarshalJSON([]byte(*c.Value)) == nil && want.String() == got.String() {
		return ""
	}
	// NaN and infinity are no JSON; String says what they are, with a sign for the infinity.
	if f, isFloat := row.As[float64](got); c.Value != nil && err == nil && isFloat == nil && got.Kind() == row.KindFloat {
		if want, isText := strconv.ParseFloat(*c.Value, 64); isText == nil && fmt.Sprint(f) == fmt.Sprint(want) {
			return ""
		}
	}
	if !b.numbers && b.refusesBoolean(err) && b.withNumbers(c) != "?" {
		return "booleans are no numbers"
	}
	if c.Err == "" && errors.Is(err, row.ErrOverflow) {
		return "an integer that does not fit 64 bits is an error"
	}
	if c.Err == "" && err != nil && b.op == "mod" && b.operands[0].Kind() == row.KindString {
		return "Mod does not format text"
	}
	return "?"
}

// refusesBoolean reports whether err is about a boolean operand, or there is no error and one of the operands of In is a boolean, which is
// no number there.
func (b *exprBuilder) refusesBoolean(err error) bool {
	if operand, ok := errors.AsType[*row.OperandError](err); ok {
		return slices.Contains(operand.Kinds, row.KindBool)
	}
	return err == nil && b.op == "isin" && slices.ContainsFunc(b.operands, func(v row.Value) bool { return v.Kind() == row.KindBool })
}

// withNumbers is difference for the same expression with 0 and 1 for its booleans, which is how the original computes with them.
func (b *exprBuilder) withNumbers(c seriesCase) string {
	same := exprBuilder{t: b.t, row: c.Row, numbers: true}
	for name, v := range c.Row.All() {
		if v.Kind() == row.KindBool {
			same.row = same.row.With(name, asNumber(v))
		}
	}
	e := same.build(value(b.t, string(c.Expr)))
	got, err := e.Eval(b.t.Context(), same.row)
	return same.difference(e, c, got, err)
}

func asNumber(v row.Value) row.Value {
	switch b, err := row.As[bool](v); {
	case err != nil:
		return v
	case b:
		return row.Of(1)
	}
	return row.Of(0)
}

// literal returns an operand of an expression.
func (b *exprBuilder) literal(v row.Value) row.Value {
	if b.numbers {
		return asNumber(v)
	}
	return v
}

func (b *exprBuilder) build(v row.Value) row.Expr {
	list, err := row.As[[]row.Value](v)
	if err != nil || len(list) == 0 {
		b.t.Fatalf("%v is no expression", v)
	}
	op, err := row.As[string](list[0])
	if err != nil {
		b.t.Fatal(err)
	}
	switch op {
	case "col":
		name, _ := row.As[string](list[1])
		if v, ok := b.row.Lookup(name); ok {
			b.operands = append(b.operands, v)
		}
		return row.Col(name)
	case "lit":
		b.operands = append(b.operands, list[1])
		return row.Lit(b.literal(list[1]))
	case "has":
		var names []string
		items, _ := row.As[[]row.Value](list[1])
		for _, item := range items {
			name, _ := row.As[string](item)
			names = append(names, name)
		}
		return row.Contains(names...)
	}
	b.op = op
	a := b.build(list[1])
	switch op {
	case "abs":
		return a.Abs()
	case "isnull":
		return a.IsNull()
	case "notnull":
		return a.NotNull()
	case "not", "invert":
		return a.Truthy().Not()
	case "key":
		name, _ := row.As[string](list[2])
		return a.Key(name)
	case "index":
		i, _ := row.As[int](list[2])
		return a.Index(i)
	case "isin":
		items, _ := row.As[[]row.Value](list[2])
		b.operands = append(b.operands, items...)
		return a.In(items...)
	case "contains":
		if _, err := row.As[[]row.Value](list[2]); err != nil {
			return a.Contains(list[2])
		}
	}
	var second row.Expr
	if items, err := row.As[[]row.Value](list[2]); err == nil && len(items) > 0 {
		second = b.build(list[2])
	} else {
		second = row.Lit(b.literal(list[2]))
	}
	switch op {
	case "add":
		return a.Add(second)
	case "sub":
		return a.Sub(second)
	case "mul":
		return a.Mul(second)
	case "div":
		return a.Div(second)
	case "mod":
		return a.Mod(second)
	case "eq":
		return a.Eq(second)
	case "ne":
		return a.Ne(second)
	case "lt":
		return a.Lt(second)
	case "le":
		return a.Le(second)
	case "gt":
		return a.Gt(second)
	case "ge":
		return a.Ge(second)
	case "and":
		return a.AndThen(second)
	case "or":
		return a.OrElse(second)
	case "contains":
		return a.Contains(second)
	case "is":
		return a.Is(second)
	case "isnot":
		return a.IsNot(second)
	}
	b.t.Fatalf("no such expression: %s", op)
	return row.Expr{}
}

type rowsCase struct {
	ID      int
	Steps   []json.RawMessage
	Row     string
	Outputs []string
	Err     string
}

// TestRowsAreChangedAsTheOriginalChangesThem runs chains of changes and filters.
func TestRowsAreChangedAsTheOriginalChangesThem(t *testing.T) {
	differences := map[string]int{}
	golden(t, "rows.jsonl", func(c rowsCase) {
		got, err := steps(t, c)
		var operand *row.OperandError
		if errors.As(err, &operand) && slices.Contains(operand.Kinds, row.KindBool) && c.Err != "TypeError" {
			differences["booleans are no numbers"]++
			return
		}
		var out []string
		if err == nil && got != nil {
			out = []string{got.String()}
		}
		var want []string
		for _, text := range c.Outputs {
			want = append(want, value(t, text).String())
		}
		if !cmp.Equal(want, out) || !sameError(c.Err, err) {
			t.Errorf("%d: %s: %s: want %v %s, got %v, %v", c.ID, c.Row, c.Steps, want, c.Err, out, err)
		}
	})
	if diff := cmp.Diff(map[string]int{"booleans are no numbers": 1}, differences); diff != "" {
		t.Errorf("differences that are meant (-want +got):\n%s", diff)
	}
}

// steps returns the row that comes of all steps, or nil if one of them filters it out.
func steps(t *testing.T, c rowsCase) (*row.Row, error) {
	r, err := row.Parse(c.Row)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range c.Steps {
		step := value(t, string(raw))
		list, _ := row.As[[]row.Value](step)
		text := func(i int) string { s, _ := row.As[string](list[i]); return s }
		names := func(i int) (out []string) {
			items, _ := row.As[[]row.Value](list[i])
			for _, item := range items {
				s, _ := row.As[string](item)
				out = append(out, s)
			}
			return out
		}
		var change row.Change
		switch op := text(0); op {
		case "select":
			change = row.Select(names(1)...)
		case "drop":
			change = row.Drop(names(1)...)
		case "dropx":
			change = row.DropExisting(names(1)...)
		case "copy":
			change = row.Assign(text(1), row.Col(text(2)))
		case "const":
			change = row.Assign(text(1), list[2])
		case "add":
			change = row.Assign(text(1), row.Col(text(2)).Add(1))
		case "null":
			change = row.Assign(text(1), row.Col(text(2)).IsNull())
		case "has":
			change = row.Assign(text(1), row.Contains(names(2)...))
		case "fill":
			var fields []row.Field
			items, _ := row.As[[]row.Value](list[1])
			for _, item := range items {
				pair, _ := row.As[[]row.Value](item)
				name, _ := row.As[string](pair[0])
				fields = append(fields, row.F(name, pair[1]))
			}
			change = row.Fill(fields...)
		case "where":
			keep, err := row.Where(row.Col(text(1)).Eq(list[2]))(context.Background(), r)
			if err != nil || !keep {
				return nil, err
			}
			continue
		default:
			t.Fatal(fmt.Errorf("no such step: %s", op))
		}
		if r, err = change(t.Context(), r); err != nil {
			return nil, err
		}
	}
	return &r, nil
}
