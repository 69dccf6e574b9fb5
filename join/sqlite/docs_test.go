package sqlite_test

import (
	"context"
	"fmt"

	"github.com/weirstreams/weir/join/sqlite"
)

type (
	Account struct {
		Owner string `db:"owner"`
	}
	Pair struct{ Of, Per string }
)

// For docs/joins.md.
func Example() {
	ctx := context.Background()

	db, err := sqlite.Open(ctx, "shop.db", sqlite.Config{})
	accounts, err := sqlite.First[int64, Account](ctx, db, sqlite.Table{Name: "accounts", On: "id"})
	rates, err := sqlite.Query[Pair, float64](db, `SELECT rate FROM rates WHERE of = ? AND per = ?`, func(p Pair) []any {
		return []any{p.Of, p.Per}
	})

	fmt.Println(accounts, rates, err)
}
