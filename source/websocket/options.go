package websocket

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source"
)

// Options configures [New]. The zero value decodes JSON to values with null keys, and sends nothing to the server.
type Options[K, V any] struct {
	// Decode appends the records of a message to a batch: none for a message without data, such as a heartbeat. It sets into.Position if the server
	// can send the messages behind a position again, or wants to hear of it by Acknowledge. An error ends the run. Decode is called by the goroutine of the
	// connection's split; the memory of the message is not used again. nil means one record: a null key, and the JSON of the message as the value.
	Decode func(m Message, into *source.Batch[K, V]) error
	// Subscribe is called after each connect, before messages are read. It sends subscriptions, and may wait for their answers. An error closes the
	// connection and counts as a failed attempt. nil sends nothing. [SendTexts] makes a function that sends texts.
	Subscribe func(ctx context.Context, s *Session) error
	// Acknowledge returns the message that tells the server that all messages up to a position are committed. nil sends none.
	Acknowledge func(position []byte) Message
	// Channels are parts of the server's data that are read by connections of their own, so that the members of the group share them: Subscribe gets
	// the name of the channel (Session.Channel), and Decode too (Message.Channel). Empty means one connection.
	Channels []string
	// StopAtClose takes a close of the server with status 1000 (normal closure) for the end of the data. By default, and after any other
	// close, the connection is opened again.
	StopAtClose bool

	// Auth holds the credentials of the handshake. The zero value has none. A query of the address may have secrets too: it is never shown.
	Auth Auth
	// Insecure lets Auth, or a query, go over a connection without TLS to a host other than this one.
	Insecure bool
	// Headers are headers of the handshake. Those with a secret belong in Auth.
	Headers http.Header
	// Subprotocols are offered to the server, the best first. A server that chooses none of them is refused.
	Subprotocols []string
	// TLS has the settings of connections with wss. nil means those of package crypto/tls, which checks the certificate of the server.
	TLS *tls.Config
	// Proxy is the address of a proxy. The zero value means none, also if the environment names one.
	Proxy secret.URL
	// Compress offers the compression of messages (permessage-deflate).
	Compress bool

	// Timeout bounds the connect with its handshake, and Subscribe. 0 means 30 s.
	Timeout time.Duration
	// PingInterval is how often a ping is sent. A connection without an answer for PongTimeout is closed and opened again. 0 means 20 s and 10 s, and
	// less than 0 that no ping is sent.
	PingInterval, PongTimeout time.Duration
	// Heartbeat is a text that is sent every PingInterval in place of a ping, for servers that want one. Its answer is a message like others: set
	// IdleTimeout to notice that none comes.
	Heartbeat string
	// IdleTimeout is how long the server may send no message at all before the connection is opened again. 0 means for ever: pings notice a connection
	// that is lost.
	IdleTimeout time.Duration
	// MaxMessageBytes bounds a message, after decompression. A longer one ends the run. 0 means 1 MiB.
	MaxMessageBytes int64
	// BufferBytes bounds the messages of a connection that wait to be decoded: as much again is being decoded, and a message more may be held. When the
	// buffer is full no more is received, and the server has to wait. 0 means 4 MiB.
	BufferBytes int64
}

// Message is a message of the server, or one for it.
type Message struct {
	Data []byte
	// Binary tells a binary message from a text.
	Binary bool
	// Channel is the one of Options.Channels that the message has come from. It is empty without Channels, and in messages that are sent.
	Channel string
}

// Text returns a text as a message.
func Text(text string) Message { return Message{Data: []byte(text)} }

const (
	defaultTimeout      = 30 * time.Second
	defaultPingInterval = 20 * time.Second
	defaultPongTimeout  = 10 * time.Second
	defaultMaxMessage   = 1 << 20
	defaultBuffer       = 4 << 20
	// bufferMessages bounds the number of messages of a connection that are received and not decoded yet.
	bufferMessages = 10_000
)

func (o Options[K, V]) withDefaults() Options[K, V] {
	if o.Decode == nil {
		o.Decode = decodeJSON[K, V]
	}
	if o.PingInterval == 0 {
		o.PingInterval = defaultPingInterval
	}
	o.Timeout, o.PongTimeout = cmp.Or(o.Timeout, defaultTimeout), cmp.Or(o.PongTimeout, defaultPongTimeout)
	o.MaxMessageBytes, o.BufferBytes = cmp.Or(o.MaxMessageBytes, defaultMaxMessage), cmp.Or(o.BufferBytes, defaultBuffer)
	return o
}

// decodeJSON is the default of Options.Decode.
func decodeJSON[K, V any](m Message, into *source.Batch[K, V]) error {
	r := weir.Record[K, V]{KeyNull: true}
	if err := json.Unmarshal(m.Data, &r.Value); err != nil {
		return err
	}
	into.Records = append(into.Records, r)
	return nil
}

// check returns all mistakes of the address and the options.
func (s *Source[K, V]) check() error {
	o := &s.options
	var found []error
	bad := func(format string, args ...any) { found = append(found, fmt.Errorf(format, args...)) }
	target, err := s.parse()
	if err != nil {
		found = append(found, err)
	}
	if err := connector.Negative(o, "PingInterval"); err != nil {
		bad("Options: %w", err)
	}
	for i, name := range o.Channels {
		if name == "" || slices.Contains(o.Channels[:i], name) {
			bad("Options.Channels: the name %q is empty or there twice", name)
		}
	}
	for name, values := range o.Headers {
		for _, value := range values {
			if !web.ValidName(name) || !web.ValidValue(value) {
				bad("the header %q of Options.Headers is not valid", name)
			}
		}
	}
	for _, name := range o.Subprotocols {
		if !web.ValidName(name) {
			bad("Options.Subprotocols: %q is no name of a protocol", name)
		}
	}
	if err := o.Auth.credentials.Check(); err != nil {
		found = append(found, err)
	}
	if o.Heartbeat != "" && o.PingInterval < 0 {
		bad("Options.Heartbeat is never sent, as Options.PingInterval is less than 0")
	}
	if !o.Proxy.IsZero() {
		if proxy, err := url.Parse(o.Proxy.Reveal()); err != nil || proxy.Host == "" {
			bad("Options.Proxy: the address is malformed")
		}
	}
	if target != nil && target.Scheme == "ws" && !o.Insecure && !web.IsLocal(target.Hostname()) && (!o.Auth.credentials.IsZero() || target.RawQuery != "") {
		bad("Auth and the query would go to %s without TLS, where others can read them: use wss, or set Options.Insecure", s.address)
	}
	return errors.Join(found...)
}

// parse parses the address of the server.
func (s *Source[K, V]) parse() (*url.URL, error) {
	parsed, err := url.Parse(s.address.Reveal())
	switch {
	case err != nil || parsed.Host == "":
		return nil, errors.New("the address is malformed: it is something like wss://host/path")
	case parsed.Scheme != "ws" && parsed.Scheme != "wss":
		return nil, fmt.Errorf("the address %s begins with neither ws nor wss", s.address)
	case parsed.User != nil:
		return nil, fmt.Errorf("the address %s has a user or a password in it, which belong in Options.Auth", s.address)
	}
	return parsed, nil
}
