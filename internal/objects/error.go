package objects

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/secret"
)

// Error says that a call has failed. A missing object is fs.ErrNotExist, a missing permission fs.ErrPermission.
type Error struct {
	URL  string
	Call Call
	Fault
	// text is that of an error without an answer, is a sentinel.
	text   string
	is     error
	needs  string
	passes bool
	// noBucket says that the bucket itself is missing, and not an object in it.
	noBucket bool
}

// Error names the object and the call, and the permission that is missing.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: ", e.URL, e.Call)
	if e.Status == 0 {
		b.WriteString(e.text)
		return b.String()
	}
	fmt.Fprint(&b, e.Status)
	for _, part := range []string{e.Code, e.Message} {
		if part != "" {
			b.WriteString(" " + part)
		}
	}
	switch {
	case errors.Is(e.is, fs.ErrPermission) && e.needs != "":
		fmt.Fprintf(&b, " (the credentials need %s)", e.needs)
	case e.noBucket:
		b.WriteString(" (make the bucket: it is never made here)")
	}
	return b.String()
}

// Unwrap returns fs.ErrNotExist, fs.ErrPermission, the end of a context, or nil.
func (e *Error) Unwrap() error { return e.is }

// Permanent reports whether another attempt is of no use.
func (e *Error) Permanent() bool { return !e.passes }

// noBucket says that a fault is about the bucket itself, and not about an object in it.
func noBucket(code string) bool {
	return code == "NoSuchBucket" || code == "ContainerNotFound" || code == "ContainerBeingDeleted"
}

// failed makes an Error of that of a call with a time limit. ctx is the one of the caller.
func (b *Bucket) failed(ctx context.Context, call Call, key string, limit time.Duration, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %s: %w", b.URL(key), call, context.Cause(ctx))
	}
	if errors.Is(err, format.ErrChanged) {
		return err
	}
	e := &Error{URL: b.URL(key), Call: call, needs: b.store.Permissions[call]}
	var answered bool
	e.Fault, answered = b.store.Fault(err)
	e.Code, e.Message = b.masked(e.Code), b.masked(e.Message)
	e.noBucket = noBucket(e.Code) || call == List && e.Status == http.StatusNotFound
	switch {
	case !answered && errors.Is(err, context.DeadlineExceeded):
		e.is, e.text, e.passes = context.DeadlineExceeded, fmt.Sprintf("no answer within %v", limit), true
	case !answered:
		e.text, e.passes = b.masked(err.Error()), network(err)
	case e.Status == http.StatusNotFound && !e.noBucket:
		e.is = fs.ErrNotExist
	case e.Status == http.StatusForbidden || e.Status == http.StatusUnauthorized:
		e.is = fs.ErrPermission
	default:
		e.passes = passing(e.Fault)
	}
	return e
}

// passing says that a fault is one of the service, which will answer later: 429 and 503, as SlowDown, are throttling.
func passing(f Fault) bool {
	switch f.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case http.StatusBadRequest, http.StatusConflict:
		return f.Code == "RequestTimeout" || f.Code == "OperationAborted"
	}
	return false
}

// network says that there was no answer because of the network. A certificate that is not trusted stays so.
func network(err error) bool {
	if errors.As(err, new(*tls.CertificateVerificationError)) {
		return false
	}
	return errors.As(err, new(net.Error)) || errors.As(err, new(*url.Error)) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.Is(err, net.ErrClosed)
}

func passes(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.passes
}

// busyWait is how long the application holds its input back after the attempts of Retry are used up.
const busyWait = 5 * time.Second

// Later makes a weir.RetryLaterError of an error of a store that cannot answer now.
func Later(err error) error {
	if passes(err) {
		return &weir.RetryLaterError{RetryAfter: busyWait, Err: err}
	}
	return err
}

// masked returns a text without secrets.
func (b *Bucket) masked(text string) string {
	for _, s := range b.settings.Secrets {
		if plain := s.Reveal(); plain != "" {
			text = strings.ReplaceAll(text, plain, secret.Mask)
			text = strings.ReplaceAll(text, url.QueryEscape(plain), secret.Mask)
		}
	}
	return text
}

// scrubbed returns an error without secrets.
func (b *Bucket) scrubbed(err error) error { return errors.New(b.masked(err.Error())) }
