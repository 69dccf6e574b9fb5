// Command purchases picks the customers for a voucher: gold members with a purchase of at least 100 with tax. It has
// no Go type for a purchase, but rows and column expressions.
//
//	go run ./examples/purchases
package main

import (
	"context"
	"io"
	"math"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/examples/internal/local"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

var (
	purchases = stream.NewTopic("purchases", codec.String(), row.JSON())
	vouchers  = stream.NewTopic("vouchers", codec.String(), row.JSON())
)

const (
	tax     = 1.19
	atLeast = 100
	nobody  = "unknown"
)

// net is the sum of the items of a purchase: a list of rows, which a function adds up.
var net = row.Col("items").Apply(func(items []row.Value) float64 {
	sum := 0.0
	for _, item := range items {
		r, err := row.As[row.Row](item)
		if err != nil {
			continue // not an item
		}
		price, _ := r.Get[float64]("price")
		quantity, err := r.Get[float64]("quantity")
		if err != nil {
			quantity = 1
		}
		sum += price * quantity
	}
	return sum
})

// cents rounds to two digits.
func cents(amount float64) float64 { return math.Round(amount*100) / 100 }

// topology declares the choice of customers.
func topology(out io.Writer) *stream.Topology {
	t := stream.NewTopology()
	t.From(purchases).
		FilterWith(row.Where(row.Col("membership").Fill("none").Eq("gold"))).
		MapWith(row.Assign("total", net.Mul(tax).Apply(cents))).
		FilterWith(row.Where(row.Col("total").Ge(atLeast))).
		MapWith(row.Steps(
			row.Fill(row.F("email", nobody)),
			row.Rename("name", "customer"),
			row.Select("customer", "email", "total"),
		)).
		PrintTable(stream.TableOptions{Title: "Vouchers", NoMetadata: true, To: out}).
		To(vouchers)
	return t
}

// bought are purchases as shops send them: some leave out columns.
var bought = []string{
	`{"name":"Ada","email":"ada@example.com","membership":"gold","items":[{"price":80,"quantity":1},{"price":12.5,"quantity":2}]}`,
	`{"name":"Bob","email":"bob@example.com","membership":"gold","items":[{"price":9.99}]}`,
	`{"name":"Cem","email":"cem@example.com","membership":"silver","items":[{"price":900}]}`,
	`{"name":"Dee","membership":"gold","items":[{"price":45,"quantity":3}]}`,
	`{"name":"Eve","items":[{"price":1000}]}`,
}

func program(ctx context.Context, out io.Writer, config runtime.Config) error {
	app, err := runtime.New(topology(out), config)
	if err != nil {
		return err
	}
	var records []weir.Record[string, row.Row]
	for _, text := range bought {
		r, err := row.Parse(text)
		if err != nil {
			return err
		}
		name, err := r.Get[string]("name")
		if err != nil {
			return err
		}
		records = append(records, weir.Record[string, row.Row]{Key: name, Value: r, Millis: time.Now().UnixMilli()})
	}
	if err := local.Feed(ctx, app, purchases, records...); err != nil {
		return err
	}
	return app.RunUntil(ctx, runtime.Until{Idle: time.Second})
}

func main() { local.Main("purchases", program) }
