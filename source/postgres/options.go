package postgres

import (
	"errors"
	"fmt"
	"regexp"
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
	// Truncate removes all rows of a table. It is in the log only if the publication says so.
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
	// Before is the row before the change, with the columns that the replica identity of the table keeps: the key, or all. It is nil where the
	// server sends none: for Read and Insert, and for an Update that leaves the key alone, unless the identity is FULL.
	Before row.Row
	// After is the row now, nil for Delete and Truncate.
	After row.Row
	// Time is the time of the commit, or that of the snapshot.
	Time time.Time
	// LSN is the position of the commit in the log of the server, and Transaction its number. Both are 0 for Read.
	LSN         uint64
	Transaction uint32
}

// Options configure a source of records with keys of type K and values of type V. URL, Tables and Slot are needed.
type Options[K, V any] struct {
	// URL is the address of the database, or settings as libpq has them. Its user needs the attribute REPLICATION, SELECT on the tables and, if the
	// sink is to make the publication, ownership of the tables. Errors and logs do not show its password.
	URL secret.String
	// Tables are read: "table" in the schema public, or "schema.table", as the database has the names. Each needs a primary key.
	Tables []string
	// Slot is the name of the replication slot, which is made if it is missing: small letters, digits and underscores. One application uses it.
	// The server keeps its log until the application has read it: drop the slot with pg_drop_replication_slot when you give the application up.
	Slot string
	// Publication names the publication. It is made, for Tables, if it is missing when the source begins. Empty means the name of the slot.
	Publication string
	// Record makes records of a change, and hands each to emit, any number of them. nil makes the record of a table: the key of the row and the row, and
	// a null value for the key of a row that is gone. Keys of one column are a K of their own, and keys of several columns are a row or a struct. An error
	// ends the run.
	Record func(c Change, emit func(weir.Record[K, V])) error
	// SnapshotOnly reads the rows that are there, and ends. It needs neither slot nor publication.
	SnapshotOnly bool
	// NoSnapshot begins with the changes after the start of the slot.
	NoSnapshot bool
	// OmitUnchanged leaves large values out of the row of an Update that has not changed them. Without it, tables with columns of variable length need
	// REPLICA IDENTITY FULL, as the server does not send such values otherwise.
	OmitUnchanged bool
	// FloatDecimals reads numeric columns as floats, which may round. Without it they are text.
	FloatDecimals bool
	// ChunkRows is how many rows of the snapshot are read at a time, and how many records a batch has at most. 0 means 1,000.
	ChunkRows int
	// ConnectTimeout bounds the time to make a connection, and Timeout that of a query. 0 means 30 s.
	ConnectTimeout, Timeout time.Duration
}

const (
	defaultTimeout   = 30 * time.Second
	defaultChunkRows = 1000
)

var slotName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

// check fills in the defaults and returns everything that is wrong.
func (o *Options[K, V]) check() error {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if o.URL.Reveal() == "" {
		bad("URL is empty")
	}
	if len(o.Tables) == 0 {
		bad("Tables is empty")
	}
	o.Tables = slices.Clone(o.Tables)
	for i, t := range o.Tables {
		if !strings.Contains(t, ".") {
			o.Tables[i] = "public." + t
		}
		if slices.Contains(o.Tables[:i], o.Tables[i]) {
			bad("table %q is twice in Tables", t)
		}
		if strings.ContainsRune(t, 0) || strings.HasPrefix(t, ".") || strings.HasSuffix(t, ".") || t == "" {
			bad("Tables: %q is no name", t)
		}
	}
	if o.Publication == "" {
		o.Publication = o.Slot
	}
	switch {
	case o.SnapshotOnly && o.NoSnapshot:
		bad("SnapshotOnly and NoSnapshot exclude each other")
	case o.SnapshotOnly:
	case !slotName.MatchString(o.Slot):
		bad("Slot %q: up to 63 small letters, digits and underscores", o.Slot)
	case strings.ContainsRune(o.Publication, 0) || len(o.Publication) > 63:
		bad("Publication %q is no name", o.Publication)
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
	return errors.Join(wrong...)
}
