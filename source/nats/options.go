package nats

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/secret"
)

// Message is a message of a stream. Its memory is not used again.
type Message struct {
	Subject string
	Payload []byte
	Headers map[string][]string
	// Sequence is the number of the message in the stream, and Time the time at which the stream took it.
	Sequence uint64
	Time     time.Time
}

// Options configure a source of records with keys of type K and values of type V. URL and Stream are needed.
type Options[K, V any] struct {
	// URL is the address of a server, or of several, separated by commas: "nats://user:password@host:4222", "nats://token@host", or "tls://" for connections with TLS. Errors and
	// logs do not show passwords and tokens.
	URL secret.String
	// Credentials is a file with the JWT and the seed of a user (.creds). Empty means none.
	Credentials string
	// TLS has the settings of connections with TLS, as other authorities or a client certificate. nil means those of package crypto/tls.
	TLS *tls.Config

	// Stream is the stream. It has to keep its messages until a limit is reached: work queues, and streams that drop what their consumers have acknowledged, are refused.
	Stream string
	// Subjects are those of the messages that are read, with wildcards: "sensors.*". None means all of the stream.
	Subjects []string
	// Since is the time of the first message that is read by a source without a position. The zero value means the first message of the stream.
	Since time.Time

	// Record makes the record of a message. nil makes the subject the key, and the payload the value: texts and bytes as they are, and other types by JSON, with a null value for an
	// empty payload. The time is that of the message.
	Record func(m Message) (weir.Record[K, V], error)
	// Headers adds the headers of the message to the record.
	Headers bool
	// SkipInvalid logs a message without a record, and goes on. Without it the run ends with the error.
	SkipInvalid bool

	// Timeout bounds the time to connect to a server, and that of each request. 0 means 10 s.
	Timeout time.Duration
}

const defaultTimeout = 10 * time.Second

func (o Options[K, V]) withDefaults() Options[K, V] {
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	if o.Record == nil {
		record := connector.RecordOf[K, V]("subject")
		o.Record = func(m Message) (weir.Record[K, V], error) { return record(m.Subject, m.Payload) }
	}
	return o
}

// check returns everything that is wrong, but for the content of the URL.
func (o *Options[K, V]) check() error {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if err := connector.Negative(o); err != nil {
		wrong = append(wrong, err)
	}
	if o.URL.IsZero() {
		bad("URL is empty")
	}
	if o.Stream == "" {
		bad("Stream is empty")
	}
	if strings.ContainsAny(o.Stream, " .*>/\\\t\r\n\x00") {
		bad("Stream %q is no name of a stream: it has a space or one of .*>/\\", o.Stream)
	}
	for _, s := range o.Subjects {
		if s == "" || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == 0x7f }) || strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") || strings.Contains(s, "..") {
			bad("%q in Subjects is no subject: it is empty, or has a space, a control character or an empty token", s)
		}
	}
	return errors.Join(wrong...)
}
