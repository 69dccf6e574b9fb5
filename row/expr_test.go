package row_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/weirstreams/weir/row"
)

var col = row.Col

// sample has a column of each kind.
const sample = `{"i":7,"j":-7,"z":0,"f":2.5,"s":"abc","e":"","t":true,"n":null,"l":[1,"x",null,2.0],"el":[],
	"r":{"a":{"b":[10,20]},"n":null},"big":18446744073709551615,"max":9223372036854775807,"min":-9223372036854775808}`

func TestExpressions(t *testing.T) {
	r := parse(t, sample)
	for _, c := range []struct {
		e    row.Expr
		want string
	}{
		// Arithmetic: integers stay integers, a float makes floats.
		{col("i").Add(1), `8`},
		{col("i").Add(1.0), `8.0`},
		{col("i").Sub(col("f")), `4.5`},
		{col("i").Mul(col("i")), `49`},
		{col("i").Mul(-1), `-7`},
		{row.Lit("ab").Mul(3), `"ababab"`},
		{row.Lit(2).Mul(row.List(row.Int(1))), `[1,1]`},
		{row.Lit("ab").Mul(-1), `""`},
		{row.Lit(-8).Mod(0.5), `0.0`},
		{row.Lit(8).Mod(-0.5), `-0.0`},
		{row.Lit(row.List(row.Int(1), row.Int(2))).Lt(row.List(row.Int(1), row.Int(3))), `true`},
		{row.Lit(row.List(row.Int(1), row.Int(2))).Le(row.List(row.Int(1))), `false`},
		{row.Lit(1).Is(1), `true`},
		{row.Lit(1).Is(1.0), `false`},
		{row.Lit(1).IsNot(1.0), `true`},
		{col("n").Is(row.Null()), `true`},
		{col("n").IsNot(col("n")), `false`},
		{row.Lit(row.List(row.Int(1))).Is(row.List(row.Float(1))), `false`},
		{row.Lit(row.New(row.F("a", 1))).Is(row.New(row.F("a", 1))), `true`},
		{col("i").Div(2), `3.5`},
		{col("i").Div(7), `1.0`},
		{col("i").Mod(4), `3`},
		{col("j").Mod(4), `1`},
		{col("i").Mod(-4), `-1`},
		{col("j").Mod(-4), `-3`},
		{col("f").Mod(-2), `-1.5`},
		{col("min").Mod(-1), `0`},
		{row.Lit(1).Sub(col("i")), `-6`}, // reflected, which the original cannot say (D-D8)
		{row.Lit(1).Div(col("f")), `0.4`},
		{col("s").Add("d"), `"abcd"`},
		{col("l").Add(col("l").Index(0).Apply(func(v row.Value) []row.Value { return []row.Value{v} })), `[1,"x",null,2.0,1]`},
		{col("big").Add(0), `1.8446744073709552e+19`},
		{col("max").Sub(1).Add(1), `9223372036854775807`},
		{col("j").Abs(), `7`},
		{col("i").Abs(), `7`},
		{col("f").Mul(-1).Abs(), `2.5`},
		{col("big").Abs(), `18446744073709551615`},
		{col("i").Add(1).Mul(2).Sub(col("i").Add(1)), `8`},

		// Comparison.
		{col("i").Eq(7), `true`},
		{col("i").Eq(7.0), `true`},
		{col("i").Ne(7), `false`},
		{col("i").Eq("7"), `false`},
		{col("t").Eq(1), `false`},
		{col("n").Eq(row.Null()), `true`},
		{col("n").Eq(0), `false`},
		{col("n").Ne(0), `true`},
		{col("l").Eq(row.List(row.Float(1), row.String("x"), row.Null(), row.Int(2))), `true`},
		{col("r").Key("a").Eq(row.New(row.F("b", row.List(row.Int(10), row.Int(20))))), `true`},
		{col("i").Gt(6), `true`},
		{col("i").Gt(7), `false`},
		{col("i").Ge(7), `true`},
		{col("i").Lt(7.5), `true`},
		{col("i").Le(col("j")), `false`},
		{col("f").Gt(2), `true`},
		{col("s").Lt("abd"), `true`},
		{col("s").Ge(col("e")), `true`},
		{col("max").Lt(float64(math.MaxInt64)), `true`}, // which is one more
		{col("max").Eq(float64(math.MaxInt64)), `false`},
		{col("min").Eq(float64(math.MinInt64)), `true`},
		{col("big").Gt(col("max")), `true`},
		{col("big").Eq(uint64(math.MaxUint64)), `true`},
		{row.Lit(math.NaN()).Eq(math.NaN()), `false`},
		{row.Lit(math.NaN()).Ne(math.NaN()), `true`},
		{row.Lit(math.NaN()).Le(1), `false`},
		{row.Lit(math.NaN()).Gt(1.5), `false`},
		{col("i").Lt(math.Inf(1)), `true`},

		// Logic gives booleans, and looks at the right side only if it decides.
		{col("t").And(col("i").Gt(0)), `true`},
		{col("t").And(false), `false`},
		{col("t").Or(col("missing")), `true`},
		{col("t").Not().And(col("missing")), `false`},
		{col("t").Not().Or(col("i").Eq(7)), `true`},
		{col("t").Not(), `false`},
		{col("i").Truthy(), `true`},
		{col("z").Truthy(), `false`},
		{col("e").Truthy(), `false`},
		{col("el").Truthy(), `false`},
		{col("n").Truthy(), `false`},
		{col("r").Truthy(), `true`},
		{row.Lit(0.0).Truthy(), `false`},

		// Membership and access.
		{col("i").In(1, 7), `true`},
		{col("i").In(7.0), `true`},
		{col("f").In(1, 2), `false`},
		{row.Lit(7.0).In(1, 7), `true`},
		{col("s").In("x", "abc"), `true`},
		{col("s").In[string](), `false`},
		{col("n").In(row.Int(1), row.Null()), `true`},
		{col("i").In(row.String("7"), row.Bool(true)), `false`},
		{col("l").Contains(2), `true`},
		{col("l").Contains(row.Null()), `true`},
		{col("l").Contains(col("s")), `false`},
		{col("s").Contains("bc"), `true`},
		{col("r").Contains("a"), `true`},
		{col("r").Contains("b"), `false`},
		{col("r").Key("a").Key("b").Index(1), `20`},
		{col("l").Index(-1), `2.0`},
		{row.Contains("i", "n"), `true`},
		{row.Contains("i", "missing"), `false`},
		{row.Contains(), `true`},

		// Missing data.
		{col("n").IsNull(), `true`},
		{col("n").NotNull(), `false`},
		{col("z").IsNull(), `false`},
		{col("missing").Fill(5), `5`},
		{col("n").Fill(5).Add(1), `6`},
		{col("z").Fill(5), `0`},
		{col("missing").Fill(col("i")), `7`},
		{col("i").Fill(col("missing")), `7`},
		{col("r").Key("x").Key("y").Fill("d"), `"d"`},
		{col("l").Index(9).Fill(row.Null()), `null`},
		{col("missing").Add(1).Fill(0), `0`},

		// Functions.
		{col("i").Apply(func(n int) int { return n * n }), `49`},
		{col("i").Apply(func(n float64) string { return strings.Repeat("x", int(n)) }), `"xxxxxxx"`},
		{col("s").Apply(strings.ToUpper), `"ABC"`},
		{col("r").Apply(func(r row.Row) int { return r.Len() }), `2`},
		{col("l").Apply(func(l []row.Value) int64 { return int64(len(l)) }), `4`},
		{col("n").Apply(func(v row.Value) bool { return v.IsNull() }), `true`},
	} {
		t.Run(c.e.String(), func(t *testing.T) {
			v, err := c.e.Eval(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if got := v.String(); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	if r.String() != parse(t, sample).String() {
		t.Error("the row was changed")
	}
}

var errOwn = errors.New("own")

func TestErrorsOfExpressions(t *testing.T) {
	r := parse(t, sample)
	for _, c := range []struct {
		e    row.Expr
		want string
	}{
		{col("i").Add("x"), `i + "x": not defined for integer and string`},
		{col("n").Add(1), `n + 1: not defined for null and integer`},
		{col("t").Add(true), `t + true: not defined for bool and bool`},
		{col("s").Sub("a"), `s - "a": not defined for string and string`},
		{col("i").Add(1.5).Mul(col("s")), `(i + 1.5) * s: not defined for float and string`},
		{col("s").Mul(1 << 24), `s * 16777216: the result has more than 16,777,216 bytes or items`},
		{col("l").Lt(1), `l < 1: not defined for list and integer`},
		{col("i").Div(0), `i / 0: division by zero`},
		{col("f").Mod(0.0), `f % 0.0: division by zero`},
		{col("i").Mod(0), `i % 0: division by zero`},
		{col("max").Add(1), `max + 1: the integer does not fit 64 bits`},
		{col("min").Sub(1), `min - 1: the integer does not fit 64 bits`},
		{col("min").Mul(-1), `min * -1: the integer does not fit 64 bits`},
		{row.Lit(-1).Mul(col("min")), `-1 * min: the integer does not fit 64 bits`},
		{col("max").Mul(2), `max * 2: the integer does not fit 64 bits`},
		{col("min").Abs(), `min.abs(): the integer does not fit 64 bits`},
		{col("s").Abs(), `s.abs(): not defined for string`},
		{col("n").Lt(1), `n < 1: not defined for null and integer`},
		{col("i").Ge("x"), `i >= "x": not defined for integer and string`},
		{col("t").Gt(false), `t > false: not defined for bool and bool`},
		{col("i").And(true), `i and true: not defined for integer`},
		{col("t").And(col("n")), `t and n: not defined for bool and null`},
		{col("n").Not(), `not n: not defined for null`},
		{col("i").Contains(1), `i.contains(1): not defined for integer and integer`},
		{col("s").Contains(1), `s.contains(1): not defined for string and integer`},
		{col("i").Key("x"), `i["x"]: not defined for integer`},
		{col("r").Index(0), `r[0]: not defined for row`},
		{col("r").Key("x"), `r["x"]: it is missing; the row has a, n`},
		{col("l").Index(4), `l[4]: it is missing; the list has 4`},
		{col("l").Index(-5), `l[-5]: it is missing; the list has 4`},
		{col("s").Apply(func(n int) int { return n }), `s.apply(): string is not int`},
		{col("n").Apply(strings.ToUpper), `n.apply(): null is not string`},
		{col("f").Apply(func(n int64) int64 { return n }), `f.apply(): float is not int64`},
		{col("s").Apply[string, string](nil), `s.apply(): the function is nil`},
		{col("n").Add(1).Fill(0), `n + 1: not defined for null and integer`}, // wrong is not missing
		{col("t").And(col("missing")), `column "missing" is missing; the row has i, j, z, f, s, e, t, n, l, el, r, big, max, min`},
	} {
		v, err := c.e.Eval(t.Context(), r)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, %v, want %s", c.e, v, err, c.want)
		}
	}
	for what, c := range map[string]struct {
		e  row.Expr
		is func(error) bool
	}{
		"a missing column":  {col("x"), func(err error) bool { var e *row.ColumnError; return errors.As(err, &e) && e.Column == "x" }},
		"a missing element": {col("r").Key("x"), func(err error) bool { var e *row.ElementError; return errors.As(err, &e) }},
		"wrong operands": {col("s").Sub(1), func(err error) bool {
			var e *row.OperandError
			return errors.As(err, &e) && e.Kinds[0] == row.KindString
		}},
		"a wrong type":     {col("s").Apply(func(b bool) bool { return b }), func(err error) bool { var e *row.TypeError; return errors.As(err, &e) }},
		"division by zero": {col("i").Div(0), func(err error) bool { return errors.Is(err, row.ErrDivisionByZero) }},
		"overflow":         {col("max").Add(1), func(err error) bool { return errors.Is(err, row.ErrOverflow) }},
		"a function's own": {col("s").TryApply(func(context.Context, string) (int, error) { return 0, errOwn }), func(err error) bool { return errors.Is(err, errOwn) }},
	} {
		if _, err := c.e.Eval(t.Context(), r); !c.is(err) {
			t.Errorf("%s: %T %v", what, err, err)
		}
	}
}

// D-33: a column that is missing names itself; a record without columns says so.
func TestD33MissingColumnsAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1}`: `column "b" is missing; the row has a`,
		`{}`:      `column "b" is missing; the row has no columns`,
		`null`:    `column "b" is missing: the value is null, not a row`,
	} {
		if _, err := col("b").IsNull().Eval(t.Context(), parse(t, text)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// EX-8, series logic: operands by OrElse and AndThen, which are lazy; booleans by Or and And.
func TestEX8SeriesLogic(t *testing.T) {
	for _, c := range []struct {
		e         row.Expr
		in, want  string
		wantError string
	}{
		{col("x").OrElse(col("y")), `{"x":0,"y":5}`, `5`, ""},
		{col("x").OrElse(col("y")), `{"x":3}`, `3`, ""},
		{col("x").AndThen(col("y")), `{"x":0}`, `0`, ""},
		{col("x").AndThen(col("y")), `{"x":3}`, "", `column "y" is missing; the row has x`},
		{col("x").Truthy().Or(col("y").Truthy()), `{"x":0,"y":5}`, `true`, ""},
		{col("x").Truthy().And(col("y").Truthy()), `{"x":0}`, `false`, ""},
	} {
		v, err := c.e.Eval(t.Context(), parse(t, c.in))
		if c.wantError != "" {
			if err == nil || err.Error() != c.wantError {
				t.Errorf("%s of %s: %v, want %s", c.e, c.in, err, c.wantError)
			}
		} else if err != nil || v.String() != c.want {
			t.Errorf("%s of %s: %v, %v, want %s", c.e, c.in, v, err, c.want)
		}
	}
}

func TestExpressionsAsText(t *testing.T) {
	for want, e := range map[string]row.Expr{
		`(x + 1) > y`:                      col("x").Add(1).Gt(col("y")),
		`not (a and (b or c))`:             col("a").And(col("b").Or(col("c"))).Not(),
		`x["a"][0].fill("none") != null`:   col("x").Key("a").Index(0).Fill("none").Ne(row.Null()),
		`x.in(1, 2) and contains("a")`:     col("x").In(1, 2).And(row.Contains("a")),
		`(a - b).abs().isNull()`:           col("a").Sub(col("b")).Abs().IsNull(),
		`a.orElse(b).andThen(c).notNull()`: col("a").OrElse(col("b")).AndThen(col("c")).NotNull(),
	} {
		if got := e.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

type celsius float64

func TestConstantsOfAllTypes(t *testing.T) {
	for want, v := range map[string]row.Value{
		`-8`: row.Of(int8(-8)), `16`: row.Of(uint16(16)), `9`: row.Of(uint64(9)), `1.5`: row.Of(celsius(1.5)), `"x"`: row.Of(namedText("x")),
		`true`: row.Of(true), `null`: row.Of(row.Row{}), `{}`: row.Of(row.New()), `18446744073709551615`: row.Of(uint64(math.MaxUint64)),
		`2.5`: row.Of(float32(2.5)), `false`: row.Of(namedBool(false)), `3`: row.Of(row.Int(3)),
	} {
		if got := v.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

type (
	namedText string
	namedBool bool
)
