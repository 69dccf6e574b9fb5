package row_test

import (
	"context"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/stream"
)

func Example() {
	readings := stream.NewTopic("readings", codec.String(), row.JSON())
	hot := stream.NewTopic("hot", codec.String(), row.JSON())

	t := stream.NewTopology()
	t.From(readings).
		MapWith(row.Fill(row.F("unit", "C"))).
		FilterWith(row.Where(row.Col("temperature").Gt(30).And(row.Col("unit").Eq("C")))).
		MapWith(row.Assign("fahrenheit", row.Col("temperature").Mul(1.8).Add(32))).
		MapWith(row.Select("sensor", "fahrenheit")).
		To(hot)

	fmt.Println(t.Validate())
	// Output: <nil>
}

// show prints what a change makes of a row.
func show(change row.Change, text string) {
	r, err := row.Parse(text)
	if err == nil {
		r, err = change(context.Background(), r)
	}
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println(r)
}

// evaluate prints what an expression gives for a row.
func evaluate(e row.Expr, text string) {
	r, err := row.Parse(text)
	if err != nil {
		fmt.Println(err)
		return
	}
	v, err := e.Eval(context.Background(), r)
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println(v)
}

func ExampleSelect() {
	show(row.Select("c", "a"), `{"a": 1, "b": 2, "c": 3}`)
	show(row.Select("d"), `{"a": 1, "b": 2, "c": 3}`)
	// Output:
	// {"c":3,"a":1}
	// error: column "d" is missing; the row has a, b, c
}

func ExampleAssign() {
	show(row.Assign("total", row.Col("price").Mul(row.Col("quantity"))), `{"price": 2.5, "quantity": 4}`)
	// Output: {"price":2.5,"quantity":4,"total":10.0}
}

func ExampleDrop() {
	show(row.Drop("secret"), `{"name": "x", "secret": "y"}`)
	// Output: {"name":"x"}
}

func ExampleDropExisting() {
	show(row.DropExisting("secret", "hidden"), `{"name": "x", "secret": "y"}`)
	// Output: {"name":"x"}
}

func ExampleFill() {
	show(row.Fill(row.F("x", row.Null()), row.F("y", 0), row.F("z", "n/a")), `{"y": null, "q": 1}`)
	// Output: {"y":0,"q":1,"x":null,"z":"n/a"}
}

func ExampleRename() {
	show(row.Rename("temp", "temperature"), `{"temp": 21, "unit": "C"}`)
	// Output: {"temperature":21,"unit":"C"}
}

func ExampleSteps() {
	show(row.Steps(row.Rename("temp", "celsius"), row.Assign("hot", row.Col("celsius").Gt(30))), `{"temp": 31}`)
	// Output: {"celsius":31,"hot":true}
}

func ExampleWhere() {
	adult := row.Where(row.Col("age").Ge(18).And(row.Col("country").In("DE", "FR")))
	fmt.Println(adult(context.Background(), row.New(row.F("age", 30), row.F("country", "FR"))))
	// Output: true <nil>
}

func ExampleContains() {
	evaluate(row.Contains("a", "b"), `{"a": null, "b": 1}`)
	// Output: true
}

func ExampleColumn() {
	orders := stream.NewTopic("orders", codec.String(), row.JSON())
	t := stream.NewTopology()
	customer := row.Column[int64]("customer")
	t.From(orders).GroupByRecord("customer", func(ctx context.Context, order weir.Record[string, row.Row]) (int64, error) {
		return customer(ctx, order.Value)
	}).To(stream.NewTopic("by-customer", codec.Int64(), row.JSON()))
	fmt.Println(t.Validate())
	// Output: <nil>
}

func ExampleCompute() {
	price := row.Compute[float64](row.Col("cents").Div(100))
	fmt.Println(price(context.Background(), row.New(row.F("cents", 250))))
	// Output: 2.5 <nil>
}

func ExampleExpr() {
	e := row.Col("a").Add(1).Gt(row.Col("b"))
	fmt.Println(e)
	evaluate(e, `{"a": 2, "b": 2.5}`)
	evaluate(e, `{"a": 2, "b": "x"}`)
	// Output:
	// (a + 1) > b
	// true
	// error: (a + 1) > b: not defined for integer and string
}

func ExampleExpr_Fill() {
	evaluate(row.Col("discount").Fill(0).Add(1), `{"price": 5}`)
	evaluate(row.Col("discount").Add(1), `{"price": 5}`)
	// Output:
	// 1
	// error: column "discount" is missing; the row has price
}

func ExampleExpr_Key() {
	evaluate(row.Col("user").Key("emails").Index(0), `{"user": {"emails": ["a@example.com"]}}`)
	// Output: "a@example.com"
}

func ExampleExpr_Apply() {
	evaluate(row.Col("name").Apply(func(s string) int { return len(s) }), `{"name": "weir"}`)
	// Output: 4
}

func ExampleRow_Get() {
	r := row.New(row.F("n", 1), row.F("name", "x"))
	n, err := r.Get[int]("n")
	fmt.Println(n, err)
	_, err = r.Get[int]("name")
	fmt.Println(err)
	// Output:
	// 1 <nil>
	// column "name": string is not int
}

func ExampleValue_AppendJSON() {
	line, err := row.Float(21).AppendJSON([]byte("celsius="))
	fmt.Printf("%s %v\n", line, err)
	// Output: celsius=21.0 <nil>
}
