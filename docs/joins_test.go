package docs

import (
	"context"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

func topic(name string) stream.Topic[string, string] {
	return stream.NewTopic(name, codec.String(), codec.String())
}

// results is where the joins of this page send their results to.
var results = topic("results")

func orNone(s *string) string {
	if s == nil {
		return "none"
	}
	return *s
}

// What the joins do is in the examples of package stream.
func Example_joins() {
	t := stream.NewTopology()
	trades, quotes := t.From(topic("trades")), t.From(topic("quotes"))

	trades.JoinAsOf(quotes, join.AsOf{}.Grace(time.Hour), func(trade, quote string) string {
		return trade + " at " + quote
	}).To(results)

	trades.JoinInterval(quotes, join.Within(2*time.Second, time.Second), func(trade, quote string) string {
		return trade + " around " + quote
	}).To(results)
}

func Example_leftJoins() {
	t := stream.NewTopology()
	trades, quotes := t.From(topic("trades")), t.From(topic("quotes"))

	d := join.AsOf{}.Grace(time.Hour).Tolerance(2 * time.Second)
	trades.LeftJoinAsOf(quotes, d, func(trade string, quote *string) string {
		return trade + " at " + orNone(quote)
	}).To(results)
}

func Example_asOfWait() {
	t := stream.NewTopology()
	trades, quotes := t.From(topic("trades")), t.From(topic("quotes"))

	d := join.AsOf{}.Wait(30*time.Second).MaxPerKey(1000, join.SettleOldest)
	trades.LeftJoinAsOf(quotes, d, func(trade string, quote *string) string {
		return trade + " at " + orNone(quote)
	}).To(results)
}

func Example_codecsOfJoins() {
	t := stream.NewTopology()
	trades, quotes := t.From(topic("trades")), t.From(topic("quotes"))

	d := join.AsOf{}.Grace(time.Hour).RightCodec(codec.UTF8()).LeftCodec(codec.UTF8())
	trades.JoinAsOf(quotes, d, func(trade, quote string) string { return trade + " at " + quote }).To(results)
}

func Example_outerJoins() {
	t := stream.NewTopology()
	trades, quotes := t.From(topic("trades")), t.From(topic("quotes"))

	d := join.Within(time.Second, time.Second).Grace(10 * time.Second).UnmatchedWhenFinal()
	trades.OuterJoinInterval(quotes, d, func(trade, quote *string) string {
		return orNone(trade) + " and " + orNone(quote)
	}).To(results)
}

type user struct {
	Active bool
	City   string
}

func Example_tablesOfTables() {
	t := stream.NewTopology()
	users := stream.NewTopic("users", codec.String(), codec.JSON[user]())

	perCity := t.Table(users).
		Filter(func(_ string, u user) bool { return u.Active }).
		GroupBy("city", func(_ string, u user) string { return u.City }).
		Aggregate("per_city", window.Count[user]())

	perCity.To(stream.NewTopic("users-per-city", codec.String(), codec.Int64()))
}

func Example_tables() {
	pages, users, cities := topic("pages"), topic("users"), topic("cities")
	t := stream.NewTopology()

	t.From(pages).JoinTable(t.Table(users), func(page, user string) string { return user + " opens " + page }).To(results)

	t = stream.NewTopology()
	t.Table(users).LeftJoin(t.Table(cities), func(user string, city *string) string {
		if city == nil {
			return user
		}
		return user + " in " + *city
	}).To(results)
}

type Purchase struct{ Customer, Product string }

func Example_globalTables() {
	purchases, products := stream.NewTopic("purchases", codec.String(), codec.JSON[Purchase]()), topic("products")
	t := stream.NewTopology()

	catalogue := t.GlobalTable(products)
	t.From(purchases).JoinGlobal(catalogue, func(p Purchase) string { return p.Product }, func(p Purchase, product string) string {
		return p.Customer + " buys " + product
	}).To(results)

	t = stream.NewTopology()
	catalogue = t.GlobalTable(products)
	t.From(purchases).LeftJoinGlobalRecord(catalogue, func(_ context.Context, p weir.Record[string, Purchase]) (string, error) {
		if p.Value.Product == "" {
			return "", stream.ErrNoKey
		}
		return p.Value.Product, nil
	}, func(_ context.Context, p weir.Record[string, Purchase], product *string) (string, error) {
		return p.Value.Customer + " buys " + orNone(product), nil
	}).To(results)
}

func Example_mergedRows() {
	t := stream.NewTopology()
	trades := t.From(stream.NewTopic("trades", codec.String(), row.JSON()))
	quotes := t.From(stream.NewTopic("quotes", codec.String(), row.JSON()))
	merged := stream.NewTopic("merged", codec.String(), row.JSON())
	distinct := stream.NewTopic("distinct", codec.String(), row.JSON())

	trades.LeftJoinAsOf(quotes, join.AsOf{}.Grace(time.Hour), row.MergeKeepLeft).To(merged)
	trades.JoinAsOfRecord(quotes, join.AsOf{}.Grace(time.Hour).Name("distinct"), mergeDistinct).To(distinct)
}

func mergeDistinct(_ context.Context, trade weir.Record[string, row.Row], quote join.Matched[row.Row]) (row.Row, error) {
	return row.MergeDistinct(trade.Value, quote.Value)
}

type Order struct{ ID int64 }

func Example_codecs() {
	orders := stream.NewTopic("orders", codec.String(), codec.JSON[Order]())

	_ = orders
}

type (
	Payment struct {
		Account int64
		Owner   string
	}
	Account struct{ Owner string }
)

func Example_lookups() {
	payments := stream.NewTopic("payments", codec.String(), codec.JSON[Payment]())
	completed := stream.NewTopic("completed", codec.String(), codec.JSON[Payment]())
	load := func(context.Context, []int64) (map[int64]*Account, error) { return nil, nil }
	t := stream.NewTopology()

	accounts := join.LookupFunc[int64, Account](func(ctx context.Context, ids []int64, found []*Account) error {
		rows, err := load(ctx, ids)
		if err != nil {
			return &weir.RetryLaterError{Err: err}
		}
		for i, id := range ids {
			found[i] = rows[id]
		}
		return nil
	})
	cached := join.Cached(accounts, join.CacheConfig{Size: 100_000, TTL: 5 * time.Minute})
	t.From(payments).JoinLookup(cached, func(p Payment) int64 { return p.Account }, func(p Payment, a Account) Payment {
		p.Owner = a.Owner
		return p
	}).To(completed)

	hurried := join.Limit(cached, join.Limits{Timeout: 2 * time.Second, Tries: 5, MaxOutage: 10 * time.Minute})

	_ = hurried

	configs := join.Buffered(cached, 30*time.Second).MaxPerKey(1000, join.SettleOldest)
	t.From(payments).LeftJoinLookup(configs, func(p Payment) int64 { return p.Account }, func(p Payment, a *Account) Payment {
		if a != nil {
			p.Owner = a.Owner
		}
		return p
	}).To(completed)
}

type (
	account struct{ Owed, Paid int }
	bill    struct{ Amount int }
)

func Example_cogroup() {
	t := stream.NewTopology()
	orders := stream.NewTopic("orders", codec.String(), codec.JSON[bill]())
	payments := stream.NewTopic("payments", codec.String(), codec.JSON[bill]())

	accounts := stream.Cogroup("accounts",
		stream.Fold(t.From(orders), func(a account, o bill) account { a.Owed += o.Amount; return a }),
		stream.Fold(t.From(payments), func(a account, p bill) account { a.Paid += p.Amount; return a }),
	)

	accounts.To(stream.NewTopic("accounts", codec.String(), codec.JSON[account]()))
}

func Example_versionedTables() {
	t := stream.NewTopology()
	sales := t.From(stream.NewTopic("sales", codec.String(), codec.Float64()))
	rateChanges := stream.NewTopic("rates", codec.String(), codec.Float64())
	inEuros := stream.NewTopic("sales-in-euros", codec.String(), codec.Float64())

	rates := store.NewVersioned[float64]("rates", 7*24*time.Hour)
	sales.JoinTable(stream.VersionedTableOf(t.From(rateChanges), rates), func(amount, rate float64) float64 { return amount * rate }).To(inEuros)
}
