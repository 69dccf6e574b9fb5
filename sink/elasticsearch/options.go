package elasticsearch

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/secret"
)

// Mode says how documents are written.
type Mode int8

const (
	// Replace makes a document or replaces the one with the same id. A null value deletes it.
	Replace Mode = iota
	// Merge makes a document or replaces the fields that the new one has. A null value deletes it. Records need an id.
	Merge
	// Append makes a document, and keeps one that has the same id already. Data streams take no other mode. A null value is refused.
	Append
)

// String returns the name of the mode.
func (m Mode) String() string {
	names := []string{"Replace", "Merge", "Append"}
	if m < 0 || int(m) >= len(names) {
		return fmt.Sprintf("Mode(%d)", int8(m))
	}
	return names[m]
}

// Metadata names fields that documents get of their records. An empty name leaves the field out. A field takes the place of one of the value.
type Metadata struct {
	// Key is the text of the key, or null.
	Key string
	// Time is the time of the record in milliseconds since 1970, which fields of type date take. Data streams need a field @timestamp.
	Time string
	// Headers is an object with the headers of the record. Of several headers with one name the last one counts.
	Headers string
	// Topic, Partition and Offset are those of the input record.
	Topic, Partition, Offset string
}

// Options configure a sink of records with keys of type K and values of type V. One of Index and IndexOf is needed. The zero value of everything else
// writes the JSON of values as documents. The texts of the keys are their ids.
type Options[K, V any] struct {
	// Index is the index, data stream or alias of all documents.
	Index string
	// IndexOf returns the index of a record. It takes the place of Index. Names that a service would not take as they are, or that begin with a dot, are
	// errors of their records. It runs on the task's goroutine.
	IndexOf func(r *weir.Record[K, V]) (string, error)
	// CreateIndex is the body of the request that makes Index if it is missing, with its mappings and settings: "{}" leaves all to the service.
	// CreateDataStream makes a data stream in place of it. Without either Index has to exist.
	CreateIndex      string
	CreateDataStream bool

	// Mode says how documents are written. The zero value is Replace.
	Mode Mode
	// ID returns the id of a document, of at most 512 bytes. No text means that the service makes one, so that a record that is processed again is a
	// second document. nil takes the text of the key, and no text for null keys and for Append.
	ID func(r *weir.Record[K, V]) (string, error)
	// Version returns the version of a document, or of its deletion, for Replace: the service keeps a document that has a greater one, and the record
	// counts as written. It must not be negative. Records need an id. nil means that the last writer wins. See [OffsetVersion].
	Version func(r *weir.Record[K, V]) (int64, error)
	// Document returns the JSON object of a record; nil deletes the document, as a null value does. It is called for null values too. nil takes the JSON of
	// the value; a value that is no object becomes the field "value" of one. It runs on the task's goroutine.
	Document func(r *weir.Record[K, V]) ([]byte, error)
	// Metadata names fields of the record that are added to the document of its value. It does not go with Document.
	Metadata Metadata
	// Routing returns the text that decides the shard of a document, in place of its id. No text means the id.
	Routing func(r *weir.Record[K, V]) (string, error)
	// Pipeline is the ingest pipeline that documents go through. Empty means that of the index.
	Pipeline string

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

	// MaxRecords and MaxBytes bound the documents of one request, before compression. A single document may be larger. 0 means 5,000, and 5 MiB.
	MaxRecords int
	MaxBytes   int64
	// HoldRecords and HoldBytes are how much a task may hold in memory before it asks for a checkpoint. 0 means 20,000, and 64 MiB.
	HoldRecords int
	HoldBytes   int64
	// MaxAge is how long a record may wait before its task asks for a checkpoint. 0 means until the next checkpoint of the runtime.
	MaxAge time.Duration

	// Timeout bounds one attempt of a request, with its answer. 0 means 1 minute.
	Timeout time.Duration
	// Retry is for requests without an answer, and for requests and documents that the service cannot take for now. When its attempts are used up, the
	// application holds its input back for OutageWait and goes on trying.
	Retry weir.Retry
	// OutageWait is that time. 0 means 5 s.
	OutageWait time.Duration
}

const (
	defaultMaxRecords  = 5000
	defaultMaxBytes    = 5 << 20
	defaultHoldRecords = 20_000
	defaultHoldBytes   = 64 << 20
	defaultTimeout     = time.Minute
	defaultOutageWait  = 5 * time.Second
)

func (o Options[K, V]) withDefaults() Options[K, V] {
	o.MaxRecords, o.MaxBytes = cmp.Or(o.MaxRecords, defaultMaxRecords), cmp.Or(o.MaxBytes, defaultMaxBytes)
	o.HoldRecords, o.HoldBytes = cmp.Or(o.HoldRecords, defaultHoldRecords), cmp.Or(o.HoldBytes, defaultHoldBytes)
	o.Timeout, o.OutageWait = cmp.Or(o.Timeout, defaultTimeout), cmp.Or(o.OutageWait, defaultOutageWait)
	return o
}

// check returns everything that is wrong.
func (o *Options[K, V]) check() error {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if err := connector.Negative(o); err != nil {
		wrong = append(wrong, err)
	}
	if (o.Index == "") == (o.IndexOf == nil) {
		bad("one of Index and IndexOf is needed")
	}
	if o.Index != "" {
		if err := checkIndex(o.Index); err != nil {
			bad("Index: %w", err)
		}
	}
	if o.Mode < Replace || o.Mode > Append {
		bad("Mode %d is unknown", int8(o.Mode))
	}
	if o.Version != nil && o.Mode != Replace {
		bad("Version is for Replace, and Mode is %v", o.Mode)
	}
	if o.Document != nil && o.Metadata != (Metadata{}) {
		bad("only one of Document and Metadata can be set")
	}
	if (o.CreateIndex != "" || o.CreateDataStream) && o.Index == "" {
		bad("CreateIndex and CreateDataStream are for Index, which is empty")
	}
	if o.CreateIndex != "" && o.CreateDataStream {
		bad("only one of CreateIndex and CreateDataStream can be set")
	}
	if o.CreateIndex != "" && !json.Valid([]byte(o.CreateIndex)) {
		bad("CreateIndex is not valid JSON")
	}
	if o.CreateDataStream && o.Mode != Append {
		bad("a data stream needs the mode Append, and Mode is %v", o.Mode)
	}
	return errors.Join(wrong...)
}
