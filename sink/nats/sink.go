package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/sink"
)

// Sink publishes records to NATS. It is made by [New].
type Sink[K, V any] struct {
	options Options[K, V]
	hosts   string
	wrong   error // with the URL
	key     func(K) (text string, null bool, err error)

	conn *nats.Conn // open between Connect and Close
	js   jetstream.JetStream

	mu sync.Mutex // guards the rest
	// refusal is the first permission that the server has said the user lacks, and refused is closed then.
	refusal error
	refused chan struct{}
}

// New returns a sink that publishes messages to NATS. Connect finds mistakes.
func New[K, V any](o Options[K, V]) *Sink[K, V] {
	s := &Sink[K, V]{options: o.withDefaults(), key: connector.KeyText[K](), refused: make(chan struct{})}
	s.hosts, s.wrong = connector.Hosts(o.URL.Reveal())
	return s
}

var _ sink.Sink[int, int] = (*Sink[int, int])(nil)

// String names the subjects and the hosts.
func (s *Sink[K, V]) String() string {
	o := &s.options
	switch {
	case o.Subject != "":
		return "subject " + o.Subject + " at " + s.hosts
	case o.Prefix != "":
		return "subjects " + o.Prefix + "> at " + s.hosts
	}
	return "NATS at " + s.hosts
}

// Connect implements [sink.Sink]. It checks the options and the credentials, and finds out whether a stream takes the messages.
func (s *Sink[K, V]) Connect(ctx context.Context) error {
	if err := errors.Join(s.options.check(), s.wrong); err != nil {
		return fmt.Errorf("%w: sink nats: %w", weir.ErrConfiguration, err)
	}
	if err := s.open(ctx); err != nil {
		return fmt.Errorf("connect to %s: %w", s, err)
	}
	bounded, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	if err := s.findStream(bounded); err != nil {
		if refusal := s.lacks(); refusal != nil {
			err = refusal
		}
		_ = s.Close(ctx) // it returns nil
		return fmt.Errorf("connect to %s: %w", s, err)
	}
	return nil
}

// open opens the connection, which is kept up from then on.
func (s *Sink[K, V]) open(ctx context.Context) error {
	o := &s.options
	settings := []nats.Option{
		nats.Name("weir"), nats.Timeout(o.Timeout), nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectBufSize(-1), // messages that are not sent fail at once, and do not wait in memory
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { s.failed(err) }),
	}
	if o.TLS != nil {
		settings = append(settings, nats.Secure(o.TLS))
	}
	if o.Credentials != "" {
		settings = append(settings, nats.UserCredentials(o.Credentials))
	}
	type result struct {
		conn *nats.Conn
		err  error
	}
	opened := make(chan result, 1)
	go func() { // the client takes no context; each server has o.Timeout
		conn, err := nats.Connect(o.URL.Reveal(), settings...)
		opened <- result{conn, err}
	}()
	var r result
	select {
	case r = <-opened:
	case <-ctx.Done():
		go func() {
			if late := <-opened; late.conn != nil {
				late.conn.Close()
			}
		}()
		return context.Cause(ctx)
	}
	if errors.Is(r.err, nats.ErrAuthorization) || errors.Is(r.err, nats.ErrAuthExpired) {
		return fmt.Errorf("%w: %w (the user and the password are those of Options.URL, or of Options.Credentials)", weir.ErrConfiguration, r.err)
	}
	if r.err != nil {
		return r.err
	}
	js, err := jetstream.New(r.conn, jetstream.WithPublishAsyncMaxPending(maxPending), jetstream.WithPublishAsyncTimeout(o.Timeout))
	if err != nil {
		r.conn.Close()
		return err
	}
	s.conn, s.js = r.conn, js
	return nil
}

// maxPending is no bound: each task has its window.
const maxPending = 1 << 30

// failed is called by the client with errors that belong to no call.
func (s *Sink[K, V]) failed(err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusal == nil {
		s.refusal = fmt.Errorf("%w: %w (an administrator grants it)", weir.ErrConfiguration, err)
		close(s.refused)
	}
}

// lacks returns the error of a permission that the user lacks, or nil.
func (s *Sink[K, V]) lacks() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refusal
}

// findStream makes sure that there is a stream that takes the messages.
func (s *Sink[K, V]) findStream(ctx context.Context) error {
	o := &s.options
	subject := o.Subject
	if o.Prefix != "" {
		subject = o.Prefix + ">"
	}
	if o.Stream != "" {
		found, err := s.js.Stream(ctx, o.Stream)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("%w: there is no stream %q: make it", weir.ErrConfiguration, o.Stream)
		}
		if err != nil {
			return explain(err)
		}
		if c := found.CachedInfo().Config; c.Sealed || c.NoAck || c.Mirror != nil {
			return fmt.Errorf("%w: the stream %q is sealed, a mirror, or acknowledges nothing: it cannot be written to safely", weir.ErrConfiguration, o.Stream)
		}
	}
	if subject == "" {
		if _, err := s.js.AccountInfo(ctx); err != nil {
			return explain(err)
		}
		return nil
	}
	names := s.js.StreamNames(ctx, jetstream.WithStreamListSubject(subject))
	var all []string
	for name := range names.Name() {
		if name == o.Stream {
			return nil
		}
		all = append(all, name)
	}
	switch err := names.Err(); {
	case err != nil:
		return explain(err)
	case o.Stream != "":
		return fmt.Errorf("%w: the stream %q does not take the subject %s", weir.ErrConfiguration, o.Stream, subject)
	case len(all) == 0:
		return fmt.Errorf("%w: no stream takes the subject %s: make one", weir.ErrConfiguration, subject)
	}
	return nil
}

// explain adds the remedy to an error of JetStream.
func explain(err error) error {
	if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) || errors.Is(err, nats.ErrNoResponders) {
		return fmt.Errorf("%w: %w (the server or the account has no JetStream)", weir.ErrConfiguration, err)
	}
	return err
}

// Writer implements [sink.Sink].
func (s *Sink[K, V]) Writer(_ context.Context, task sink.Task) (sink.Writer[K, V], error) {
	if s.conn == nil {
		return nil, errors.New("sink nats: Writer is called before Connect")
	}
	return newWriter(s, task), nil
}

// Close implements [sink.Sink].
func (s *Sink[K, V]) Close(context.Context) error {
	if s.conn != nil {
		s.js.CleanupPublisher()
		s.conn.Close()
		s.conn = nil
	}
	return nil
}
