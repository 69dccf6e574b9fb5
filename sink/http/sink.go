package http

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
)

// Sink sends records to a service. It is made by [New].
type Sink[K, V any] struct {
	address secret.URL
	options Options[K, V]
	client  web.Client // open between Connect and Close
}

// New returns a sink that sends records to the address of a service, with http or https. Mistakes are found by Connect.
func New[K, V any](address string, options Options[K, V]) *Sink[K, V] {
	s := &Sink[K, V]{address: secret.NewURL(address), options: options.withDefaults()}
	s.client = web.Client{
		Address: s.address, Auth: options.Auth.credentials, Insecure: options.Insecure, TLS: options.TLS, Proxy: options.Proxy,
		Timeout: s.options.Timeout, Limit: "Options.Timeout", NotFound: "check the address and Options.Method",
	}
	return s
}

var _ sink.Sink[int, int] = (*Sink[int, int])(nil)

// Connect checks the options, and that a connection to the service can be opened, or asks Options.Health.
func (s *Sink[K, V]) Connect(ctx context.Context) error {
	if err := s.check(); err != nil {
		return fmt.Errorf("%w: sink http: %w", weir.ErrConfiguration, err)
	}
	if err := s.client.Open(); err != nil {
		return fmt.Errorf("%w: sink http: %w", weir.ErrConfiguration, err)
	}
	retry := s.options.Retry
	retry.If = web.Again(retry.If)
	err := retry.Do(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
		defer cancel()
		if s.options.Health != "" {
			return s.askHealth(ctx)
		}
		return s.client.Dial(ctx)
	})
	if err != nil {
		s.client.Close()
		return fmt.Errorf("connect to %s: %w", s.address, err)
	}
	return nil
}

// check returns all mistakes of the options.
func (s *Sink[K, V]) check() error {
	var found []error
	bad := func(format string, args ...any) { found = append(found, fmt.Errorf(format, args...)) }
	target, err := s.client.Check()
	if err != nil {
		found = append(found, err)
	}
	if err := connector.Negative(s.options); err != nil {
		bad("Options: %w", err)
	}
	switch s.options.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
	default:
		bad("Options.Method is %q, and has to be POST, PUT or PATCH", s.options.Method)
	}
	if s.options.Form != Array && s.options.Form != Lines {
		bad("Options.Form is %d, and has to be Array or Lines", s.options.Form)
	}
	for name, values := range s.options.Headers {
		for _, value := range values {
			if !web.ValidName(name) || !web.ValidValue(value) {
				bad("the header %q of Options.Headers is not valid", name)
			}
		}
	}
	if name := s.options.IdempotencyHeader; name != noKeyHeader && !web.ValidName(name) {
		bad("Options.IdempotencyHeader %q is no name of a header", name)
	}
	if s.options.Health != "" {
		health, err := web.ParseAddress(secret.NewURL(s.options.Health))
		switch {
		case err != nil:
			bad("Options.Health: %w", err)
		case target != nil && health.Host != target.Host && !s.options.Auth.credentials.IsZero():
			bad("Options.Health is on %s, and Auth is for %s", health.Host, target.Host)
		case target != nil && health.Scheme == "http" && target.Scheme == "https":
			bad("Options.Health has no TLS, and the address has")
		}
	}
	return errors.Join(found...)
}

// askHealth asks Options.Health.
func (s *Sink[K, V]) askHealth(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.options.Health, http.NoBody)
	if err != nil {
		return errors.New("Options.Health: the address is malformed")
	}
	_, _, err = s.client.Do(r)
	return err
}

// Writer implements [sink.Sink].
func (s *Sink[K, V]) Writer(_ context.Context, task sink.Task) (sink.Writer[K, V], error) {
	if !s.client.IsOpen() {
		return nil, errors.New("sink http: Writer is called before Connect")
	}
	w := &writer[K, V]{sink: s, task: task, now: time.Now}
	if task.Now != nil {
		w.now = task.Now
	}
	return w, nil
}

// Close implements [sink.Sink].
func (s *Sink[K, V]) Close(context.Context) error {
	s.client.Close()
	return nil
}
