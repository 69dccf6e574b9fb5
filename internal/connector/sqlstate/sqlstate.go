// Package sqlstate tells errors of SQL databases that pass from those that stay, for the lookups and the sinks of one database.
package sqlstate

import (
	"database/sql"
	"errors"
	"net"
	"strings"
)

// Passes reports whether the server has answered with an error that another attempt may not meet: it cannot answer now, or has ended the
// statement. answered is false if err is no error of a server. The codes are those of the SQL standard and of the PostgreSQL
// manual, appendix A.
func Passes(err error) (passes, answered bool) {
	e, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err)
	if !ok {
		return false, false
	}
	switch code := e.SQLState(); code {
	case "57014", // query_canceled: the statement timeout
		"40001", "40P01", // serialization_failure, deadlock_detected
		"55P03": // lock_not_available
		return true, true
	default:
		return strings.HasPrefix(code, "08") || // connection exception
			strings.HasPrefix(code, "53") || // insufficient resources
			strings.HasPrefix(code, "57P0"), true // shutdown, crash, starting
	}
}

// Disconnected reports whether the connection to the server was lost, or was not there.
func Disconnected(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, net.ErrClosed) || errors.Is(err, sql.ErrConnDone) ||
		strings.Contains(err.Error(), "unexpected EOF") || strings.Contains(err.Error(), "conn closed")
}
