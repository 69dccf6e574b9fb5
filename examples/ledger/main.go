// Command ledger books transfers between accounts into a table of PostgreSQL, exactly once: a transfer is two rows, and the sum of all
// rows is always 0. A transfer from an account without enough money makes none.
//
//	POSTGRES_URL=postgres://user@localhost/db go run ./examples/ledger
//
// A checkpoint of the pipeline and the transaction of the database commit together, in two phases: a crash at any point
// neither loses a row nor books one twice.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/examples/internal/local"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/postgres"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// Transfer is an order to move money. The key of its record is its number.
type Transfer struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Cents int64  `json:"cents"`
}

// Entry is a row of the ledger.
type Entry struct {
	Transfer string `json:"transfer"`
	Account  string `json:"account"`
	Cents    int64  `json:"cents"`
}

var (
	transfers = stream.NewTopic("transfers", codec.String(), codec.JSON[Transfer]())

	// balance is the money of an account. The accounts of this program begin with 100.00.
	balance = store.NewCell[int64]("balance")
)

const opening = 100_00

// topology brings the transfers of an account together, and decides about them in their order. In this program an account spends
// its opening balance only, and not the money that it gets.
func topology(url, schema string) *stream.Topology {
	t := stream.NewTopology()
	t.From(transfers).
		MapRecord(func(_ context.Context, r weir.Record[string, Transfer]) (numbered, error) {
			return numbered{r.Key, r.Value}, nil
		}).
		GroupBy("account", func(n numbered) string { return n.Transfer.From }).
		FlatMapState(balance, func(c *store.Cell[int64], n numbered) []Entry {
			left, known := c.Get()
			if !known {
				left = opening
			}
			if left -= n.Transfer.Cents; left < 0 {
				return nil
			}
			c.Set(left)
			return []Entry{{n.Number, n.Transfer.From, -n.Transfer.Cents}, {n.Number, n.Transfer.To, n.Transfer.Cents}}
		}).
		Sink("ledger", postgres.NewExactlyOnce(postgres.Options[string, Entry]{
			URL: secret.New(url), Schema: schema, Table: "ledger", KeyColumn: postgres.NoColumn, TimeColumn: "booked",
		}))
	return t
}

// numbered is a transfer with its number.
type numbered struct {
	Number   string   `json:"number"`
	Transfer Transfer `json:"transfer"`
}

func program(ctx context.Context, out io.Writer, config runtime.Config) (err error) {
	url := os.Getenv("POSTGRES_URL")
	if url == "" {
		return errors.New("POSTGRES_URL is not set: give it the address of a PostgreSQL, as postgres://user:password@localhost/db")
	}
	schema := fmt.Sprintf("ledger_%d", time.Now().UnixNano())
	config.Guarantee = runtime.ExactlyOnce
	app, err := runtime.New(topology(url, schema), config)
	if err != nil {
		return err
	}
	order := func(number, from, to string, cents int64) weir.Record[string, Transfer] {
		return weir.Record[string, Transfer]{Key: number, Value: Transfer{from, to, cents}}
	}
	if err := local.Feed(ctx, app, transfers,
		order("t1", "ann", "bob", 60_00), order("t2", "bob", "cat", 10_00), order("t3", "ann", "cat", 50_00), order("t4", "ann", "bob", 40_00)); err != nil {
		return err
	}
	if err := app.RunUntil(ctx, runtime.Until{Idle: time.Second}); err != nil {
		return err
	}

	db, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close(context.WithoutCancel(ctx))) }()
	name := pgx.Identifier{schema, "ledger"}.Sanitize()
	rows, err := db.Query(ctx, "SELECT transfer, account, cents FROM "+name+" ORDER BY transfer, cents")
	if err != nil {
		return err
	}
	entries, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Entry])
	if err != nil {
		return err
	}
	var sum int64
	for _, e := range entries {
		sum += e.Cents
		fmt.Fprintf(out, "%s %s %+.2f\n", e.Transfer, e.Account, float64(e.Cents)/100)
	}
	fmt.Fprintln(out, "sum:", sum)
	_, err = db.Exec(ctx, "DROP SCHEMA "+pgx.Identifier{schema}.Sanitize()+" CASCADE") // so that the program leaves nothing
	return err
}

func main() { local.Main("ledger", program) }
