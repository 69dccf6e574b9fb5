package mysql

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
)

// Op is the kind of a change.
type Op int

// Kinds of changes.
const (
	// Read is a row of the snapshot.
	Read Op = iota
	Insert
	Update
	Delete
	// Truncate removes all rows of a table.
	Truncate
)

// String returns the name of the kind in small letters.
func (o Op) String() string {
	return []string{"read", "insert", "update", "delete", "truncate"}[o]
}

// Change is a change of a row, or a row of the snapshot. Its rows are not used again.
type Change struct {
	Op            Op
	Schema, Table string
	// Key has the columns of the primary key: those of After, or of Before if there is no After. It is nil for Truncate.
	Key row.Row
	// Before is the row before the change, nil for Read, Insert and Truncate.
	Before row.Row
	// After is the row now, nil for Delete and Truncate.
	After row.Row
	// Time is the time of the change at the server, in whole seconds, or that of the snapshot.
	Time time.Time
	// GTID is the global transaction identifier. It is empty for Read, and for servers without such identifiers.
	GTID string
	// File and Position are where the transaction begins in the log of the server. They are empty for Read.
	File     string
	Position uint32
}

// Options configure a source of records with keys of type K and values of type V. URL and Tables are needed.
type Options[K, V any] struct {
	// URL is the address of the server and a database: "mysql://user:password@host:3306/shop", or "mysqls://" with TLS. The user needs SELECT on the tables, REPLICATION SLAVE
	// and REPLICATION CLIENT (BINLOG MONITOR in MariaDB); MySQL also asks for RELOAD when the source begins. Errors and logs do not show its password.
	URL secret.String
	// TLS has the settings of connections with TLS, as other authorities or a client certificate. nil means those of package crypto/tls.
	TLS *tls.Config
	// Tables are read: "table" in the database of the URL, or "database.table", as the server has the names. Each needs a primary key and InnoDB.
	Tables []string
	// ServerID names the reader among the replicas of the server, which ends the connection of an older reader with the same number. 0 means a number above 2^31 that is
	// made of the names of the application and the source.
	ServerID uint32
	// Record makes records of a change, and hands each to emit, any number of them. nil makes the record of a table: the key of the row and the row, and
	// a null value for the key of a row that is gone. Keys of one column are a K of their own, and keys of several columns are a row or a struct. An error
	// ends the run.
	Record func(c Change, emit func(weir.Record[K, V])) error
	// SnapshotOnly reads the rows that are there, and ends. It needs no log of changes.
	SnapshotOnly bool
	// NoSnapshot begins with the changes after the start of the source.
	NoSnapshot bool
	// FloatDecimals reads decimal columns as floats, which may round. Without it they are text.
	FloatDecimals bool
	// ChunkRows is how many rows of the snapshot are read at a time, and how many records a batch has at most, but for the rest of one statement's event. 0 means 1,000.
	ChunkRows int
	// ConnectTimeout bounds the time to make a connection, and Timeout that of a query. 0 means 30 s.
	ConnectTimeout, Timeout time.Duration
}

const (
	defaultTimeout   = 30 * time.Second
	defaultChunkRows = 1000
)

// check fills in the defaults and returns everything that is wrong.
func (o *Options[K, V]) check() (a address, _ error) {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	a, err := parseURL(o.URL.Reveal())
	if err != nil {
		bad("URL: %w", err)
	}
	if len(o.Tables) == 0 {
		bad("Tables is empty")
	}
	o.Tables = slices.Clone(o.Tables)
	for i, t := range o.Tables {
		if !strings.Contains(t, ".") && t != "" {
			if err == nil && a.database == "" {
				bad("Tables: %q is in no database: name one in the URL, or write \"database.table\"", t)
			}
			o.Tables[i] = a.database + "." + t
		}
		if slices.Contains(o.Tables[:i], o.Tables[i]) {
			bad("table %q is twice in Tables", t)
		}
		if strings.ContainsRune(t, 0) || strings.HasPrefix(t, ".") || strings.HasSuffix(t, ".") || t == "" {
			bad("Tables: %q is no name", t)
		}
	}
	if o.SnapshotOnly && o.NoSnapshot {
		bad("SnapshotOnly and NoSnapshot exclude each other")
	}
	if err := connector.Negative(o); err != nil {
		bad("%w", err)
	}
	if o.ChunkRows == 0 {
		o.ChunkRows = defaultChunkRows
	}
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = defaultTimeout
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	return a, errors.Join(wrong...)
}
