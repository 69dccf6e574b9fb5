package clickhouse

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
)

// Auth holds the credentials of requests. The zero value has none: the server takes the user "default" without a password.
type Auth struct{ credentials web.Auth }

// Basic sends a user and a password. The user needs the privileges INSERT on the table and SELECT on system.columns, which all users have.
func Basic(user string, password secret.String) Auth { return Auth{web.Basic(user, password)} }

// Metadata names columns that rows get of their records. An empty name leaves the column out.
type Metadata struct {
	// Key is the text of the key, for a column of type String or Nullable(String).
	Key string
	// Topic, Partition and Offset are those of the input record: String, Int32 and Int64. A table of the engine ReplacingMergeTree that is ordered by them
	// has each record once, if a topology makes at most one row of each input record.
	Topic, Partition, Offset string
	// Time is the time of the record: for a column of type DateTime64(3), or of type Int64, in milliseconds since 1970.
	Time string
}

// columns returns the names in use.
func (m Metadata) columns() []string {
	return slices.DeleteFunc([]string{m.Key, m.Topic, m.Partition, m.Offset, m.Time}, func(name string) bool { return name == "" })
}

// Options configure a sink of records with keys of type K and values of type V. Table is needed. The zero value of everything else writes a row of each
// value: of a row.Row, of structs and maps by their JSON names. Functions run on the task's goroutine.
type Options[K, V any] struct {
	// Database is the database of the table. Empty means "default".
	Database string
	// Table is the table, which has to exist.
	Table string
	// Columns are the columns of the value that are written. nil means all. A value that lacks one of them leaves it to the default of the table.
	Columns []string
	// Row makes the row of a record. It takes the place of Columns, and is called for null values too.
	Row func(r *weir.Record[K, V]) (row.Row, error)
	// Metadata names columns with the key, the place and the time of the record.
	Metadata Metadata
	// SkipUnknown passes over columns that the table does not have. Without it, they are errors of their records.
	SkipUnknown bool
	// Settings are further settings of ClickHouse for the requests, such as async_insert. Those that the sink sets itself are refused.
	Settings map[string]string

	// Auth holds the credentials of the requests. The zero value has none.
	Auth Auth
	// Insecure lets Auth go over a connection without TLS to a host other than this one.
	Insecure bool
	// TLS has the settings of connections with https. nil means those of package crypto/tls.
	TLS *tls.Config
	// Proxy is the address of a proxy. The zero value means none, also if the environment names one.
	Proxy secret.URL
	// Gzip compresses requests.
	Gzip bool

	// MaxRecords and MaxBytes bound the rows of one request, before compression: each request makes a part of the table, and the server likes few large ones. A
	// single row may be larger. 0 means 50,000, and 16 MiB.
	MaxRecords int
	MaxBytes   int64
	// HoldRecords and HoldBytes are how much a task may hold in memory before it asks for a checkpoint. 0 means 100,000, and 64 MiB.
	HoldRecords int
	HoldBytes   int64
	// MaxAge is how long a record may wait before its task asks for a checkpoint. 0 means until the next checkpoint of the runtime.
	MaxAge time.Duration

	// Timeout bounds one attempt of a request, with its answer. 0 means 1 minute.
	Timeout time.Duration
	// Retry is for requests without an answer, and for those that the server cannot take for now. When its attempts are used up, the
	// application holds its input back for OutageWait and goes on trying.
	Retry weir.Retry
	// OutageWait is that time. 0 means 5 s.
	OutageWait time.Duration
}

func (o *Options[K, V]) setDefaults() {
	if o.Database == "" {
		o.Database = "default"
	}
	if o.MaxRecords == 0 {
		o.MaxRecords = 50_000
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 16 << 20
	}
	if o.HoldRecords == 0 {
		o.HoldRecords = 100_000
	}
	if o.HoldBytes == 0 {
		o.HoldBytes = 64 << 20
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.OutageWait == 0 {
		o.OutageWait = 5 * time.Second
	}
}

// check returns everything that is wrong.
func (o *Options[K, V]) check() error {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if err := connector.Negative(o); err != nil {
		wrong = append(wrong, err)
	}
	if o.Table == "" {
		bad("Table is empty")
	}
	for option, name := range map[string]string{"Database": o.Database, "Table": o.Table} {
		if strings.ContainsRune(name, 0) {
			bad("%s %q has a zero byte", option, name)
		}
	}
	if o.Row != nil && o.Columns != nil {
		bad("only one of Row and Columns can be set")
	}
	seen := map[string]bool{}
	for _, name := range slices.Concat(o.Columns, o.Metadata.columns()) {
		if name == "" {
			bad("Columns has an empty name")
		}
		if seen[name] {
			bad("the column %q is named twice, in Columns or Metadata", name)
		}
		seen[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(o.Settings)) {
		if _, own := settings[name]; own || reserved[name] {
			bad("Settings has %q, which the sink sets itself", name)
		}
	}
	return errors.Join(wrong...)
}
