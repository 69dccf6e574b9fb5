package sqllookup

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/weirstreams/weir"
)

// DefaultTimeout is how long a call may take.
const DefaultTimeout = 10 * time.Second

// Database is where to look, and how.
type Database struct {
	DB *sql.DB
	// Placeholder returns that of the nth parameter of a statement, from 1. nil means "?".
	Placeholder func(n int) string
	// Unavailable says that an error is one of the database, which passes: the lookup is asked again. nil means that none is,
	// but those that database/sql has for lost connections.
	Unavailable func(error) bool
	// Stale says that a connection has refused a statement that it had planned before the tables changed, and has forgotten it:
	// the statement is run again at once. nil means that no error does.
	Stale func(error) bool
	// Prepare keeps the statements of tables prepared. It is for drivers that do not keep them of their own accord.
	Prepare bool
	// Timeout is how long a call may take; a longer one counts as unavailable. 0 means DefaultTimeout.
	Timeout time.Duration
}

func (d *Database) placeholder(n int) string {
	if d.Placeholder == nil {
		return "?"
	}
	return d.Placeholder(n)
}

func (d *Database) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := d.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	return context.WithTimeout(ctx, timeout)
}

// query runs a statement. Each connection can refuse it once as stale.
func (d *Database) query(ctx context.Context, statement string, args []any) (*sql.Rows, error) {
	for tries := 0; ; tries++ {
		rows, err := d.DB.QueryContext(ctx, statement, args...)
		if err == nil || d.Stale == nil || !d.Stale(err) || tries > d.DB.Stats().OpenConnections {
			return rows, err
		}
	}
}

// explain says that an error is one that passes, if it is.
func (d *Database) explain(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, driver.ErrBadConn) ||
		d.Unavailable != nil && d.Unavailable(err) {
		return &weir.RetryLaterError{Err: err}
	}
	return err
}
