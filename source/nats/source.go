package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/source"
)

// New returns a source of the messages of a stream. Connect reports mistakes in the options.
func New[K, V any](o Options[K, V]) source.Source[K, V] {
	s := &server[K, V]{options: o.withDefaults()}
	s.hosts, s.wrong = connector.Hosts(o.URL.Reveal())
	return s
}

// server is a source.
type server[K, V any] struct {
	options Options[K, V]
	hosts   string
	wrong   error // with the URL

	conn *nats.Conn // open between Connect and Close
	js   jetstream.JetStream
}

var _ source.Slotted = (*server[int, int])(nil)

// Slots implements [source.Slotted].
func (*server[K, V]) Slots() int32 { return 1 }

// String names the stream and the hosts.
func (s *server[K, V]) String() string { return "stream " + s.options.Stream + " at " + s.hosts }

// Connect implements [source.Source]: it checks the options and the credentials, and finds out whether the stream can be read.
func (s *server[K, V]) Connect(ctx context.Context) error {
	if err := errors.Join(s.options.check(), s.wrong); err != nil {
		return fmt.Errorf("%w: source nats: %w", weir.ErrConfiguration, err)
	}
	o := &s.options
	settings := []nats.Option{
		nats.Name("weir"), nats.Timeout(o.Timeout), nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // requests and readers return errors
	}
	if o.TLS != nil {
		settings = append(settings, nats.Secure(o.TLS))
	}
	if o.Credentials != "" {
		settings = append(settings, nats.UserCredentials(o.Credentials))
	}
	var err error
	s.conn, err = nats.Connect(o.URL.Reveal(), settings...)
	if errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) {
		err = fmt.Errorf("%w: %w (the user and the password are those of Options.URL, or of Options.Credentials)", weir.ErrConfiguration, err)
	}
	if err == nil {
		if s.js, err = jetstream.New(s.conn); err == nil {
			_, err = s.stream(ctx)
		}
		if err != nil {
			s.conn.Close()
		}
	}
	if err != nil {
		return fmt.Errorf("connect to %s: %w", s, err)
	}
	return nil
}

// stream returns the state of the stream, if it can be read.
func (s *server[K, V]) stream(ctx context.Context) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	found, err := s.js.Stream(ctx, s.options.Stream)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, fmt.Errorf("%w: there is no stream %q", weir.ErrConfiguration, s.options.Stream)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount), errors.Is(err, nats.ErrNoResponders):
		return nil, fmt.Errorf("%w: %w (the server or the account has no JetStream)", weir.ErrConfiguration, err)
	case err != nil:
		return nil, fmt.Errorf("%w (the user needs the permission to publish to $JS.API.> and to subscribe to _INBOX.>)", err)
	}
	info := found.CachedInfo()
	if r := info.Config.Retention; r != jetstream.LimitsPolicy {
		return nil, fmt.Errorf("%w: the stream %q drops messages when they are acknowledged (its retention is %v), and this source needs one that keeps them", weir.ErrConfiguration, s.options.Stream, r)
	}
	return info, nil
}

// Close implements [source.Source].
func (s *server[K, V]) Close(context.Context) error {
	s.conn.Close()
	return nil
}

// Splits implements [source.Source]: a stream is one split, because its messages have one order.
func (*server[K, V]) Splits(context.Context, func(string) bool) ([]source.Split, error) {
	return []source.Split{{ID: splitID}}, nil
}

const splitID = "0"

// Open implements [source.Source].
func (s *server[K, V]) Open(ctx context.Context, task source.Task, split source.Split, position []byte) (source.Reader[K, V], error) {
	if split.ID != splitID {
		return nil, fmt.Errorf("source nats: split %q is not one of this source", split.ID)
	}
	info, err := s.stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", s, err)
	}
	r := &reader[K, V]{server: s, log: task.Logger, created: info.Created.UnixNano(), messages: make(chan jetstream.Msg, queued), gone: make(chan struct{}), failed: make(chan error, 1)}
	c := jetstream.OrderedConsumerConfig{FilterSubjects: s.options.Subjects}
	switch {
	case position != nil:
		if r.last, err = parsePosition(position, r.created); err != nil {
			return nil, fmt.Errorf("open %s: %w", s, err)
		}
		if first := info.State.FirstSeq; r.last+1 < first {
			task.Logger.Warn("messages were deleted before they were read", "stream", s.options.Stream, "messages", first-r.last-1)
		}
		c.DeliverPolicy, c.OptStartSeq = jetstream.DeliverByStartSequencePolicy, r.last+1
	case !s.options.Since.IsZero():
		c.DeliverPolicy, c.OptStartTime = jetstream.DeliverByStartTimePolicy, &s.options.Since
	}
	bounded, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	consumer, err := s.js.OrderedConsumer(bounded, s.options.Stream, c)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", s, err)
	}
	r.consuming, err = consumer.Consume(r.take, jetstream.PullMaxMessages(pulled), jetstream.ConsumeErrHandler(r.warn))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", s, err)
	}
	return r, nil
}

// parsePosition returns the number of the last message that was read.
func parsePosition(position []byte, created int64) (uint64, error) {
	stream, text, _ := strings.Cut(string(position), " ")
	last, err := strconv.ParseUint(text, 10, 64)
	made, err2 := strconv.ParseInt(stream, 10, 64)
	if err := errors.Join(err, err2); err != nil {
		return 0, fmt.Errorf("%q is no position", position)
	}
	if made != created {
		return 0, fmt.Errorf("%w: the stream was made anew at %v, and its messages have new numbers: give the source another name to read it from its beginning",
			weir.ErrConfiguration, time.Unix(0, created).UTC())
	}
	return last, nil
}
