package http

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
)

// Form is the form of a request's body.
type Form int8

const (
	// Array is a JSON array with an element for each record.
	Array Form = iota
	// Lines is a line of JSON for each record.
	Lines
)

// Options configures [New]. The zero value sends JSON arrays of values by POST.
type Options[K, V any] struct {
	// Method is POST, PUT or PATCH. Empty means POST.
	Method string
	// Item appends the text of a record in the body. nil means the JSON of its value, and null for a null. Its error is one of the record, and so is an empty text unless there is a Body. It
	// runs on the task's goroutine.
	Item func(dst []byte, r weir.Record[K, V]) ([]byte, error)
	// Form says how items make a body. Body, if it is not nil, makes it by a function; items are valid until it returns.
	Form Form
	Body func(items [][]byte) ([]byte, error)
	// ContentType is that of the body. Empty means application/json, or application/x-ndjson for Lines.
	ContentType string
	// Headers are headers of each request. Those with a secret belong in Auth.
	Headers http.Header
	// Auth holds the credentials of the requests. The zero value has none.
	Auth Auth
	// Insecure lets Auth go over a connection without TLS to a host other than this one.
	Insecure bool
	// Gzip compresses bodies. The service has to understand Content-Encoding.
	Gzip bool

	// MaxRecords is the greatest number of records in a request. Requests end where offsets are multiples of it, so that they are the same after a
	// crash; some are smaller therefore. 0 means 500.
	MaxRecords int
	// MaxBytes bounds the items of a request, before compression. A single item may be larger. 0 means 1 MiB.
	MaxBytes int
	// HoldRecords and HoldBytes are how much a task may hold in memory before it asks for a checkpoint. 0 means 10,000 and 64 MiB.
	HoldRecords int
	HoldBytes   int64
	// MaxAge is how long a record may wait before its task asks for a checkpoint. 0 means until the next checkpoint of the runtime.
	MaxAge time.Duration

	// Timeout bounds one attempt of a request, with its answer. 0 means 30 s.
	Timeout time.Duration
	// Retry says how often a request is made again at once, after an error of the connection, a timeout, or a status of 408 or 500 and more. When
	// the attempts are over the worker holds its input back for OutageWait, and tries again: an outage loses nothing and ends no run.
	Retry weir.Retry
	// OutageWait is that time. 0 means 5 s.
	OutageWait time.Duration
	// IdempotencyHeader is the header with the idempotency key. Empty means Idempotency-Key, and "-" none.
	IdempotencyHeader string
	// Refused finds records that the service has refused, in an answer with a status of 200 to 299, or 400 and more that says
	// that the request is wrong. All other records count as written then. nil records mean that the status decides. An
	// error says that the answer was not understood: the request counts as failed, and the run ends.
	Refused func(a Answer) (sink.RecordErrors, error)

	// TLS has the settings of connections with https. nil means those of package crypto/tls.
	TLS *tls.Config
	// Proxy is the address of a proxy. The zero value means none, also if the environment names one.
	Proxy secret.URL
	// Health is an address that Connect asks by GET, with Auth: the answer must have a status of 200 to 299. Empty means that Connect only opens a
	// connection to the service.
	Health string
}

// Answer is the answer of the service to a request.
type Answer struct {
	Status int
	Header http.Header
	// Body is at most 1 MiB long.
	Body []byte
	// Records is the number of records in the request.
	Records int
}

const (
	defaultMaxRecords  = 500
	defaultMaxBytes    = 1 << 20
	defaultHoldRecords = 10_000
	defaultHoldBytes   = 64 << 20
	defaultTimeout     = 30 * time.Second
	defaultOutageWait  = 5 * time.Second
	defaultKeyHeader   = "Idempotency-Key"
	noKeyHeader        = "-"
)

func (o Options[K, V]) withDefaults() Options[K, V] {
	if o.Method == "" {
		o.Method = http.MethodPost
	}
	if o.Item == nil {
		o.Item = appendValue[K, V]
	}
	if o.ContentType == "" {
		o.ContentType = "application/json"
		if o.Form == Lines {
			o.ContentType = "application/x-ndjson"
		}
	}
	if o.IdempotencyHeader == "" {
		o.IdempotencyHeader = defaultKeyHeader
	}
	o.MaxRecords, o.MaxBytes = cmp.Or(o.MaxRecords, defaultMaxRecords), cmp.Or(o.MaxBytes, defaultMaxBytes)
	o.HoldRecords, o.HoldBytes = cmp.Or(o.HoldRecords, defaultHoldRecords), cmp.Or(o.HoldBytes, defaultHoldBytes)
	o.Timeout, o.OutageWait = cmp.Or(o.Timeout, defaultTimeout), cmp.Or(o.OutageWait, defaultOutageWait)
	return o
}

// appendValue is the default of Options.Item.
func appendValue[K, V any](dst []byte, r weir.Record[K, V]) ([]byte, error) {
	if r.ValueNull {
		return append(dst, "null"...), nil
	}
	data, err := json.Marshal(r.Value)
	return append(dst, data...), err
}

// body makes a body of items.
func (o *Options[K, V]) body(items [][]byte) ([]byte, error) {
	if o.Body != nil {
		return o.Body(items)
	}
	size := 2
	for _, item := range items {
		size += len(item) + 1
	}
	body := make([]byte, 0, size)
	if o.Form == Lines {
		for _, item := range items {
			body = append(append(body, item...), '\n')
		}
		return body, nil
	}
	body = append(body, '[')
	for i, item := range items {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, item...)
	}
	return append(body, ']'), nil
}
