package postgres

import (
	"cmp"
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
	"github.com/weirstreams/weir/sink"
)

// Mode is the treatment of a row with a key that the table has already.
type Mode int

const (
	// Insert adds every row. A row that violates a constraint of the table is refused.
	Insert Mode = iota
	// Upsert replaces the row that has the same Options.Key: its other columns become null if the new row lacks them, unless they have a default or
	// must not be null, which keep their value. Of several rows with one key the last one counts. It also makes a plain sink idempotent.
	Upsert
	// InsertNew keeps the row that is in the table, whichever of its unique constraints the new row violates.
	InsertNew
)

// NoColumn leaves a column of the metadata out.
const NoColumn = "-"

const (
	defaultSchema      = "public"
	defaultKeyColumn   = "__key"
	defaultTimeColumn  = "timestamp"
	defaultTimeout     = 30 * time.Second
	defaultConnections = 8
)

// Options configure a sink of records with keys of type K and values of type V. URL is needed, and so is one of Table and TableOf.
type Options[K, V any] struct {
	// URL is the address of the database ("postgres://weir@db.example/shop"), or settings as libpq has them
	// ("host=db.example user=weir"). Errors and logs do not show its password.
	URL secret.String
	// Schema has the tables. Empty means "public".
	Schema string
	// Table is the table of all records. Names are as the database has them: they are quoted, so that case matters.
	Table string
	// TableOf returns the table of a record. It takes the place of Table. An error is one of the record.
	TableOf func(r *weir.Record[K, V]) (string, error)
	// Row makes the columns of a record. nil takes the value: a row.Row as it is, structs and maps by their JSON names, and any other value as
	// one column "value". A nil row is a null value. An error is one of the record.
	Row func(r *weir.Record[K, V]) (row.Row, error)
	// Mode is the treatment of rows with a key that the table has. The zero value is Insert.
	Mode Mode
	// Key are the columns of the primary key. A table that the sink makes gets this key, and so does a table without one. Upsert needs it.
	// If it is the column of the record key alone, Upsert removes the row of a record with a null value.
	Key []string
	// KeyColumn has the key of the record as text, and TimeColumn its time. Empty means "__key" and "timestamp", and
	// NoColumn means that there is no such column.
	KeyColumn, TimeColumn string
	// Types are the types of columns that the sink makes, by column, as SQL writes them ("numeric(12,2)", "timestamptz"). The package documentation
	// has the types of the others.
	Types map[string]string
	// FixedTables says that the sink makes neither schemas nor tables nor columns. A record with a column that its table lacks is refused.
	FixedTables bool

	// ConnectTimeout bounds the time to make a connection, and Timeout that of a statement; the server gives up after it too. 0 means 30 s,
	// unless the URL has connect_timeout or statement_timeout.
	ConnectTimeout, Timeout time.Duration
	// Connections is the greatest number of connections that are open at a time. 0 means 8.
	Connections int
	// Batch bounds the records of one transaction, and those in memory.
	Batch sink.BatchOptions
	// Retry is for calls that fail because the database is away, is starting or shutting down, or because of a deadlock. When its attempts are used
	// up, the application holds its input back and goes on trying. If is not used.
	Retry weir.Retry
}

// typeName is the form of a type in Options.Types: no quotes, no comments, no second statement.
var typeName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_ .]*(\([0-9]+(, ?[0-9]+)?\))?( (with|without) time zone)?(\[\])?$`)

// check fills in the defaults and returns everything that is wrong.
func (o *Options[K, V]) check() error {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if o.URL.Reveal() == "" {
		bad("URL is empty")
	}
	if (o.Table == "") == (o.TableOf == nil) {
		bad("one of Table and TableOf is needed")
	}
	o.Schema = cmp.Or(o.Schema, defaultSchema)
	o.KeyColumn, o.TimeColumn = cmp.Or(o.KeyColumn, defaultKeyColumn), cmp.Or(o.TimeColumn, defaultTimeColumn)
	o.Key = slices.Clone(o.Key)
	switch {
	case o.Mode < Insert || o.Mode > InsertNew:
		bad("Mode %d is unknown", o.Mode)
	case o.Mode == Upsert && len(o.Key) == 0:
		bad("Upsert needs Key: the columns that name a row")
	}
	if err := checkName(o.Schema); err != nil {
		bad("%w", err)
	}
	for i, name := range slices.Concat([]string{o.KeyColumn, o.TimeColumn}, o.Key) {
		if err := checkColumn(name); err != nil {
			bad("%w", err)
		}
		if i > 2 && slices.Contains(o.Key[:i-2], name) {
			bad("Key has column %q twice", name)
		}
	}
	if o.KeyColumn == o.TimeColumn && o.KeyColumn != NoColumn {
		bad("KeyColumn and TimeColumn are both %q", o.KeyColumn)
	}
	if o.Table != "" {
		if err := checkTable(o.Table); err != nil {
			bad("%w", err)
		}
	}
	for column, t := range o.Types {
		if !typeName.MatchString(t) {
			bad("Types: %q is no type, of column %q", t, column)
		}
	}
	if err := errors.Join(connector.Negative(o), o.Batch.Check()); err != nil {
		bad("%w", err)
	}
	return errors.Join(wrong...)
}

// maxName is the longest name of PostgreSQL in bytes. It cuts longer ones without an error.
const maxName = 63

// checkName refuses names that the database would change.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the name of a column or a table is empty")
	case len(name) > maxName:
		return fmt.Errorf("name %q: longer than %d bytes", name, maxName)
	case strings.ContainsRune(name, 0):
		return fmt.Errorf("name %q: contains a zero byte", name)
	}
	return nil
}

func checkTable(name string) error {
	if strings.HasPrefix(name, stagingPrefix) {
		return fmt.Errorf("table %q: names that begin with %q are those of prepared rows", name, stagingPrefix)
	}
	return checkName(name)
}
