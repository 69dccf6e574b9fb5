// Package lookuptest has the shared parts of tests of lookups.
package lookuptest

import (
	"context"
	"errors"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/join"
)

// Must returns v, and panics if there is an error.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Ask looks queries up. An error ends the test.
func Ask[Q, R any](tb testing.TB, lookup join.Lookup[Q, R], queries ...Q) []*R {
	tb.Helper()
	found, err := Try(tb.Context(), lookup, queries...)
	if err != nil {
		tb.Fatal(err)
	}
	return found
}

// Try looks queries up.
func Try[Q, R any](ctx context.Context, lookup join.Lookup[Q, R], queries ...Q) ([]*R, error) {
	found := make([]*R, len(queries))
	err := lookup.Lookup(ctx, queries, found)
	return found, err
}

// Unavailable says whether an error makes a worker wait.
func Unavailable(err error) bool {
	_, ok := errors.AsType[*weir.RetryLaterError](err)
	return ok
}
