package http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
)

// Sink sends records to a service. It is made by [New].
type Sink[K, V any] struct {
	address secret.URL
	options Options[K, V]
	client  *http.Client // between Connect and Close
}

// New returns a sink that sends records to the address of a service, with http or https. Mistakes are found by Connect.
func New[K, V any](address string, options Options[K, V]) *Sink[K, V] {
	return &Sink[K, V]{address: secret.NewURL(address), options: options.withDefaults()}
}

var _ sink.Sink[int, int] = (*Sink[int, int])(nil)

const (
	dialTimeout = 10 * time.Second
	// idleConnections is how many connections to the service are kept for the next checkpoint.
	idleConnections = 64
)

// Connect checks the options, and that a connection to the service can be opened, or asks Options.Health.
func (s *Sink[K, V]) Connect(ctx context.Context) error {
	target, err := s.check()
	if err != nil {
		return fmt.Errorf("%w: sink http: %w", weir.ErrConfiguration, err)
	}
	dialer := &net.Dialer{Timeout: dialTimeout}
	transport := &http.Transport{
		DialContext: dialer.DialContext, TLSHandshakeTimeout: dialTimeout, ForceAttemptHTTP2: true,
		MaxIdleConns: idleConnections, MaxIdleConnsPerHost: idleConnections, IdleConnTimeout: 90 * time.Second,
	}
	if s.options.TLS != nil {
		transport.TLSClientConfig = s.options.TLS.Clone()
	}
	if !s.options.Proxy.IsZero() {
		proxy, err := url.Parse(s.options.Proxy.Reveal())
		if err != nil || proxy.Host == "" {
			return fmt.Errorf("%w: sink http: the address of the proxy is malformed", weir.ErrConfiguration)
		}
		transport.Proxy = http.ProxyURL(proxy)
	}
	// A redirect would take the records, and maybe the secret, to another place.
	s.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	retry := s.options.Retry
	retry.If = again(retry.If)
	err = retry.Do(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
		defer cancel()
		if s.options.Health != "" {
			return s.askHealth(ctx)
		}
		return s.dial(ctx, dialer, target)
	})
	if err != nil {
		s.client.CloseIdleConnections()
		return fmt.Errorf("connect to %s: %w", s.address, err)
	}
	return nil
}

// check returns the parsed address, or all mistakes of the options.
func (s *Sink[K, V]) check() (*url.URL, error) {
	var found []error
	bad := func(format string, args ...any) { found = append(found, fmt.Errorf(format, args...)) }
	target, err := parse(s.address)
	if err != nil {
		found = append(found, err)
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
	if err := s.options.Auth.credentials.Check(); err != nil {
		found = append(found, err)
	}
	if s.options.Health != "" {
		health, err := parse(secret.NewURL(s.options.Health))
		switch {
		case err != nil:
			bad("Options.Health: %w", err)
		case target != nil && health.Host != target.Host && !s.options.Auth.credentials.IsZero():
			bad("Options.Health is on %s, and Auth is for %s", health.Host, target.Host)
		case target != nil && health.Scheme == "http" && target.Scheme == "https":
			bad("Options.Health has no TLS, and the address has")
		}
	}
	if target != nil && target.Scheme == "http" && !s.options.Auth.credentials.IsZero() && !s.options.Insecure && !web.IsLocal(target.Hostname()) {
		bad("Auth would go to %s without TLS, where others can read it: use https, or set Options.Insecure", s.address)
	}
	return target, errors.Join(found...)
}

// parse parses the address of a service.
func parse(address secret.URL) (*url.URL, error) {
	parsed, err := url.Parse(address.Reveal())
	switch {
	case err != nil || parsed.Host == "":
		return nil, errors.New("the address is malformed: it is something like https://host/path")
	case parsed.Scheme != "http" && parsed.Scheme != "https":
		return nil, fmt.Errorf("the address %s begins with neither http nor https", address)
	case parsed.User != nil:
		return nil, fmt.Errorf("the address %s has a user or a password in it, which belong in Options.Auth", address)
	}
	return parsed, nil
}

// dial opens a connection to the service, or to the proxy, and closes it.
func (s *Sink[K, V]) dial(ctx context.Context, dialer *net.Dialer, target *url.URL) error {
	if !s.options.Proxy.IsZero() {
		proxy, err := url.Parse(s.options.Proxy.Reveal())
		if err != nil {
			return errors.New("the address of the proxy is malformed")
		}
		connection, err := dialer.DialContext(ctx, "tcp", web.WithPort(proxy))
		if err != nil {
			return &transient{fmt.Errorf("proxy %s: %w", s.options.Proxy, err)}
		}
		return connection.Close()
	}
	connection, err := dialer.DialContext(ctx, "tcp", web.WithPort(target))
	if err != nil {
		return &transient{err}
	}
	defer connection.Close()
	if target.Scheme == "http" {
		return nil
	}
	config := &tls.Config{}
	if s.options.TLS != nil {
		config = s.options.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = target.Hostname()
	}
	return tls.Client(connection, config).HandshakeContext(ctx)
}

// askHealth asks Options.Health.
func (s *Sink[K, V]) askHealth(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.options.Health, http.NoBody)
	if err != nil {
		return errors.New("Options.Health: the address is malformed")
	}
	_, err = s.exchange(r)
	return err
}

// Writer implements [sink.Sink].
func (s *Sink[K, V]) Writer(_ context.Context, task sink.Task) (sink.Writer[K, V], error) {
	if s.client == nil {
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
	s.client.CloseIdleConnections()
	return nil
}
