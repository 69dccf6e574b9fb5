// Command cdc copies each change of a table of PostgreSQL to a table of Apache Iceberg, exactly once: first the rows that the table has, then
// each insert, update and delete, in the order of their commits. Analysts read the history of a customer there, and the customers of any time.
//
//	go run ./internal/testserver postgres,seaweedfs -- go test -C examples/cdc -v .
//
// This starts a PostgreSQL and a catalog of Iceberg, and runs the program on them. To run it on servers of yours, set the variables that
// func lake reads, and POSTGRES_URL. The database needs wal_level = logical.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/apache/iceberg-go/table"
	"github.com/jackc/pgx/v5"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/examples/internal/local"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/iceberg"
	"github.com/weirstreams/weir/source/postgres"
	"github.com/weirstreams/weir/stream"
)

// Customer is a row of PostgreSQL. Its key is the number of the customer.
type Customer struct {
	Name    string `json:"name"`
	Country string `json:"country"`
}

// Change is a row of Iceberg: a customer after a change, or before it was deleted. LSN is the position of the commit in the log of PostgreSQL.
// It orders the changes of a customer; rows that the table had at the beginning have 0.
type Change struct {
	Customer
	ID  int64  `json:"id"`
	Op  string `json:"op"`
	LSN uint64 `json:"lsn"`
}

// changes lies between the two systems. Other services may read it, too. All changes of a customer are in one partition, in their order.
var changes = stream.NewTopic("customer-changes", codec.Int64(), codec.JSON[Change]())

var decode = row.ToStruct[Customer]()

// record makes the record of a change. The time of the record is that of the commit, so it does not depend on when the change is read.
func record(c postgres.Change, emit func(weir.Record[int64, Change])) error {
	id, err := c.Key.Get[int64]("id")
	if err != nil {
		return err
	}
	columns := c.After
	if c.Op == postgres.Delete {
		columns = c.Before
	}
	customer, err := decode(context.Background(), columns)
	if err != nil {
		return err
	}
	emit(weir.Record[int64, Change]{Key: id, Value: Change{customer, id, c.Op.String(), c.LSN}, Millis: c.Time.UnixMilli()})
	return nil
}

// topology reads the slot of a schema, and appends to the table of the same name. The topology transforms nothing here; operators may stand between
// source and sink, as for any other topic.
func topology(url secret.String, catalog iceberg.REST, schema string) *stream.Topology {
	t := stream.NewTopology()
	t.FromSource(postgres.New(postgres.Options[int64, Change]{
		URL: url, Tables: []string{schema + ".customers"}, Slot: schema, Record: record,
	}), changes).
		Sink("lake", iceberg.New(iceberg.Options[int64, Change]{
			Catalog: catalog.Open, Table: schema + ".customers", KeyColumn: iceberg.NoColumn, TimeColumn: "changed",
			Types:       map[string]string{"id": "long", "op": "string", "name": "string", "country": "string", "lsn": "long"},
			PartitionBy: []string{"day(changed)"},
		}))
	return t
}

// lake is the catalog of Iceberg that the environment names.
func lake() iceberg.REST {
	return iceberg.REST{
		URI: os.Getenv("ICEBERG_URI"), Warehouse: os.Getenv("ICEBERG_WAREHOUSE"),
		ClientID: os.Getenv("ICEBERG_CLIENT_ID"), Secret: secret.New(os.Getenv("ICEBERG_SECRET")),
		S3Endpoint: os.Getenv("S3_ENDPOINT"), S3Region: os.Getenv("AWS_REGION"),
		S3AccessKey: os.Getenv("AWS_ACCESS_KEY_ID"), S3SecretKey: secret.New(os.Getenv("AWS_SECRET_ACCESS_KEY")),
	}
}

