package registry

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/weirstreams/weir/codec"
)

// Find says how a codec that writes comes to the id of its schema.
type Find uint8

const (
	// AutoRegister registers the schema unless it is there. It is the default.
	AutoRegister Find = iota
	// LookUp takes the schema if it is there, and fails otherwise.
	LookUp
	// UseLatest writes with the latest version of the subject instead of the schema of the format.
	UseLatest
)

// Options of a codec. The zero value has the defaults of Confluent's clients.
type Options struct {
	// Find says where the id of the schema comes from.
	Find Find
	// Normalize lets the registry take schemas for the same that differ in their spelling only.
	Normalize bool
	// Subject names the subject. The default is [TopicName].
	Subject SubjectName
	// ReferenceSubject names the subjects of schemas that are referred to. The default is the name of the reference.
	ReferenceSubject SubjectOfReference
}

// Of returns a codec that frames the payloads of a format.
//
// Append fails, and the application ends (see [codec.ErrUnavailable]), if the registry refuses the schema: an
// incompatible schema is the fault of no record. Both methods fail with [codec.ErrOutage] if the registry does not answer:
// the application waits for it, and no policy gets to see the record. An unknown id is an error of the record; it is asked
// for again after half a minute.
//
// The registry is asked when a schema comes for the first time, by the goroutine that runs the task. That takes at most
// twice [Config.Timeout], with all that is repeated.
//
// A codec of keys must write the same bytes for the same key: see the format on that, and note that the bytes, and so
// the partition, change with the schema.
func Of[T any](client *Client, format Format[T], options Options) codec.Codec[T] {
	if options.Subject == nil {
		options.Subject = TopicName
	}
	f := framed[T]{&state[T]{client: client, format: format, options: options, schema: format.Schema()}}
	_, f.saysNull = format.(codec.NullEncoding)
	if nuller, ok := format.(codec.Nuller[T]); ok {
		return framedNuller[T]{f, nuller}
	}
	return f
}

type framed[T any] struct{ *state[T] }

type framedNuller[T any] struct {
	framed[T]
	codec.Nuller[T]
}

type state[T any] struct {
	client  *Client
	format  Format[T]
	options Options
	schema  Schema
	// saysNull says that payloads of the format can say null.
	saysNull bool

	writers cache[place, *writer[T]]
	readers cache[key, *reader[T]]
	// lastWriter and lastReader spare the search: they are nearly always the same as for the record before.
	lastWriter atomic.Pointer[writer[T]]
	lastReader atomic.Pointer[reader[T]]
}

// place is where something is written.
type place struct {
	topic string
	part  codec.Part
}

type writer[T any] struct {
	place
	id    uint32
	codec codec.Codec[T]
	err   error
}

type reader[T any] struct {
	key
	codec codec.Codec[T]
	err   error
	until time.Time // when err is no longer to be believed
}

