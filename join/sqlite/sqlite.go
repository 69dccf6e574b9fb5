// Package sqlite joins streams with rows of an SQLite database. It is a module of its own, and needs no cgo.
//
// A database is opened once, read only, and shared by all workers:
//
//	db, err := sqlite.Open(ctx, "accounts.db", sqlite.Config{})
//	defer db.Close()
//	accounts, err := sqlite.First[int64, Account](ctx, db, sqlite.Table{Name: "accounts", On: "id"})
//	cached := join.Cached(accounts, join.CacheConfig{Size: 100_000, TTL: 5 * time.Minute})
//	t.From(payments).JoinLookup(cached, func(p Payment) int64 { return p.Account }, merge)
//
// Package sqllookup lists the types of rows. SQLite compares a value with a column by the affinity and collation of the column.
package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/join/sqllookup"
)

// Table describes the rows of a table. See [sqllookup.Table].
type Table = sqllookup.Table

// Config says how a database is used. Zero values mean defaults.
type Config struct {
	// Timeout bounds a call, with the time it waits for the lock of a writer; a longer call is repeated. 0 means
	// sqllookup.DefaultTimeout.
	Timeout time.Duration
	// Reopen is how long a connection is used. A file that took the place of the old one, by a rename, is read after that time. 0 means
	// DefaultReopen.
	Reopen time.Duration
}

// DefaultReopen is how long a file that was replaced may be read.
const DefaultReopen = 10 * time.Second

// DB is an open database. It is safe for concurrent use.
type DB struct{ database sqllookup.Database }

// Open opens the database in the file of that path, read only. It is an error if there is none. A path is no URI: all
// characters stand for themselves.
func Open(ctx context.Context, path string, config Config) (*DB, error) {
	timeout := config.Timeout
	if timeout <= 0 {
		timeout = sqllookup.DefaultTimeout
	}
	file, err := filepath.Abs(path) // SQLite has other uses for "", ":memory:" and "//host/"
	if err != nil {
		return nil, fmt.Errorf("open SQLite database %q: %w", path, err)
	}
	name := url.URL{Scheme: "file", Opaque: (&url.URL{Path: file}).EscapedPath(), RawQuery: url.Values{
		"mode": {"ro"}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", timeout.Milliseconds()/2)},
	}.Encode()}
	db, err := sql.Open("sqlite", name.String())
	if err == nil {
		db.SetConnMaxLifetime(cmp.Or(max(config.Reopen, 0), DefaultReopen))
		var n int
		if err = db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&n); err != nil {
			_ = db.Close() // the first error counts
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open SQLite database %q: %w", path, err)
	}
	return &DB{sqllookup.Database{DB: db, Timeout: timeout, Unavailable: unavailable, Prepare: true}}, nil
}

// unavailable says that somebody else has locked the database.
func unavailable(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	code := e.Code() & 0xff // without what extends it
	return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED
}

// Close closes the database. No lookup may be in use.
func (db *DB) Close() error { return db.database.DB.Close() }

// First looks up the first row of a table with the value of the query in one column. See [sqllookup.First].
func First[Q, R any](ctx context.Context, db *DB, t Table) (join.Lookup[Q, R], error) {
	return sqllookup.First[Q, R](ctx, db.database, t)
}

// All looks up all rows of a table with the value of the query in one column. See [sqllookup.All].
func All[Q, R any](ctx context.Context, db *DB, t Table) (join.Lookup[Q, []R], error) {
	return sqllookup.All[Q, R](ctx, db.database, t)
}

// Query looks up the first row of a query. Parameters are written as "?", or as ":name" with sql.Named arguments. See
// [sqllookup.Query].
func Query[Q, R any](db *DB, query string, args func(Q) []any) (join.Lookup[Q, R], error) {
	return sqllookup.Query[Q, R](db.database, query, args)
}

// QueryAll looks up all rows of a query. See [sqllookup.QueryAll].
func QueryAll[Q, R any](db *DB, query string, args func(Q) []any) (join.Lookup[Q, []R], error) {
	return sqllookup.QueryAll[Q, R](db.database, query, args)
}
