package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
)

const (
	dialTimeout = 10 * time.Second
	// idleConnections is how many connections to the service are kept for the next checkpoint.
	idleConnections = 64
	// usualAnswer is how much of an answer is read, unless Client.MaxAnswer says otherwise.
	usualAnswer = 1 << 20
)

// Client makes requests to one service. Its errors show the address without its query, and no secret. Methods may be called by several goroutines at
// once, after Open.
type Client struct {
	// Address is that of the service, with http or https.
	Address secret.URL
	// Auth holds the credentials of the requests. Insecure lets them go over a connection without TLS to another machine.
	Auth     Auth
	Insecure bool
	// TLS has the settings of connections with https. nil means those of package crypto/tls.
	TLS *tls.Config
	// Proxy is the address of a proxy. The zero value means none, also if the environment names one.
	Proxy secret.URL
	// Timeout bounds one attempt of a request. It has to be set, and so does Limit, which names the option for errors.
	Timeout time.Duration
	Limit   string
	// MaxAnswer is how many bytes of an answer are read. 0 means 1 MiB.
	MaxAnswer int64
	// NotFound is the remedy that errors name for the statuses 404 and 405.
	NotFound string

	client *http.Client
	dialer *net.Dialer
}

// Answer is the answer of a service to a request.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// ParseAddress parses the address of a service.
func ParseAddress(address secret.URL) (*url.URL, error) {
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

// Check returns the parsed address, or all mistakes of the settings.
func (c *Client) Check() (*url.URL, error) {
	var found []error
	target, err := ParseAddress(c.Address)
	if err != nil {
		found = append(found, err)
	}
	if err := c.Auth.Check(); err != nil {
		found = append(found, err)
	}
	if _, err := c.proxy(); err != nil {
		found = append(found, err)
	}
	if target != nil && target.Scheme == "http" && !c.Auth.IsZero() && !c.Insecure && !IsLocal(target.Hostname()) {
		found = append(found, fmt.Errorf("Auth would go to %s without TLS, where others can read it: use https, or set Options.Insecure", c.Address))
	}
	return target, errors.Join(found...)
}

// proxy returns the address of the proxy, or nil.
func (c *Client) proxy() (*url.URL, error) {
	if c.Proxy.IsZero() {
		return nil, nil
	}
	proxy, err := url.Parse(c.Proxy.Reveal())
	if err != nil || proxy.Host == "" {
		return nil, errors.New("the address of the proxy is malformed")
	}
	return proxy, nil
}

// Open prepares the client. It opens no connection.
func (c *Client) Open() error {
	proxy, err := c.proxy()
	if err != nil {
		return err
	}
	c.dialer = &net.Dialer{Timeout: dialTimeout}
	transport := &http.Transport{
		DialContext: c.dialer.DialContext, TLSHandshakeTimeout: dialTimeout, ForceAttemptHTTP2: true,
		MaxIdleConns: idleConnections, MaxIdleConnsPerHost: idleConnections, IdleConnTimeout: 90 * time.Second,
	}
	if c.TLS != nil {
		transport.TLSClientConfig = c.TLS.Clone()
	}
	if proxy != nil {
		transport.Proxy = http.ProxyURL(proxy)
	}
	// A redirect would take the records, and maybe the secret, to another place.
	c.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return nil
}

// Connect opens the client for a sink, and makes its first requests: steps, each with as many attempts as retry allows. wrong has the mistakes of the
// other options, which are reported together with those of the client as a [weir.ErrConfiguration]. target names the service in errors. The client is
// closed again if a step fails.
func (c *Client) Connect(ctx context.Context, sink string, target fmt.Stringer, wrong error, retry weir.Retry, steps ...func(context.Context) error) error {
	address, err := c.Check()
	if address != nil && (address.RawQuery != "" || address.Fragment != "") {
		err = errors.Join(err, errors.New("the address has a query"))
	}
	if err = errors.Join(err, wrong); err == nil {
		err = c.Open()
	}
	if err != nil {
		return fmt.Errorf("%w: sink %s: %w", weir.ErrConfiguration, sink, err)
	}
	retry.If = Again(retry.If)
	for _, step := range steps {
		if err := retry.Do(ctx, step); err != nil {
			c.Close()
			return fmt.Errorf("connect to %s: %w", target, err)
		}
	}
	return nil
}

// IsOpen reports whether Open was called.
func (c *Client) IsOpen() bool { return c.client != nil }

// Close closes connections that are not in use.
func (c *Client) Close() { c.client.CloseIdleConnections() }

// Dial opens a connection to the service, or to the proxy, and closes it.
func (c *Client) Dial(ctx context.Context) error {
	proxy, err := c.proxy()
	if err != nil {
		return err
	}
	if proxy != nil {
		connection, err := c.dialer.DialContext(ctx, "tcp", WithPort(proxy))
		if err != nil {
			return &Transient{fmt.Errorf("proxy %s: %w", c.Proxy, err)}
		}
		return connection.Close()
	}
	target, err := ParseAddress(c.Address)
	if err != nil {
		return err
	}
	connection, err := c.dialer.DialContext(ctx, "tcp", WithPort(target))
	if err != nil {
		return &Transient{err}
	}
	defer connection.Close()
	if target.Scheme == "http" {
		return nil
	}
	config := &tls.Config{}
	if c.TLS != nil {
		config = c.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = target.Hostname()
	}
	return tls.Client(connection, config).HandshakeContext(ctx)
}

// Do makes one attempt of a request. The context of the request should end after Timeout. The error is the meaning of the status: nil for 200 to 299, a
// [weir.RetryLaterError] for 429 and 503, a [Transient] error for 408 and 500 and more, a [WrongRequest] for 400, 413 and 422, and a [StatusError] in each of
// them and for all others. The answer is set whenever there was one. cut says that the answer could not be read to its end, which is no error by itself.
func (c *Client) Do(r *http.Request) (answer Answer, cut, err error) {
	hidden, err := c.Auth.Sign(r.Context(), r.Header)
	if err != nil {
		return Answer{}, nil, &Transient{fmt.Errorf("get a token: %w", err)}
	}
	if c.Auth.parameter != "" {
		query := r.URL.Query()
		query.Set(c.Auth.parameter, c.Auth.value.Reveal())
		r.URL.RawQuery = query.Encode()
	}
	response, err := c.client.Do(r)
	if err != nil {
		return Answer{}, nil, c.failed(r.Context(), err)
	}
	defer response.Body.Close()
	most := c.MaxAnswer
	if most == 0 {
		most = usualAnswer
	}
	body, readErr := io.ReadAll(io.LimitReader(response.Body, most))
	if readErr != nil {
		cut = c.failed(r.Context(), fmt.Errorf("read the answer: %w", readErr))
	}
	answer = Answer{Status: response.StatusCode, Header: response.Header, Body: body}
	status := &StatusError{Status: response.StatusCode, Text: Shown(body, hidden), notFound: c.NotFound}
	switch code := response.StatusCode; {
	case code >= 200 && code < 300:
		return answer, cut, nil
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		return answer, cut, &weir.RetryLaterError{RetryAfter: RetryAfter(response.Header, time.Now()), Err: status}
	case code == http.StatusRequestTimeout, code >= 500:
		return answer, cut, &Transient{status}
	case code == http.StatusBadRequest, code == http.StatusRequestEntityTooLarge, code == http.StatusUnprocessableEntity:
		return answer, cut, &WrongRequest{status}
	default:
		return answer, cut, status
	}
}

// failed returns the error of a request without an answer. The address is left out: its query may hold secrets.
func (c *Client) failed(ctx context.Context, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if text := err.Error(); strings.Contains(text, "://") { // of a proxy
		err = errors.New("the request failed in the transport")
	}
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return &Transient{fmt.Errorf("no answer within %v (%s): %w", c.Timeout, c.Limit, err)}
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("%w; set Options.TLS to trust another authority", certificate)
	}
	return &Transient{err}
}
