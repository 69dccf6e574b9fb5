package postgres_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/nettest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/postgres"
	"github.com/weirstreams/weir/sink/sinktest"
)

var server = os.Getenv("WEIR_TEST_POSTGRES")

// schema makes an empty schema, which goes away with the test, and returns its name.
func schema(tb testing.TB) string {
	tb.Helper()
	if server == "" {
		tb.Skip("needs a PostgreSQL: go run github.com/weirstreams/weir/internal/testserver postgres -- go test")
	}
	name := fmt.Sprintf("weir_%d", time.Now().UnixNano())
	exec(tb, "CREATE SCHEMA "+name)
	tb.Cleanup(func() { exec(tb, "DROP SCHEMA "+name+" CASCADE") })
	return name
}

// connect opens a connection of its own.
func connect(tb testing.TB) *pgx.Conn {
	tb.Helper()
	c, err := pgx.Connect(context.Background(), server)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func exec(tb testing.TB, statement string, args ...any) {
	tb.Helper()
	c, err := pgx.Connect(context.Background(), server)
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(context.Background(), statement, args...); err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}

// query returns the rows of a query as text, in order.
func query(tb testing.TB, statement string, args ...any) []string {
	tb.Helper()
	c, err := pgx.Connect(context.Background(), server)
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close(context.Background())
	rows, err := c.Query(context.Background(), "SELECT q::text FROM ("+statement+") AS q", args...)
	if err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
	return found
}

// address returns the URL of the server at another host and port, with other parameters.
func address(tb testing.TB, host string, parameters ...string) string {
	tb.Helper()
	u, err := url.Parse(server)
	if err != nil {
		tb.Fatal(err)
	}
	if host != "" {
		u.Host = host
	}
	q := u.Query()
	for i := 0; i < len(parameters); i += 2 {
		q.Set(parameters[i], parameters[i+1])
	}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	return u.String()
}

// quickly are attempts for tests: two, one after the other.
var quickly = weir.Retry{Attempts: 2, FirstWait: time.Millisecond}

// kit returns the target for a sink of a mode.
func kit(t *testing.T, mode postgres.Mode, create func(postgres.Options[*string, *string]) sink.Sink[*string, *string]) sinktest.Target[*string, *string] {
	name, through := schema(t), nettest.NewRelay(t, server)
	password := "s3cret-of-the-sink"
	options := func(place string) postgres.Options[*string, *string] {
		o := postgres.Options[*string, *string]{
			URL: secret.New(address(t, through.Address(), "statement_timeout", "2000")), Schema: name, Table: place, Mode: mode,
			Retry: quickly, ConnectTimeout: 5 * time.Second,
		}
		if mode != postgres.Insert {
			o.Key = []string{"value"}
		}
		return o
	}
	return sinktest.Target[*string, *string]{
		New:    func(_ testing.TB, place string) sink.Sink[*string, *string] { return create(options(place)) },
		Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
		Read: func(tb testing.TB, place string) (items []sinktest.Item) {
			if len(query(tb, "SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = $2", name, place)) == 0 {
				return nil
			}
			rows, err := connect(tb).Query(context.Background(), fmt.Sprintf(`SELECT "__key", value FROM %s.%s`, name, place))
			if err != nil {
				if strings.Contains(err.Error(), `"value" does not exist`) {
					return nil
				}
				tb.Fatal(err)
			}
			items, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (sinktest.Item, error) {
				var key, value *string
				err := r.Scan(&key, &value)
				return sinktest.OfPointers(key, value), err
			})
			if err != nil && !strings.Contains(err.Error(), "column") {
				tb.Fatal(err)
			}
			return items
		},
		Idempotent: mode != postgres.Insert, NoNullValues: true,
		Refused: func() (key, value *string) {
			text := "a text must not have a zero byte\x00"
			return nil, &text
		},
		Push: func(tb testing.TB, place string) func() {
			c := connect(tb)
			tx, err := c.Begin(context.Background())
			if err != nil {
				tb.Fatal(err)
			}
			for _, table := range query(tb, "SELECT relname FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r' AND relname LIKE '%' || $2", name, place) {
				if _, err := tx.Exec(context.Background(), fmt.Sprintf("LOCK TABLE %s.%s", name, strings.Trim(table, "()"))); err != nil {
					tb.Fatal(err)
				}
			}
			return func() {
				if err := tx.Rollback(context.Background()); err != nil {
					tb.Error(err)
				}
			}
		},
		Break: func(testing.TB, string) func() {
			through.Refuse(true)
			return func() { through.Refuse(false) }
		},
		Leftovers: func(tb testing.TB, place string) (n int) {
			for _, table := range query(tb, "SELECT relname FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r' AND relname LIKE 'weir_staging_%' || $2", name, place) {
				n += len(query(tb, fmt.Sprintf("SELECT 1 FROM %s.%s", name, strings.Trim(table, "()"))))
			}
			return n
		},
		Secrets: []string{password},
		Unreachable: func(testing.TB) sink.Sink[*string, *string] {
			o := options("nowhere")
			o.URL, o.ConnectTimeout = secret.New("postgres://weir:"+password+"@127.0.0.1:1/nowhere"), time.Second
			return create(o)
		},
	}
}

func plain(o postgres.Options[*string, *string]) sink.Sink[*string, *string] { return postgres.New(o) }

func exactlyOnce(o postgres.Options[*string, *string]) sink.Sink[*string, *string] {
	return postgres.NewExactlyOnce(o)
}

func TestInsertsKeepThePromisesOfSinks(t *testing.T) { sinktest.Run(t, kit(t, postgres.Insert, plain)) }

func TestUpsertsKeepThePromisesOfSinks(t *testing.T) { sinktest.Run(t, kit(t, postgres.Upsert, plain)) }

func TestInsertsOfNewRowsKeepThePromisesOfSinks(t *testing.T) {
	sinktest.Run(t, kit(t, postgres.InsertNew, plain))
}

func TestInsertsInTwoPhasesKeepThePromisesOfSinks(t *testing.T) {
	sinktest.Run(t, kit(t, postgres.Insert, exactlyOnce))
}

func TestUpsertsInTwoPhasesKeepThePromisesOfSinks(t *testing.T) {
	sinktest.Run(t, kit(t, postgres.Upsert, exactlyOnce))
}
