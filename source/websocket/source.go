package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/coder/websocket"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source"
)

// New returns a source of the messages of the server at an address with ws or wss. Mistakes are found by Connect.
func New[K, V any](address string, options Options[K, V]) *Source[K, V] {
	return &Source[K, V]{address: secret.NewURL(address), options: options.withDefaults()}
}

// Source reads the messages of a server. It is made by [New].
type Source[K, V any] struct {
	address secret.URL
	options Options[K, V]
	client  *http.Client // between Connect and Close
}

var (
	_ source.Source[string, any] = (*Source[string, any])(nil)
	_ source.Slotted             = (*Source[string, any])(nil)
	_ source.Retrying            = (*Source[string, any])(nil)
)

// shortestSecret is the length from which a value of the query is taken for a secret. Shorter ones are parts of other words.
const shortestSecret = 6

// single is the ID of the only split of a source without channels.
const single = "all"

// String names the server, without the query of its address.
func (s *Source[K, V]) String() string { return fmt.Sprintf("WebSocket %s", s.address) }

// Connect implements source.Source: it checks the options, and that the server takes a handshake.
func (s *Source[K, V]) Connect(ctx context.Context) error {
	if err := s.check(); err != nil {
		return fmt.Errorf("%w: source/websocket: %w", weir.ErrConfiguration, err)
	}
	transport := &http.Transport{
		DialContext: (&net.Dialer{Timeout: s.options.Timeout}).DialContext, TLSHandshakeTimeout: s.options.Timeout,
		Protocols: new(http.Protocols), // a WebSocket begins with a request of HTTP/1.1
	}
	transport.Protocols.SetHTTP1(true)
	if s.options.TLS != nil {
		transport.TLSClientConfig = s.options.TLS.Clone()
	}
	if !s.options.Proxy.IsZero() {
		proxy, err := url.Parse(s.options.Proxy.Reveal())
		if err != nil {
			return fmt.Errorf("%w: source/websocket: the address of the proxy is malformed", weir.ErrConfiguration)
		}
		transport.Proxy = http.ProxyURL(proxy)
	}
	// A redirect would take the credentials to another place.
	s.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	err := weir.Retry{}.Do(ctx, func(ctx context.Context) error {
		connection, _, err := s.dial(ctx)
		if later, ok := errors.AsType[*weir.RetryLaterError](err); ok {
			err = later.Err // nothing waits for it here
		}
		if err != nil {
			return err
		}
		_ = connection.Close(websocket.StatusNormalClosure, "")
		return nil
	})
	if err != nil {
		s.client.CloseIdleConnections()
		return fmt.Errorf("source/websocket: connect to %s: %w", s.address, err)
	}
	return nil
}

// dial opens a connection, and returns the secrets that were sent.
func (s *Source[K, V]) dial(ctx context.Context) (*websocket.Conn, []secret.String, error) {
	bounded, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	header := http.Header{}
	for name, values := range s.options.Headers {
		header[http.CanonicalHeaderKey(name)] = values
	}
	hidden, err := s.options.Auth.credentials.Sign(bounded, header)
	if err != nil {
		return nil, nil, fmt.Errorf("get a token: %w", err)
	}
	if parsed, err := s.parse(); err == nil && parsed.RawQuery != "" { // which a server may put into its answers
		hidden = append(slices.Clone(hidden), secret.New(parsed.RawQuery))
		for _, values := range parsed.Query() {
			for _, value := range values {
				if len(value) < shortestSecret {
					continue
				}
				hidden = append(hidden, secret.New(value))
			}
		}
	}
	mode := websocket.CompressionDisabled
	if s.options.Compress {
		mode = websocket.CompressionContextTakeover
	}
	connection, response, err := websocket.Dial(bounded, //nolint:bodyclose // the client has closed it
		s.address.Reveal(), &websocket.DialOptions{
			HTTPClient: s.client, HTTPHeader: header, Subprotocols: s.options.Subprotocols, CompressionMode: mode,
		})
	if err != nil {
		return nil, hidden, s.refusal(bounded, err, response, hidden)
	}
	if len(s.options.Subprotocols) > 0 && connection.Subprotocol() == "" {
		_ = connection.Close(websocket.StatusPolicyViolation, "no subprotocol")
		return nil, hidden, connector.Permanent{Err: errNoSubprotocol}
	}
	connection.SetReadLimit(s.options.MaxMessageBytes)
	return connection, hidden, nil
}

// Close implements source.Source.
func (s *Source[K, V]) Close(context.Context) error {
	s.client.CloseIdleConnections()
	return nil
}

// Slots implements source.Slotted.
func (s *Source[K, V]) Slots() int32 { return int32(max(1, len(s.options.Channels))) }

// Retry implements source.Retrying: a connection is opened again until the server takes it. Errors that no attempt mends end the run.
func (s *Source[K, V]) Retry() weir.Retry {
	return weir.Retry{Attempts: -1, FirstWait: 250 * time.Millisecond, MaxWait: 30 * time.Second}
}

// Splits implements source.Source: a split for each channel, or one.
func (s *Source[K, V]) Splits(context.Context, func(id string) bool) ([]source.Split, error) {
	if len(s.options.Channels) == 0 {
		return []source.Split{{ID: single}}, nil
	}
	splits := make([]source.Split, len(s.options.Channels))
	for i, name := range s.options.Channels {
		splits[i] = source.Split{ID: name}
	}
	return splits, nil
}

// Open implements source.Source.
func (s *Source[K, V]) Open(ctx context.Context, task source.Task, split source.Split, position []byte) (source.Reader[K, V], error) {
	channel := split.ID
	if len(s.options.Channels) == 0 {
		channel = ""
	}
	if split.ID != single && channel == "" || channel != "" && !slices.Contains(s.options.Channels, channel) {
		task.Logger.Warn("a split of the source is no channel of Options.Channels any more; it is not read")
		return &parked[K, V]{ends: s.options.StopAtClose}, nil
	}
	connection, hidden, err := s.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("source/websocket: connect to %s: %w", s.address, err)
	}
	if s.options.Subscribe != nil {
		bounded, cancel := context.WithTimeout(ctx, s.options.Timeout)
		defer cancel()
		if err := s.options.Subscribe(bounded, &Session{connection, channel, position}); err != nil {
			_ = connection.CloseNow()
			if closed, ok := errors.AsType[websocket.CloseError](err); ok {
				err = closing(closed, hidden)
			}
			return nil, fmt.Errorf("source/websocket: %s: Options.Subscribe: %w", s.address, err)
		}
	}
	return newReader(s, connection, channel, hidden), nil
}
