package refused

import (
	"errors"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// Is reports whether the cluster does not take something, now or ever.
func Is(err error) bool {
	if _, ok := errors.AsType[*weir.StateError](err); ok {
		return true
	}
	d, ok := errors.AsType[*broker.DeliveryError](err)
	return ok && errors.Is(d, broker.ErrRefused)
}

// WithoutAbort returns the part of an error that does not say that a transaction has to be aborted, which is over by then.
func WithoutAbort(err error) error {
	for errors.Is(err, broker.ErrAborted) {
		inner := err
		switch wrapped := err.(type) { //nolint:errorlint // it takes the chain apart
		case interface{ Unwrap() []error }:
			for _, e := range wrapped.Unwrap() {
				if !errors.Is(e, broker.ErrAborted) {
					inner = e
				}
			}
		case interface{ Unwrap() error }:
			inner = wrapped.Unwrap()
		}
		if inner == err { //nolint:errorlint // the same value
			break
		}
		err = inner
	}
	return err
}
