package nats

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/secret"
)

// Options configure a sink of records with keys of type K and values of type V. URL and one of Prefix, Subject and SubjectOf are needed.
type Options[K, V any] struct {
	// URL is the address of a server, or of several, separated by commas: "nats://user:password@host:4222", "nats://token@host", or "tls://" for connections with TLS. Errors and
	// logs do not show passwords and tokens.
	URL secret.String
	// Credentials is a file with the JWT and the seed of a user (.creds). Empty means none.
	Credentials string
	// TLS has the settings of connections with TLS, as other authorities or a client certificate. nil means those of package crypto/tls.
	TLS *tls.Config

	// Prefix is put in front of the text of the record's key, which makes the subject; it ends with a dot: "sensors.". Records with a null key are refused.
	Prefix string
	// Subject is the one subject of all records.
	Subject string
	// SubjectOf returns the subject of a record. Subjects with wildcards, spaces or empty tokens, and those of the system, which begin with $ or _, are errors of their records.
	// It runs on the task's goroutine.
	SubjectOf func(r *weir.Record[K, V]) (string, error)
	// Stream is the stream that has to take the messages. Another one that takes the subject is an error. Empty means any.
	Stream string
	// Payload makes the payload of a message. nil takes texts and bytes as they are, and the JSON of other values. A null value is an empty payload.
	Payload func(r *weir.Record[K, V]) ([]byte, error)
	// Headers adds the headers of the record to the message. Headers whose names begin with "Nats-", which are instructions to the server, and names and values that cannot
	// be sent are errors of their records.
	Headers bool
	// ID returns the id of a message, by which a stream finds out in its duplicate window (2 minutes, if nothing else was set) that it has the message. Empty means none. nil gives no
	// message an id. See [OffsetID].
	ID func(r *weir.Record[K, V]) (string, error)

	// Window is how many messages a task sends before the first one has to be acknowledged. 0 means 4,000.
	Window int
	// HoldRecords and HoldBytes are how much a task may hold in memory before it asks for a checkpoint. 0 means 20,000, and 64 MiB.
	HoldRecords int
	HoldBytes   int64
	// MaxAge is how long a record may wait before its task asks for a checkpoint. 0 means until the next checkpoint of the runtime.
	MaxAge time.Duration

	// Timeout bounds the time to connect to a server, and to wait for each acknowledgement. 0 means 10 s.
	Timeout time.Duration
	// Retry is for messages without an acknowledgement: because the connection is broken, the stream has no leader or no space. When its attempts are used up,
	// the application holds its input back for OutageWait and goes on trying.
	Retry weir.Retry
	// OutageWait is that time. 0 means 5 s.
	OutageWait time.Duration
}

const (
	defaultWindow      = 4000
	defaultHoldRecords = 20_000
	defaultHoldBytes   = 64 << 20
	defaultTimeout     = 10 * time.Second
	defaultOutageWait  = 5 * time.Second
)

func (o Options[K, V]) withDefaults() Options[K, V] {
	o.Window = cmp.Or(o.Window, defaultWindow)
	o.HoldRecords, o.HoldBytes = cmp.Or(o.HoldRecords, defaultHoldRecords), cmp.Or(o.HoldBytes, defaultHoldBytes)
	o.Timeout, o.OutageWait = cmp.Or(o.Timeout, defaultTimeout), cmp.Or(o.OutageWait, defaultOutageWait)
	if o.Payload == nil {
		o.Payload = connector.Payload[K, V]()
	}
	return o
}

// OffsetID names each message after the input record that it comes from: TOPIC-PARTITION-OFFSET. It is for [Options.ID] of topologies that make at most one
// message of each input record, and none by timers: the stream would drop another one of the same record.
func OffsetID[K, V any](r *weir.Record[K, V]) (string, error) {
	return r.Origin.Topic + "-" + strconv.Itoa(int(r.Origin.Partition)) + "-" + strconv.FormatInt(r.Origin.Offset, 10), nil
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
	named := 0
	for _, set := range []bool{o.Prefix != "", o.Subject != "", o.SubjectOf != nil} {
		if set {
			named++
		}
	}
	if named != 1 {
		bad("one of Prefix, Subject and SubjectOf is needed")
	}
	if o.Prefix != "" {
		before, dot := strings.CutSuffix(o.Prefix, ".")
		if !dot {
			bad("Prefix %q does not end with a dot", o.Prefix)
		} else if err := checkSubject(before); err != nil {
			bad("Prefix: %w", err)
		}
	}
	if o.Subject != "" {
		if err := checkSubject(o.Subject); err != nil {
			bad("Subject: %w", err)
		}
	}
	if strings.ContainsAny(o.Stream, " .*>/\\\t\r\n\x00") {
		bad("Stream %q is no name of a stream: it has a space or one of .*>/\\", o.Stream)
	}
	return errors.Join(wrong...)
}

const maxSubject = 1024 // bytes; servers take longer lines only where they are told to

// checkSubject reports whether messages may be published under a subject.
func checkSubject(subject string) error {
	problem := ""
	switch {
	case subject == "":
		return errors.New("the subject is empty")
	case !utf8.ValidString(subject):
		return fmt.Errorf("the subject %q: %w", subject, connector.ErrUTF8)
	case len(subject) > maxSubject:
		return fmt.Errorf("the subject %q... has %d bytes, and at most %d are possible", strings.ToValidUTF8(subject[:32], ""), len(subject), maxSubject)
	case strings.ContainsFunc(subject, func(c rune) bool { return c <= ' ' || c == 0x7f }):
		problem = "it has a space or a control character"
	case strings.ContainsAny(subject, "*>"):
		problem = "it has a wildcard"
	case subject[0] == '$' || subject[0] == '_':
		problem = "it begins with $ or _, as those of the system do"
	case strings.HasPrefix(subject, ".") || strings.HasSuffix(subject, ".") || strings.Contains(subject, ".."):
		problem = "it has an empty token"
	}
	if problem == "" {
		return nil
	}
	return fmt.Errorf("%q is no subject for messages: %s", subject, problem)
}