func (s *state[T]) Append(dst []byte, c *codec.Context, v T) ([]byte, error) {
	var at place
	if c != nil {
		at = place{c.Topic, c.Part}
	}
	w := s.lastWriter.Load()
	if w == nil || w.place != at {
		w = s.writers.get(at, func(*writer[T]) bool { return true }, func() (*writer[T], bool) {
			w := s.newWriter(at)
			return w, w.err == nil
		})
		if w.err != nil {
			return dst, codec.Failed[T](codec.Encode, c, w.err)
		}
		s.lastWriter.Store(w)
	}
	out, err := w.codec.Append(appendFrame(dst, w.id), c, v)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// newWriter finds or registers the schema.
func (s *state[T]) newWriter(at place) *writer[T] {
	w := &writer[T]{place: at}
	registered, err := s.find(at)
	if err != nil {
		w.err = unavailable{err}
		return w
	}
	w.id = uint32(registered.ID)
	if w.codec, err = s.format.Writer(registered.Schema); err != nil {
		w.err = unavailable{fmt.Errorf("write with schema %d: %w", registered.ID, err)}
	}
	return w
}

func (s *state[T]) find(at place) (Registered, error) {
	ctx, cancel := s.client.brief()
	defer cancel()
	subject, err := s.options.Subject(at.topic, at.part, s.schema.Name)
	if err != nil {
		return Registered{}, err
	}
	if s.options.Find == UseLatest {
		return s.client.Latest(ctx, subject)
	}
	if s.schema.Text == "" {
		return Registered{}, errors.New("the format has no schema to write with")
	}
	if s.options.Find == LookUp {
		found, err := s.client.Lookup(ctx, subject, s.schema, s.options.Normalize, s.options.ReferenceSubject)
		found.Schema = s.schema
		return found, err
	}
	id, err := s.client.Register(ctx, subject, s.schema, s.options.Normalize, s.options.ReferenceSubject)
	return Registered{Schema: s.schema, ID: id, Subject: subject}, err
}

func (s *state[T]) Decode(c *codec.Context, data []byte) (T, error) {
	var zero T
	k, between, payload, err := parseFrame(c, data)
	if err != nil {
		return zero, codec.Failed[T](codec.Decode, c, err)
	}
	r := s.lastReader.Load()
	if r == nil || r.key != k {
		r = s.readers.get(k, func(r *reader[T]) bool { return r.err == nil || time.Now().Before(r.until) },
			func() (*reader[T], bool) { return s.newReader(c, k) })
		if r.err != nil {
			return zero, codec.Failed[T](codec.Decode, c, r.err)
		}
		s.lastReader.Store(r)
	}
	if len(between) > 0 {
		payload = append(append(make([]byte, 0, len(between)+len(payload)), between...), payload...)
	}
	return r.codec.Decode(c, payload)
}

// IsNullEncoding implements [codec.NullEncoding]. It asks the codec that has read or written the payload.
func (s *state[T]) IsNullEncoding(c *codec.Context, data []byte) bool {
	if !s.saysNull {
		return false
	}
	k, between, payload, err := parseFrame(c, data)
	if err != nil || len(between) > 0 {
		return false
	}
	var of codec.Codec[T]
	if w := s.lastWriter.Load(); w != nil && !k.byGUID && w.id == k.id && c != nil && w.place == (place{c.Topic, c.Part}) {
		of = w.codec
	} else if r := s.lastReader.Load(); r != nil && r.key == k {
		of = r.codec
	} else if r, ok := s.readers.find(k); ok && r.err == nil {
		of = r.codec
	}
	encoding, ok := of.(codec.NullEncoding)
	return ok && encoding.IsNullEncoding(c, payload)
}

// believed is how long an answer "not found" of the registry counts.
const believed = 30 * time.Second

// newReader makes the reader of a schema. Errors of the record are remembered, so that garbage does not flood the
// registry.
func (s *state[T]) newReader(c *codec.Context, k key) (r *reader[T], remember bool) {
	r = &reader[T]{key: k}
	var asked error
	r.codec, r.err = s.format.Reader(func() (Schema, error) {
		var schema Schema
		if schema, asked = s.fetch(c, k); asked != nil {
			return Schema{}, asked
		}
		return schema, nil
	})
	if r.err == nil {
		return r, true
	}
	if status, _ := StatusCode(asked); asked != nil && status != http.StatusNotFound {
		r.err = unavailable{r.err}
		return r, false
	}
	r.until = time.Now().Add(believed)
	return r, true
}

func (s *state[T]) fetch(c *codec.Context, k key) (Schema, error) {
	ctx, cancel := s.client.brief()
	defer cancel()
	if k.byGUID {
		return s.client.ByGUID(ctx, k.guid)
	}
	subject := ""
	if c != nil {
		// For the formats that read, the name of the record may not be known; then the registry has to do without.
		subject, _ = s.options.Subject(c.Topic, c.Part, s.schema.Name)
	}
	return s.client.ByID(ctx, int(k.id), subject)
}

// FormatHeaders implements codec.HeaderReader.
func (s *state[T]) FormatHeaders(part codec.Part) []string { return []string{schemaHeader(part)} }
