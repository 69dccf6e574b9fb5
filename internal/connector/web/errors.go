package web

import (
	"errors"
	"fmt"
	"net/http"
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
	remedy := ""
	switch {
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden:
		remedy = "; check Options.Auth"
	case e.Status == http.StatusProxyAuthRequired:
		remedy = "; check the user and the password in Options.Proxy"
	case e.Status >= 300 && e.Status < 400:
		remedy = "; redirects are not followed: give the final address to New"
	case (e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed) && e.notFound != "":
		remedy = "; " + e.notFound
	}
	if e.Text == "" {
		return fmt.Sprintf("status %d %s%s", e.Status, http.StatusText(e.Status), remedy)
	}
	return fmt.Sprintf("status %d %s%s: %s", e.Status, http.StatusText(e.Status), remedy, e.Text)
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
