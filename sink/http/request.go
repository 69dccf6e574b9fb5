package http

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
)

// StatusError says that the service has answered with a status that is no success.
type StatusError struct {
	// Status is the status, such as 404.
	Status int
	// Text is the beginning of the answer, without secrets.
	Text string
}

// Error names the status and shows the beginning of the answer.
func (e *StatusError) Error() string {
	remedy := ""
	switch {
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden:
		remedy = "; check Options.Auth"
	case e.Status == http.StatusProxyAuthRequired:
		remedy = "; check the user and the password in Options.Proxy"
	case e.Status >= 300 && e.Status < 400:
		remedy = "; redirects are not followed: give the final address to New"
	case e.Status == http.StatusNotFound, e.Status == http.StatusMethodNotAllowed:
		remedy = "; check the address and Options.Method"
	}
	if e.Text == "" {
		return fmt.Sprintf("status %d %s%s", e.Status, http.StatusText(e.Status), remedy)
	}
	return fmt.Sprintf("status %d %s%s: %s", e.Status, http.StatusText(e.Status), remedy, e.Text)
}

// transient is an error that another attempt may mend.
type transient struct{ error }

func (e *transient) Unwrap() error { return e.error }

// wrongRequest is the refusal of a request because of its content.
type wrongRequest struct{ error }

func (e *wrongRequest) Unwrap() error { return e.error }

// again is the rule for another attempt, within the rule of the user.
func again(user func(error) bool) func(error) bool {
	return func(err error) bool {
		_, ok := errors.AsType[*transient](err)
		return ok && (user == nil || user(err))
	}
}

// maxAnswer is how much of an answer is read.
const maxAnswer = 1 << 20

// post makes one attempt of a request with records.
func (s *Sink[K, V]) post(ctx context.Context, body []byte, key, encoding string, records int) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, s.options.Method, s.address.Reveal(), bytes.NewReader(body))
	if err != nil {
		return errors.New("the address is malformed")
	}
	for name, values := range s.options.Headers {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	r.Header.Set("Content-Type", s.options.ContentType)
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	if key != "" {
		r.Header.Set(s.options.IdempotencyHeader, key)
	}
	answer, err := s.exchange(r)
	_, wrong := errors.AsType[*wrongRequest](err)
	if err != nil && !wrong || s.options.Refused == nil {
		return err
	}
	answer.Records = records
	refused, failed := s.options.Refused(answer)
	switch {
	case failed != nil:
		return fmt.Errorf("Options.Refused: %w", failed)
	case len(refused) == 0:
		return err
	}
	for _, e := range refused {
		if e.Index < 0 || e.Index >= records {
			return fmt.Errorf("Options.Refused names record %d of a request with %d", e.Index, records)
		}
	}
	return refused
}

// exchange makes a request, and returns its answer and the error that its status stands for.
func (s *Sink[K, V]) exchange(r *http.Request) (Answer, error) {
	hidden, err := s.options.Auth.credentials.Sign(r.Context(), r.Header)
	if err != nil {
		return Answer{}, &transient{fmt.Errorf("get a token: %w", err)}
	}
	response, err := s.client.Do(r)
	if err != nil {
		return Answer{}, s.failed(r.Context(), err)
	}
	defer response.Body.Close()
	body, readErr := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	answer := Answer{Status: response.StatusCode, Header: response.Header, Body: body}
	status := &StatusError{Status: response.StatusCode, Text: web.Shown(body, hidden)}
	switch code := response.StatusCode; {
	case code >= 200 && code < 300:
		if readErr != nil && s.options.Refused != nil { // the answer may name records
			return answer, s.failed(r.Context(), fmt.Errorf("read the answer: %w", readErr))
		}
		return answer, nil
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		return answer, &weir.RetryLaterError{RetryAfter: web.RetryAfter(response.Header, time.Now()), Err: status}
	case code == http.StatusRequestTimeout, code >= 500:
		return answer, &transient{status}
	case code == http.StatusBadRequest, code == http.StatusRequestEntityTooLarge, code == http.StatusUnprocessableEntity:
		return answer, &wrongRequest{status}
	default:
		return answer, status
	}
}

// failed returns the error of a request without an answer. The address is left out: its query may hold secrets.
func (s *Sink[K, V]) failed(ctx context.Context, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if text := err.Error(); strings.Contains(text, "://") { // of a proxy
		err = errors.New("the request failed in the transport")
	}
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return &transient{fmt.Errorf("no answer within %v (Options.Timeout): %w", s.options.Timeout, err)}
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("%w; set Options.TLS to trust another authority", certificate)
	}
	return &transient{err}
}
