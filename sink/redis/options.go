package redis

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
)

// Kind is the kind of Redis value that records are written to.
type Kind int8

const (
	// String sets a string (SET). A null value deletes it.
	String Kind = iota
	// Hash replaces a hash by the fields of the value (DEL, HSET). Fields that are null are left out. A null value deletes the hash.
	Hash
	// HashMerge sets the fields of the value in a hash (HSET), and removes the fields that are null (HDEL). A null value deletes the hash.
	HashMerge
	// Set adds the value to a set (SADD). A null value is refused.
	Set
	// Stream appends an entry with the fields of the value to a stream (XADD). A null value has the fields of the key and the time alone.
	Stream
	// Publish sends the value to the subscribers of a channel (PUBLISH). Redis keeps no message for others. A null value is refused.
	Publish
)

// String returns the name of the kind.
func (k Kind) String() string {
	names := []string{"String", "Hash", "HashMerge", "Set", "Stream", "Publish"}
	if k < 0 || int(k) >= len(names) {
		return fmt.Sprintf("Kind(%d)", int8(k))
	}
	return names[k]
}

// Command is a command of Redis with its arguments: texts, bytes, integers, floats and booleans.
type Command []any

// NoField leaves a field of the metadata out.
const NoField = "-"

const (
	defaultKeyField    = "__key"
	defaultTimeField   = "timestamp"
	defaultOncePrefix  = "weir:written:"
	defaultOnceFor     = 7 * 24 * time.Hour
	defaultTimeout     = 10 * time.Second
	defaultConnections = 8
	defaultMaxRecords  = 1000
	defaultMaxBytes    = 1 << 20
	defaultHoldRecords = 10_000
	defaultHoldBytes   = 64 << 20
)

// Options configure a sink of records with keys of type K and values of type V. URL is needed. The zero value of everything else sets strings that are
// named after the keys of the records.
type Options[K, V any] struct {
	// URL is the address of the server: "redis://user:password@host:6379/0", or "rediss://" with TLS. Errors and logs do not show its password.
	URL secret.String
	// Cluster says that the server is a node of a Redis Cluster. Addresses are further nodes ("host:port"), which are asked if the first one is away.
	Cluster   bool
	Addresses []string
	// TLS has the settings of connections with TLS, as other authorities or a client certificate. nil means those of package crypto/tls.
	TLS *tls.Config

	// Kind is the kind of value that is written.
	Kind Kind
	// Commands makes the commands of a record, and takes the place of Kind. They run in order. Several of them run at once for others: nobody
	// sees a part of them. The first argument of each is taken for its key; in a cluster all keys of a record have to be in one slot.
	// Commands that change the connection or wait (MULTI, SUBSCRIBE, BLPOP and others) are refused. No commands means that nothing is written. An
	// error is one of the record. It runs on the task's goroutine.
	Commands func(r *weir.Record[K, V]) ([]Command, error)

	// Prefix is put in front of the text of the record's key, which makes the name of the string, hash, set, stream or channel. Records with a null key
	// are refused.
	Prefix string
	// Name is the one name for all records, in place of Prefix and key.
	Name string
	// Key returns the name for a record, in place of Prefix and key. An error is one of the record.
	Key func(r *weir.Record[K, V]) (string, error)
	// Value makes the bytes of String, Set and Publish. nil takes texts and bytes as they are, and the JSON of other values. A nil result is a null value.
	Value func(r *weir.Record[K, V]) ([]byte, error)
	// Fields makes the fields of Hash, HashMerge and Stream. nil takes those of the value: of a row.Row, of structs and maps by their JSON names; any other
	// value is one field "value". A nil row is a null value. Texts are written as they are, and other values as JSON.
	Fields func(r *weir.Record[K, V]) (row.Row, error)
	// KeyField and TimeField are fields of Stream with the text of the record's key, and its time in milliseconds since 1970. Empty means "__key" and
	// "timestamp", and NoField means that there is no such field.
	KeyField, TimeField string
	// TTL is the time to live of a string, hash, set or stream, from its last write on. 0 means for ever. TTLOf returns it for a record, and takes the
	// place of TTL.
	TTL   time.Duration
	TTLOf func(r *weir.Record[K, V]) (time.Duration, error)
	// MaxLength is about how many entries a stream keeps (MAXLEN ~). 0 means all.
	MaxLength int64

	// Once writes a record that is processed again after a crash only if it was not written before. Redis keeps the names of the records that
	// may come again, about 100 bytes for each, in sorted sets whose names begin with OncePrefix (empty means "weir:written:"). They are removed when the
	// checkpoint of their records has committed, or after OnceFor (0 means 7 days) without a write. A record that differs from that of
	// the first time is written.
	Once       bool
	OncePrefix string
	OnceFor    time.Duration

	// MaxRecords and MaxBytes bound the records of one round trip. A single record may be larger. 0 means 1,000, and 1 MiB.
	MaxRecords int
	MaxBytes   int64
	// HoldRecords and HoldBytes are how much a task may hold in memory before it asks for a checkpoint. 0 means 10,000, and 64 MiB.
	HoldRecords int
	HoldBytes   int64
	// MaxAge is how long a record may wait before its task asks for a checkpoint. 0 means until the next checkpoint of the runtime.
	MaxAge time.Duration

	// Timeout bounds the time to connect, and that of each round trip. 0 means 10 s.
	Timeout time.Duration
	// Connections is the greatest number of connections to a node. 0 means 8.
	Connections int
	// Retry is for round trips that fail because the server is away, is loading, out of memory or a replica. When its attempts are used up, the
	// application holds its input back and goes on trying. If is not used.
	Retry weir.Retry
}

