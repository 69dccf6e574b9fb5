package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/secret"
)

// StatusError says that the server has refused the handshake.
type StatusError struct {
	// Status is the status of its answer, such as 404.
	Status int
	// Text is the beginning of the answer, without secrets.
	Text string
}

// Error names the status and a remedy, and shows the beginning of the answer.
func (e *StatusError) Error() string {
	remedy := web.Remedy(e.Status)
	if e.Status < 300 || e.Status == http.StatusNotFound || e.Status == http.StatusBadRequest {
		remedy = "; check the address: there may be no WebSocket"
	}
	text := fmt.Sprintf("the server has refused the handshake with status %d %s%s", e.Status, http.StatusText(e.Status), remedy)
	if e.Text != "" {
		text += ": " + e.Text
	}
	return text
}

// refusal returns the error of a handshake. The address is left out: its query may have secrets.
func (s *Source[K, V]) refusal(ctx context.Context, err error, response *http.Response, hidden []secret.String) error {
	if response != nil && response.StatusCode != http.StatusSwitchingProtocols {
		return refused(response, hidden)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if strings.Contains(err.Error(), "://") { // of a proxy
		err = errors.New("the handshake failed in the transport")
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return connector.Permanent{Err: fmt.Errorf("%w; set Options.TLS to trust another authority", certificate)}
	}
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return fmt.Errorf("no connection within %v (Options.Timeout): %w", s.options.Timeout, err)
	}
	return err
}

// refused returns the error that a status stands for.
func refused(response *http.Response, hidden []secret.String) error {
	body, _ := io.ReadAll(response.Body) // as much of it as the client has kept
	status := &StatusError{Status: response.StatusCode, Text: web.Shown(body, hidden)}
	switch code := response.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		if wait := web.RetryAfter(response.Header, time.Now()); wait > 0 {
			return &weir.RetryLaterError{RetryAfter: wait, Err: status}
		}
		return status
	case code == http.StatusRequestTimeout, code >= 500:
		return status
	default:
		return connector.Permanent{Err: status}
	}
}

// lost returns the error of a connection that has ended. It is io.EOF at the end of the data.
func (s *Source[K, V]) lost(err error, hidden []secret.String) error {
	if closed, ok := errors.AsType[websocket.CloseError](err); ok {
		if closed.Code == websocket.StatusNormalClosure && s.options.StopAtClose {
			return io.EOF
		}
		return closing(closed, hidden)
	}
	if errors.Is(err, websocket.ErrMessageTooBig) {
		return connector.Permanent{Err: fmt.Errorf("a message is longer than %d bytes; raise Options.MaxMessageBytes: %w", s.options.MaxMessageBytes, err)}
	}
	return err
}

// closing returns the error of a close of the server, without secrets.
func closing(closed websocket.CloseError, hidden []secret.String) error {
	text := web.Shown([]byte(closed.Reason), hidden)
	if text == "" {
		text = closed.Code.String()
	}
	return fmt.Errorf("the server has closed the connection with status %d: %s", closed.Code, text)
}
