// Package postgres joins streams with rows of a PostgreSQL database. It is a module of its own.
//
// A database is opened once, and its connections are shared by all workers:
//
//	db, err := postgres.Open(ctx, "postgres://weir@db.example/shop", postgres.Config{})
//	defer db.Close()
//	accounts, err := postgres.First[int64, Account](ctx, db, postgres.Table{Name: "accounts", On: "id"})
//	cached := join.Cached(accounts, join.CacheConfig{Size: 100_000, TTL: 5 * time.Minute})
//	t.From(payments).JoinLookup(cached, func(p Payment) int64 { return p.Account }, merge)
//
// Package sqllookup lists the types of rows. Each statement is a transaction of its own. While the database is away, is
// starting or is shutting down, and when a statement takes too long, the lookup is unavailable: the worker waits and asks
// again.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/weirstreams/weir/internal/connector/sqlstate"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/join/sqllookup"
)

// Table describes the rows of a table. Names are as the database has them, which makes small letters of those that were
// written without quotes. See [sqllookup.Table].
type Table = sqllookup.Table

// DefaultConnections is how many connections are open at most.
const DefaultConnections = 8

// Config says how a database is used. Zero values mean defaults.
type Config struct {
	// ConnectTimeout bounds the time to make a connection. 0 means connect_timeout of the URL, or
	// sqllookup.DefaultTimeout.
	ConnectTimeout time.Duration
	// Timeout is how long a call may take. The server is told to give up after that, too, unless the URL has a
	// statement_timeout. 0 means sqllookup.DefaultTimeout.
	Timeout time.Duration
	// Connections is the greatest number of connections that are open at a time. 0 means DefaultConnections.
	Connections int
}

// DB is an open database. It is safe for concurrent use.
type DB struct{ database sqllookup.Database }

// Open opens a database by its URL, or by settings as libpq has them ("host=db.example user=weir"), and makes sure that it
// answers. Errors do not show the password.
func Open(ctx context.Context, url string, config Config) (*DB, error) {
	c, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL database: %w", err)
	}
	if config.Timeout <= 0 {
		config.Timeout = sqllookup.DefaultTimeout
	}
	if config.ConnectTimeout > 0 {
		c.ConnectTimeout = config.ConnectTimeout
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = sqllookup.DefaultTimeout
	}
	if config.Connections <= 0 {
		config.Connections = DefaultConnections
	}
	if _, set := c.RuntimeParams["statement_timeout"]; !set && !strings.Contains(c.RuntimeParams["options"], "statement_timeout") {
		c.RuntimeParams["statement_timeout"] = strconv.FormatInt(config.Timeout.Milliseconds(), 10)
	}
	db := stdlib.OpenDB(*c)
	db.SetMaxOpenConns(config.Connections)
	db.SetMaxIdleConns(config.Connections)
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close() // the first error counts
		return nil, fmt.Errorf("open PostgreSQL database %q at %s: %w", c.Database, net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))), err)
	}
	return &DB{sqllookup.Database{
		DB: db, Timeout: config.Timeout, Unavailable: unavailable, Stale: stale,
		Placeholder: func(n int) string { return "$" + strconv.Itoa(n) },
	}}, nil
}

// unavailable says that an error passes: no connection, a server that cannot answer now.
func unavailable(err error) bool {
	if passes, answered := sqlstate.Passes(err); answered {
		return passes
	}
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	return connecting || pgconn.Timeout(err) || pgconn.SafeToRetry(err) || sqlstate.Disconnected(err)
}

// stale says that a connection has refused a statement that it had prepared: types have changed since, or a pooler between has
// another server now. pgx forgets statements that fail.
func stale(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "0A000" && e.Routine == "RevalidateCachedQuery" || // cached plan must not change result type
		e.Code == "26000") // invalid_sql_statement_name
}

// Close closes the connections. No lookup may be in use.
func (db *DB) Close() error { return db.database.DB.Close() }

// First looks up the first row of a table with the value of the query in one column. See [sqllookup.First].
func First[Q, R any](ctx context.Context, db *DB, t Table) (join.Lookup[Q, R], error) {
	return sqllookup.First[Q, R](ctx, db.database, t)
}

// All looks up all rows of a table with the value of the query in one column. See [sqllookup.All].
func All[Q, R any](ctx context.Context, db *DB, t Table) (join.Lookup[Q, []R], error) {
	return sqllookup.All[Q, R](ctx, db.database, t)
}

// Query looks up the first row of a query. Its parameters are written as $1, $2; or as @name, with one pgx.NamedArgs for an
// argument. See [sqllookup.Query].
func Query[Q, R any](db *DB, query string, args func(Q) []any) (join.Lookup[Q, R], error) {
	return sqllookup.Query[Q, R](db.database, query, args)
}

// QueryAll looks up all rows of a query. See [sqllookup.QueryAll].
func QueryAll[Q, R any](db *DB, query string, args func(Q) []any) (join.Lookup[Q, []R], error) {
	return sqllookup.QueryAll[Q, R](db.database, query, args)
}
