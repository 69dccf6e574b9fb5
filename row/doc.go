// Package row handles records with columns that are known only at run time: JSON objects without a Go type.
//
//	readings := stream.NewTopic("readings", codec.String(), row.JSON())
//
//	t.From(readings).
//		MapWith(row.Fill(row.F("unit", "C"))).
//		FilterWith(row.Where(row.Col("temperature").Gt(30).And(row.Col("unit").Eq("C")))).
//		MapWith(row.Assign("fahrenheit", row.Col("temperature").Mul(1.8).Add(32))).
//		MapWith(row.Select("sensor", "fahrenheit")).
//		To(hot)
//
// A [Row] is an ordered list of columns, each a [Value]. Both are immutable: functions return new ones, so that branches
// of a stream cannot see each other's changes. [Select], [Drop], [Fill], [Rename], [Assign] and [Column] make functions for
// Stream.MapWith, [Where] for Stream.FilterWith. They are made once, when the topology is
// declared; nothing is parsed, looked up by reflection or boxed for a record.
//
// # Expressions
//
// An [Expr] computes a value from one row. It begins with [Col], [Lit] or [Contains] and is composed by methods. Their
// operands are Go constants or further expressions. An operand of a type that no value can have does not compile.
//
// Rules:
//
//   - An integer and a float compute as floats. Integers are of 64 bits: overflow is [ErrOverflow], not a wrong number.
//     Div is true division and gives a float; Mod takes the sign of the divisor; either by zero is [ErrDivisionByZero].
//   - Add also joins two strings, or two lists; Mul repeats one of them.
//   - Eq and Ne compare any two values, numbers of all kinds by their size (1 equals 1.0). Lt, Le, Gt and Ge order two
//     numbers, strings or lists. Booleans are not numbers.
//   - And, Or and Not take booleans and give booleans. And and Or are lazy: the right operand is evaluated only if it
//     decides. Truthy turns any value into a boolean; OrElse and AndThen give an operand back.
//   - Anything else is an [OperandError] that names the expression and the kinds.
//
// # Missing data
//
// A column that the row does not have is a [ColumnError] with the column and those that there are. A null is a value: it
// can be compared with Eq, tested with IsNull and NotNull and handed on, and is an [OperandError] in arithmetic, order and
// logic. Nothing turns null silently. Expr.Fill gives a default to one expression, the function [Fill] to the columns of
// the row; both take missing and null alike.
//
// # Coming from Quix Streams
//
//	sdf["a"] + 1, sdf["a"] > sdf["b"]    Col("a").Add(1), Col("a").Gt(Col("b"))
//	1 - sdf["a"]                         Lit(1).Sub(Col("a")), which the original cannot say
//	sdf["a"] & sdf["b"], |, ~            Col("a").And(Col("b")), Or, Not; AndThen and OrElse for operands
//	sdf["a"]["b"][0]                     Col("a").Key("b").Index(0)
//	.isin([...]), .contains(x)           In(...), Contains(x)
//	.isnull(), .notnull()                IsNull(), NotNull()
//	.is_(x), .isnot(x)                   Is(x), IsNot(x)
//	.abs(), .apply(f)                    Abs(), Apply(f), TryApply(f)
//	sdf[sdf["a"] > 1]                    FilterWith(Where(Col("a").Gt(1)))
//	sdf[["a", "b"]], sdf.drop            MapWith(Select("a", "b")), Drop, DropExisting
//	sdf["c"] = ...                       MapWith(Assign("c", ...))
//	sdf.fill("a", b=0)                   MapWith(Fill(F("a", Null()), F("b", 0)))
//	sdf.contains(["a"])                  Contains("a")
package row
