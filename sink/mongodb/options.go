package mongodb

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/secret"
)

// Mode says how documents are written.
type Mode int8

const (
	// Replace makes a document or replaces the one with the same id. A null value deletes it.
	Replace Mode = iota
	// Merge makes a document, or sets the fields that the new one has ($set). A null value deletes the document. Records need an id or a filter.
	Merge
	// Insert makes a document, and keeps one that has the same id already. Time series take no other mode. A null value is refused.
	Insert
)

// String returns the name of the mode.
func (m Mode) String() string {
	names := []string{"Replace", "Merge", "Insert"}
	if m < 0 || int(m) >= len(names) {
		return fmt.Sprintf("Mode(%d)", int8(m))
	}
	return names[m]
}

// Metadata names fields that documents get of their records. An empty name leaves the field out. A field takes the place of one of the value.
type Metadata struct {
	// Key is the key of the record, as it would be an id, or null.
	Key string
	// Time is the time of the record, a date of BSON.
	Time string
	// Headers is a document with the headers of the record, as texts, or as binary data if they are not UTF-8. Of several headers with one name the last one
	// counts.
	Headers string
	// Topic, Partition and Offset are those of the input record.
	Topic, Partition, Offset string
}

// Options configure a sink of records with keys of type K and values of type V. URI, Database, and one of Collection and CollectionOf are needed. The
// zero value of everything else replaces the documents whose ids are the keys of the records.
type Options[K, V any] struct {
	// URI is the connection string: "mongodb://user:password@host:27017/?replicaSet=rs0", or "mongodb+srv://...". Errors and logs do not show its password. Writes wait
	// for a majority of the replica set unless the URI has another write concern; "w=0" is refused.
	URI secret.String
	// TLS has the settings of connections with TLS, as other authorities or a client certificate, and switches TLS on. nil means those of the URI.
	TLS *tls.Config

	// Database is the database of the collections. That of the URI is where the user is looked for.
	Database string
	// Collection is the collection of all documents. MongoDB makes it when the first document is written.
	Collection string
	// CollectionOf returns the collection of a record, in place of Collection. Names that MongoDB would not take, and those of the system, are errors of their
	// records. It runs on the task's goroutine.
	CollectionOf func(r *weir.Record[K, V]) (string, error)

	// Mode says how documents are written. The zero value is Replace.
	Mode Mode
	// ID returns the _id of a document: a Go value that becomes one of BSON, but no list and no regular expression. nil as a result means a new ObjectID, so that
	// a record that is processed again is a second document. A nil function takes the key of the record: numbers and booleans as they are, and the text of any
	// other key. Null keys, and Insert, take the field _id of the document if there is one, and a new ObjectID otherwise. See [OffsetID].
	ID func(r *weir.Record[K, V]) (any, error)
	// Filter returns the query that finds the documents of a record, in place of ID, for Replace and Merge. Build it of [Equal] where it has values of the
	// record, so that none of them is read as an operator. A query without conditions is an error of the record, as it would find every document.
	Filter func(r *weir.Record[K, V]) (bson.D, error)
	// Many changes or deletes all documents that Filter finds, and not only the first one. It is for Merge.
	Many bool
	// NoUpsert writes no new documents: Replace and Merge change those that are there.
	NoUpsert bool

	// Document returns the document of a record: a struct, a map, a bson.D or a row.Row. nil deletes the document, as a null value does. It is called for
	// null values too. nil takes the value; one that is no document becomes the field "value" of one. It runs on the task's goroutine.
	Document func(r *weir.Record[K, V]) (any, error)
	// Metadata names fields of the record that are added to the document of its value. It does not go with Document.
	Metadata Metadata

	// Unordered lets a server write the documents of a bulk write in any order and go on after one that it refuses, which is quicker where many are refused or a
	// cluster has shards. Documents with one id are written in the order of their records all the same. It does not go with Filter.
	Unordered bool
	// MaxRecords and MaxBytes bound the documents of one bulk write. A single document may be larger. 0 means 1,000, and 8 MiB; at most 100,000 and 32 MiB.
	MaxRecords int
	MaxBytes   int64
	// HoldRecords and HoldBytes are how much a task may hold in memory before it asks for a checkpoint. 0 means 20,000, and 64 MiB.
	HoldRecords int
	HoldBytes   int64
	// MaxAge is how long a record may wait before its task asks for a checkpoint. 0 means until the next checkpoint of the runtime.
	MaxAge time.Duration

	// Connections is the greatest number of connections to a server. 0 means 8.
	Connections int
	// Timeout bounds Connect, and one attempt of a bulk write, with the search for a primary. 0 means 30 s.
	Timeout time.Duration
	// Retry is for bulk writes that fail because a connection breaks, a primary steps down, or a server is overloaded. When its attempts are used up, and
	// after a timeout at once, the application holds its input back for OutageWait and goes on trying.
	Retry weir.Retry
	// OutageWait is that time. 0 means 5 s.
	OutageWait time.Duration
}

