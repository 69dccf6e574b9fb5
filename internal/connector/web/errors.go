package web

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/weirstreams/weir"
)

// StatusError says that the service has answered with a status that is no success.
type StatusError struct {
	// Status is the status, such as 404.
	Status int
	// Text is the beginning of the answer, without secrets.
	Text string

	notFound string // the remedy for a wrong address
}

// Error names the status and shows the beginning of the answer.
func (e *StatusError) Error() string {
	remedy := Remedy(e.Status)
	if (e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed) && e.notFound != "" {
		remedy = "; " + e.notFound
	}
	if e.Text == "" {
		return fmt.Sprintf("status %d %s%s", e.Status, http.StatusText(e.Status), remedy)
	}
	return fmt.Sprintf("status %d %s%s: %s", e.Status, http.StatusText(e.Status), remedy, e.Text)
}

// Remedy returns the part of an error text that names the remedy for a status, behind a semicolon, or "" where that depends on the service.
func Remedy(status int) string {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return "; check Options.Auth"
	case status == http.StatusProxyAuthRequired:
		return "; check the user and the password in Options.Proxy"
	case status >= 300 && status < 400:
		return "; redirects are not followed: give the final address to New"
	}
	return ""
}

// Transient is an error that another attempt may mend.
type Transient struct{ Err error }

// Error is the text of Err.
func (e *Transient) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *Transient) Unwrap() error { return e.Err }

// WrongRequest is the refusal of a request because of its content.
type WrongRequest struct{ Err error }

// Error is the text of Err.
func (e *WrongRequest) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *WrongRequest) Unwrap() error { return e.Err }

// Again is the rule for another attempt, within the rule of the user: after transient errors.
func Again(user func(error) bool) func(error) bool {
	return func(err error) bool {
		_, ok := errors.AsType[*Transient](err)
		return ok && (user == nil || user(err))
	}
}

// Outage returns the error of a request after all of its attempts: a [weir.RetryLaterError] if another attempt might mend it.
func Outage(err error, wait time.Duration) error {
	outage, ok := errors.AsType[*Transient](err)
	if !ok {
		return err
	}
	return &weir.RetryLaterError{RetryAfter: wait, Err: fmt.Errorf("%w (last error: %w)", errAttempts, outage.Err)}
}

var errAttempts = errors.New("all attempts of Options.Retry have failed")
