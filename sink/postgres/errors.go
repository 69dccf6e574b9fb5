package postgres

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirstreams/weir/internal/connector/sqlstate"
)

// unavailable says that an error passes: no connection, a server that cannot answer now, a deadlock.
func unavailable(err error) bool {
	if passes, answered := sqlstate.Passes(err); answered {
		return passes
	}
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	return connecting || pgconn.Timeout(err) || pgconn.SafeToRetry(err) || sqlstate.Disconnected(err)
}

// ofRecord says that an error may be that of one row: a value that does not fit its column, or a constraint.
func ofRecord(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (strings.HasPrefix(e.Code, "22") || strings.HasPrefix(e.Code, "23") || e.Code == "P0001" || e.Code == "54000" || e.Code == "44000" ||
		e.Code == "428C9") // a value for a column that is always generated
}

// tooWide says that a table has no room for the columns that a row adds.
func tooWide(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "54011"
}

// changedTable says that a table is not as it was when it was looked at: somebody has dropped it, or a column.
func changedTable(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "42P01" || e.Code == "42703" || e.Code == "0A000" && e.Routine == "RevalidateCachedQuery")
}

// denied says that the user lacks a permission.
func denied(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "42501"
}