const (
	defaultMaxRecords  = 1000
	greatestMaxRecords = 100_000 // of a command, beyond which the driver would make several
	defaultMaxBytes    = 8 << 20
	greatestMaxBytes   = 32 << 20 // of 48 MB, which have the filters too
	defaultHoldRecords = 20_000
	defaultHoldBytes   = 64 << 20
	defaultConnections = 8
	defaultTimeout     = 30 * time.Second
	defaultOutageWait  = 5 * time.Second
)

func (o Options[K, V]) withDefaults() Options[K, V] {
	o.MaxRecords, o.MaxBytes = cmp.Or(o.MaxRecords, defaultMaxRecords), cmp.Or(o.MaxBytes, defaultMaxBytes)
	o.HoldRecords, o.HoldBytes = cmp.Or(o.HoldRecords, defaultHoldRecords), cmp.Or(o.HoldBytes, defaultHoldBytes)
	o.Connections = cmp.Or(o.Connections, defaultConnections)
	o.Timeout, o.OutageWait = cmp.Or(o.Timeout, defaultTimeout), cmp.Or(o.OutageWait, defaultOutageWait)
	return o
}

// check returns everything that is wrong, but for the content of the URI.
func (o *Options[K, V]) check() error {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if err := connector.Negative(o); err != nil {
		wrong = append(wrong, err)
	}
	if o.URI.IsZero() {
		bad("URI is empty")
	}
	if err := checkDatabase(o.Database); err != nil {
		bad("Database: %w", err)
	}
	if (o.Collection == "") == (o.CollectionOf == nil) {
		bad("one of Collection and CollectionOf is needed")
	}
	if o.Collection != "" {
		if err := checkCollection(o.Database, o.Collection); err != nil {
			bad("Collection: %w", err)
		}
	}
	if o.Mode < Replace || o.Mode > Insert {
		bad("Mode %d is unknown", int8(o.Mode))
	}
	if o.Filter != nil && o.ID != nil {
		bad("only one of Filter and ID can be set")
	}
	if o.Filter != nil && o.Mode == Insert {
		bad("Filter is for Replace and Merge, and Mode is Insert")
	}
	if o.Filter != nil && o.Unordered {
		bad("Unordered is for documents with ids, and Filter is set")
	}
	if o.Many && (o.Filter == nil || o.Mode != Merge) {
		bad("Many is for Merge with a Filter")
	}
	if o.NoUpsert && o.Mode == Insert {
		bad("NoUpsert is for Replace and Merge, and Mode is Insert")
	}
	if o.Document != nil && o.Metadata != (Metadata{}) {
		bad("only one of Document and Metadata can be set")
	}
	if o.MaxRecords > greatestMaxRecords {
		bad("MaxRecords is %d, and at most %d are possible", o.MaxRecords, greatestMaxRecords)
	}
	if o.MaxBytes > greatestMaxBytes {
		bad("MaxBytes is %d, and at most %d are possible", o.MaxBytes, greatestMaxBytes)
	}
	return errors.Join(wrong...)
}

const (
	maxDatabase  = 63  // bytes
	maxNamespace = 255 // bytes of database, dot and collection
)

// checkDatabase reports whether MongoDB takes a name on each system.
func checkDatabase(name string) error {
	switch {
	case name == "":
		return errors.New("it is empty")
	case len(name) > maxDatabase:
		return fmt.Errorf("%q has %d bytes, and at most %d are possible", name, len(name), maxDatabase)
	case strings.ContainsAny(name, "/\\. \"$*<>:|?\x00") || !utf8.ValidString(name):
		return fmt.Errorf("%q is no name of a database: it has a space, or one of /\\.\"$*<>:|?", name)
	}
	return nil
}

// checkCollection reports whether a name is that of a collection for documents of users.
func checkCollection(database, name string) error {
	switch {
	case name == "":
		return errors.New("the name of the collection is empty")
	case !utf8.ValidString(name):
		return fmt.Errorf("the collection %q: %w", name, connector.ErrUTF8)
	case len(database)+1+len(name) > maxNamespace:
		return fmt.Errorf("the collection %q... is too long: it has %d bytes with its database, and at most %d are possible",
			strings.ToValidUTF8(name[:min(len(name), 32)], ""), len(database)+1+len(name), maxNamespace)
	case strings.ContainsAny(name, "$\x00") || strings.HasPrefix(name, "system.") || strings.Contains(name, ".system.") || strings.HasPrefix(name, ".") || strings.HasSuffix(name, "."):
		return fmt.Errorf("%q is no name of a collection: it has a dollar sign or a zero byte, begins or ends with a dot, or is of the system", name)
	}
	return nil
}