func program(ctx context.Context, out io.Writer, config runtime.Config) (err error) {
	url, catalog := secret.New(os.Getenv("POSTGRES_URL")), lake()
	if url.Reveal() == "" || catalog.URI == "" {
		return errors.New("POSTGRES_URL and ICEBERG_URI have to be set, and the credentials of the catalog: see the documentation of the command")
	}
	schema := fmt.Sprintf("cdc_%d", time.Now().UnixNano())
	db, err := pgx.Connect(ctx, url.Reveal())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove(context.WithoutCancel(ctx), db, schema)) }()
	// With REPLICA IDENTITY FULL the log has all columns of a row that is deleted, and not its key alone.
	if _, err := db.Exec(ctx, fmt.Sprintf(`CREATE SCHEMA %[1]s;
		CREATE TABLE %[1]s.customers (id bigint PRIMARY KEY, name text NOT NULL, country text NOT NULL);
		ALTER TABLE %[1]s.customers REPLICA IDENTITY FULL;
		INSERT INTO %[1]s.customers VALUES (1, 'Ann', 'DE'), (2, 'Bob', 'FR'), (3, 'Cleo', 'IT')`, schema)); err != nil {
		return err
	}
	tables, err := catalog.Open(ctx)
	if err != nil {
		return err
	}
	if err := tables.CreateNamespace(ctx, table.Identifier{schema}, nil); err != nil { // the sink makes the table, and no namespace
		return err
	}

	// With ExactlyOnce a snapshot of the table has the records of a checkpoint, and each of them once. A service chooses a longer interval, as each
	// checkpoint makes files.
	config.Guarantee = runtime.ExactlyOnce
	run := func(records int64) error {
		app, err := runtime.New(topology(url, catalog, schema), config)
		if err != nil {
			return err
		}
		return app.RunUntil(ctx, runtime.Until{Outputs: records})
	}
	if err := run(3); err != nil { // the rows that are there
		return err
	}
	// While the program does not run, the slot keeps the changes. The next run goes on behind the last record.
	if _, err := db.Exec(ctx, fmt.Sprintf("UPDATE %[1]s.customers SET country = 'AT' WHERE id = 1", schema)); err != nil {
		return err
	}
	if _, err := db.Exec(ctx, fmt.Sprintf("DELETE FROM %[1]s.customers WHERE id = 2", schema)); err != nil {
		return err
	}
	if _, err := db.Exec(ctx, fmt.Sprintf("INSERT INTO %[1]s.customers VALUES (4, 'Dan', 'ES')", schema)); err != nil {
		return err
	}
	if err := run(3); err != nil {
		return err
	}

	history, err := read(ctx, catalog, schema)
	if err != nil {
		return err
	}
	now := map[int64]Change{}
	for _, c := range history {
		fmt.Fprintf(out, "%s %d %s %s\n", c.Op, c.ID, c.Name, c.Country)
		now[c.ID] = c
	}
	fmt.Fprint(out, "now:")
	for id := range int64(5) {
		if c, ok := now[id]; ok && c.Op != postgres.Delete.String() {
			fmt.Fprintf(out, " %s from %s,", c.Name, c.Country)
		}
	}
	fmt.Fprintln(out)
	return nil
}

// read returns the rows of the table of Iceberg in the order of their commits, as any reader of Iceberg can.
func read(ctx context.Context, catalog iceberg.REST, schema string) ([]Change, error) {
	tables, err := catalog.Open(ctx)
	if err != nil {
		return nil, err
	}
	t, err := tables.LoadTable(ctx, table.Identifier{schema, "customers"})
	if err != nil {
		return nil, err
	}
	_, batches, err := t.Scan(table.WithSelectedFields("id", "op", "name", "country", "lsn")).ToArrowRecords(ctx)
	if err != nil {
		return nil, err
	}
	var all []Change
	for batch, err := range batches {
		if err != nil {
			return nil, err
		}
		data, err := batch.MarshalJSON()
		batch.Release()
		if err != nil {
			return nil, err
		}
		var rows []Change
		if err := json.Unmarshal(data, &rows); err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	slices.SortFunc(all, func(a, b Change) int { return cmp.Or(cmp.Compare(a.LSN, b.LSN), cmp.Compare(a.ID, b.ID)) })
	return all, nil
}

// remove drops the table, the slot and the publication. A slot that nobody reads keeps the log of its server forever.
func remove(ctx context.Context, db *pgx.Conn, schema string) error {
	_, slot := db.Exec(ctx, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1", schema)
	_, rest := db.Exec(ctx, fmt.Sprintf("DROP PUBLICATION IF EXISTS %[1]s; DROP SCHEMA IF EXISTS %[1]s CASCADE", schema))
	return errors.Join(slot, rest, db.Close(ctx))
}

func main() { local.Main("cdc", program) }
