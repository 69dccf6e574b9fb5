// Package postgres writes streams to tables of a PostgreSQL database. It is a module of its own.
//
// A complete program that keeps the newest price of each product in a table, exactly once:
//
//	package main
//
//	import (
//		"context"
//		"log"
//		"os"
//		"os/signal"
//
//		"github.com/weirstreams/weir/codec"
//		"github.com/weirstreams/weir/kafka"
//		"github.com/weirstreams/weir/runtime"
//		"github.com/weirstreams/weir/secret"
//		"github.com/weirstreams/weir/sink/postgres"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	type Price struct {
//		Product string  `json:"product"`
//		Amount  float64 `json:"amount"`
//	}
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
//		defer stop()
//		t := stream.NewTopology()
//		prices := stream.NewTopic("prices", codec.String(), codec.JSON[Price]())
//		t.From(prices).Sink("price table", postgres.NewExactlyOnce(postgres.Options[string, Price]{
//			URL: secret.New(os.Getenv("DATABASE_URL")), Table: "prices", Mode: postgres.Upsert, Key: []string{"product"},
//		}))
//		app, err := runtime.New(t, runtime.Config{
//			Group: "prices-to-postgres", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}},
//			Guarantee: runtime.ExactlyOnce,
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := app.Run(ctx); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// # Rows
//
// A record becomes a row: the columns of its value (see Options.Row), its key as text in the column "__key" and its time in the column
// "timestamp". A column of the value wins over one of the metadata with the same name. A null column is left out, so that the row has the
// default of the column. Columns and tables that the database lacks are made, with these types:
//
//	int64          bigint             larger integers  numeric
//	float64        double precision   bool             boolean
//	text           text               lists, rows      jsonb
//	time of the    timestamptz
//	record
//
// A column that is there keeps its type, and the server casts the value to it: text to a date or a uuid, for instance. Options.Types
// chooses other types for columns that the sink makes. A value that cannot be cast is an error of its record, and so is a
// violated constraint: the error policy of the application decides, and the other rows of the batch are written.
//
// # Delivery
//
// [New] writes rows before the checkpoint of their records commits. After a crash in between they are written again: at
// least once, and with Upsert without an effect.
//
// [NewExactlyOnce] is a sink in two phases. Prepare inserts the rows into a staging table ("weir_staging_..." in the same schema), in
// transactions of their own. When the checkpoint has committed, Commit moves them into their table and deletes them from the
// staging table, in one transaction. So a second Commit of the same checkpoint finds no rows and does nothing, whichever process makes it, and the
// rows of a checkpoint that never committed are deleted by the next owner of the task. This holds for functions that are not
// deterministic too, and needs no setting of the server. Two other ways were not taken. Offsets in the transaction of the rows recognise
// a repeated record by its offset alone, which is wrong as soon as the topology answers a record in another way the second time. PREPARE
// TRANSACTION is switched off in most servers (max_prepared_transactions), and keeps locks while it waits.
//
// A row that violates a unique constraint is found by Commit, when its record cannot be refused any more: the run ends with the
// error, and the rows stay in the staging table. Use Upsert or InsertNew where keys can collide.
package postgres
