package postgres_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/join/internal/lookuptest"
	"github.com/weirstreams/weir/join/postgres"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// databaseURL is the database of the example.
var databaseURL string

// Payments are joined with the accounts that a database has. It prints:
//
//	ann pays 7 of 100
//	bob pays 2 without a limit
func Example() {
	type Payment struct{ Account, Amount int64 }
	type Account struct {
		Owner string `db:"owner"`
		Limit *int64 `db:"credit_limit"` // NULL is nil
	}

	ctx := context.Background()
	db, err := postgres.Open(ctx, databaseURL, postgres.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	accounts, err := postgres.First[int64, Account](ctx, db, postgres.Table{Name: "accounts", On: "id"})
	if err != nil {
		fmt.Println(err)
		return
	}

	payments := stream.NewTopic("payments", codec.String(), codec.JSON[Payment]())
	checked := stream.NewTopic("checked", codec.String(), codec.String())
	t := stream.NewTopology()
	t.From(payments).JoinLookup(join.Cached(accounts, join.CacheConfig{Size: 100_000, TTL: 5 * time.Minute}),
		func(p Payment) int64 { return p.Account },
		func(p Payment, a Account) string {
			if a.Limit == nil {
				return fmt.Sprintf("%s pays %d without a limit", a.Owner, p.Amount)
			}
			return fmt.Sprintf("%s pays %d of %d", a.Owner, p.Amount, *a.Limit)
		},
	).To(checked)

	err = testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(payments).Send("shop", Payment{Account: 1, Amount: 7}, time.Unix(0, 0))
		d.Input(payments).Send("shop", Payment{Account: 2, Amount: 2}, time.Unix(1, 0))
		d.Input(payments).Send("shop", Payment{Account: 3, Amount: 9}, time.Unix(2, 0)) // nobody's
		for _, v := range d.Output(checked).Values() {
			fmt.Println(v)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
}

// An Output comment cannot be left out where there is no server.
func TestTheExample(t *testing.T) {
	databaseURL = prepare(t)
	alter(t, databaseURL, `
		CREATE TABLE accounts (id bigint PRIMARY KEY, owner text NOT NULL, credit_limit bigint);
		INSERT INTO accounts VALUES (1, 'ann', 100), (2, 'bob', NULL)`)
	stdout := os.Stdout
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout = write
	defer func() { os.Stdout = stdout }()
	Example()
	write.Close()
	if diff := cmp.Diff("ann pays 7 of 100\nbob pays 2 without a limit\n", string(lookuptest.Must(io.ReadAll(read)))); diff != "" {
		t.Error(diff)
	}
}