func or[T int | int64 | time.Duration](v, standard T) T {
	if v == 0 {
		return standard
	}
	return v
}

// check fills in the defaults and returns everything that is wrong.
func (o *Options[K, V]) check() error {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if o.URL.IsZero() {
		bad("URL is empty")
	}
	if len(o.Addresses) > 0 && !o.Cluster {
		bad("Addresses are those of a cluster: set Cluster")
	}
	for _, address := range o.Addresses {
		if _, _, err := net.SplitHostPort(address); err != nil || strings.Contains(address, "@") {
			bad("an element of Addresses is no host:port")
		}
	}
	if o.Kind < String || o.Kind > Publish {
		bad("Kind %d is unknown", int8(o.Kind))
	}
	o.checkNames(bad)
	if o.KeyField == "" {
		o.KeyField = defaultKeyField
	}
	if o.TimeField == "" {
		o.TimeField = defaultTimeField
	}
	if o.OncePrefix == "" {
		o.OncePrefix = defaultOncePrefix
	}
	if strings.ContainsAny(o.OncePrefix, "{}") {
		bad("OncePrefix %q: a cluster reads braces as the slot", o.OncePrefix)
	}
	if err := connector.Negative(o); err != nil {
		wrong = append(wrong, err)
	}
	o.MaxRecords, o.MaxBytes = cmp.Or(o.MaxRecords, defaultMaxRecords), cmp.Or(o.MaxBytes, defaultMaxBytes)
	o.HoldRecords, o.HoldBytes = cmp.Or(o.HoldRecords, defaultHoldRecords), cmp.Or(o.HoldBytes, defaultHoldBytes)
	o.Timeout, o.Connections, o.OnceFor = cmp.Or(o.Timeout, defaultTimeout), cmp.Or(o.Connections, defaultConnections), cmp.Or(o.OnceFor, defaultOnceFor)
	return errors.Join(wrong...)
}

// checkNames checks the options that say which commands are made.
func (o *Options[K, V]) checkNames(bad func(format string, args ...any)) {
	if o.Commands != nil && (o.Kind != String || o.Prefix != "" || o.Name != "" || o.Key != nil || o.Value != nil || o.Fields != nil || o.TTL != 0 || o.TTLOf != nil || o.MaxLength != 0) {
		bad("Commands takes the place of Kind, Prefix, Name, Key, Value, Fields, TTL, TTLOf and MaxLength, which must not be set")
	}
	named := 0
	for _, set := range []bool{o.Prefix != "", o.Name != "", o.Key != nil} {
		if set {
			named++
		}
	}
	if named > 1 {
		bad("only one of Prefix, Name and Key can be set")
	}
	fields := o.Kind == Hash || o.Kind == HashMerge || o.Kind == Stream
	if o.Value != nil && fields {
		bad("Value is for String, Set and Publish, and Kind is %v: set Fields", o.Kind)
	}
	if o.Fields != nil && !fields {
		bad("Fields is for Hash, HashMerge and Stream, and Kind is %v: set Value", o.Kind)
	}
	switch {
	case o.TTL != 0 && o.TTLOf != nil:
		bad("only one of TTL and TTLOf can be set")
	case (o.TTL != 0 || o.TTLOf != nil) && o.Kind == Publish:
		bad("TTL: Redis does not keep what is published")
	case o.TTL < 0 || o.TTL > 0 && o.TTL < time.Millisecond:
		bad("TTL is %v: Redis counts in milliseconds", o.TTL)
	}
	if o.MaxLength < 0 || o.MaxLength > 0 && o.Kind != Stream {
		bad("MaxLength is a positive number of entries of a Stream")
	}
}
