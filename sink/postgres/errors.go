package postgres

import (
	"errors"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// unavailable says that an error passes: no connection, a server that cannot answer now, a deadlock. The codes are those of the PostgreSQL
// manual, appendix A.
func unavailable(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case e.Code == "57014", // query_canceled: the statement timeout
			e.Code == "40001", e.Code == "40P01", // serialization_failure, deadlock_detected
			e.Code == "55P03",                 // lock_not_available
			strings.HasPrefix(e.Code, "08"),   // connection exception
			strings.HasPrefix(e.Code, "53"),   // insufficient resources
			strings.HasPrefix(e.Code, "57P0"): // shutdown, crash, starting
			return true
		}
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	_, network := errors.AsType[net.Error](err)
	return network || pgconn.Timeout(err) || pgconn.SafeToRetry(err) || strings.Contains(err.Error(), "unexpected EOF") ||
		strings.Contains(err.Error(), "conn closed") || errors.Is(err, net.ErrClosed)
}

// ofRecord says that an error may be that of one row: a value that does not fit its column, or a constraint.
func ofRecord(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (strings.HasPrefix(e.Code, "22") || strings.HasPrefix(e.Code, "23") || e.Code == "P0001" || e.Code == "54000" || e.Code == "44000")
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
