package iceberg

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"

	client "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog/rest"
	"github.com/apache/iceberg-go/table"
)

// passing are errors of a catalog that is busy or away, or has taken the change of another writer.
var passing = []error{
	table.ErrCommitFailed, rest.ErrCommitStateUnknown, rest.ErrServiceUnavailable, rest.ErrServerError, rest.ErrAuthorizationExpired,
	context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
}

// refusing are errors of a catalog that will answer the same again. A server of tokens that is away cannot be told from one that refuses the credentials.
var refusing = []error{rest.ErrBadRequest, rest.ErrForbidden, rest.ErrUnauthorized, client.ErrNotImplemented}

// passes reports whether another attempt can help. A conflict passes too: the next attempt begins with the changed table.
func passes(err error) bool {
	is := func(e error) bool { return errors.Is(err, e) }
	if errors.As(err, new(*tls.CertificateVerificationError)) {
		return false
	}
	if slices.ContainsFunc(passing, is) || errors.As(err, new(*net.OpError)) || errors.As(err, new(*net.DNSError)) {
		return true
	}
	if store, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err); ok && store.HTTPStatusCode() != 0 {
		status := store.HTTPStatusCode()
		return status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= http.StatusInternalServerError
	}
	if slices.ContainsFunc(refusing, is) {
		return false
	}
	// An answer that is cut off, or one that the protocol does not have, is such an error.
	return errors.Is(err, rest.ErrRESTError) || errors.As(err, new(*url.Error))
}
