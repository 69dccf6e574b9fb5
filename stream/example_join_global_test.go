package stream_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// Each purchase names a product; the products are a table that every process has as a whole.
func ExampleStream_JoinGlobal() {
	purchases := stream.NewTopic("purchases", codec.String(), codec.String())
	products := stream.NewTopic("products", codec.String(), codec.String())
	t := stream.NewTopology()
	catalogue := t.GlobalTable(products)
	t.From(purchases).JoinGlobal(catalogue,
		func(purchase string) string { return strings.Fields(purchase)[1] },
		func(purchase, product string) string { return purchase + ": " + product },
	).To(words)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(products).Send("p1", "a kettle", time.Unix(0, 0))
		d.Input(purchases).Send("Ada", "buys p1", time.Unix(1, 0))
		d.Input(purchases).Send("Alan", "buys p2", time.Unix(2, 0))
		for _, r := range d.Output(words).Read() {
			fmt.Println(r.Key, r.Value)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// Ada buys p1: a kettle
}

// A page is shown to the user whose number it is.
func ExampleTopology_GlobalTable() {
	t := stream.NewTopology()
	t.From(pages).JoinGlobal(t.GlobalTable(users), userOf, func(page, user string) string {
		return page + " of " + user
	}).To(words)

	visit(t)
	// Output: /7 of Ada
}

func ExampleStream_JoinGlobalRecord() {
	t := stream.NewTopology()
	t.From(pages).JoinGlobalRecord(t.GlobalTable(users),
		func(_ context.Context, r lineRecord) (string, error) { return userOf(r.Value), nil },
		func(_ context.Context, r lineRecord, user string) (string, error) {
			return r.Key + " sees " + user, nil
		},
	).To(words)

	visit(t)
	// Output: x sees Ada
}

func ExampleStream_LeftJoinGlobalRecord() {
	t := stream.NewTopology()
	t.From(pages).LeftJoinGlobalRecord(t.GlobalTable(users),
		func(_ context.Context, r lineRecord) (string, error) { return userOf(r.Value), nil },
		func(_ context.Context, r lineRecord, user *string) (string, error) {
			return fmt.Sprint(r.Value, " has a user: ", user != nil), nil
		},
	).To(words)

	visit(t)
	// Output:
	// /7 has a user: true
	// / has a user: false
}

// userOf returns the number of a page's user.
func userOf(page string) string { return page[1:] }

// visit prints what a topology makes of the pages of a user and of nobody.
func visit(t *stream.Topology) {
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(users).Send("7", "Ada", time.Unix(0, 0))
		d.Input(pages).Send("x", "/7", time.Unix(1, 0))
		d.Input(pages).Send("x", "/", time.Unix(2, 0))
		for _, v := range d.Output(words).Values() {
			fmt.Println(v)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
}

// A record without a row is kept.
func ExampleStream_LeftJoinGlobal() {
	t := stream.NewTopology()
	t.From(pages).LeftJoinGlobal(t.GlobalTable(users), userOf, func(page string, user *string) string {
		return page + " of " + orNothing(user)
	}).To(words)

	visit(t)
	// Output:
	// /7 of Ada
	// / of nothing
}
