package config

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Errors of lookups, for errors.Is.
var (
	// ErrClosed says that Configurations were closed while they were used. It ends the worker.
	ErrClosed = errors.New("the configurations were closed")
	// ErrStale says that the topic could not be followed for longer than Config.BrokerTimeout: its versions may be out of
	// date. It wraps the cause, and is wrapped by a weir.RetryLaterError: the worker waits until the topic is back.
	ErrStale = errors.New("the topic of configurations cannot be followed")
	// ErrMissing says that a field without a default has no value: there is no configuration, no version that is valid, or
	// nothing at its path.
	ErrMissing = errors.New("missing")
	// ErrContent says that a field or a codec cannot read the content.
	ErrContent = errors.New("content cannot be read")
	// ErrChecksum says that content differs from the SHA-256 sum of its event.
	ErrChecksum = errors.New("the SHA-256 sum of the content is not that of the event")
	// ErrTimeout says that a server has not answered in time: within Config.RequestTimeout, or the time-out of Config.HTTPClient.
	ErrTimeout = errors.New("no answer")
	// ErrTooLarge says that content is larger than Config.MaxContentBytes.
	ErrTooLarge = errors.New("the content is too large")
)

// FetchError says that content could not be fetched.
type FetchError struct {
	// URL is where the content should be, without user, query and fragment, which may hold secrets.
	URL string
	// Status is the status of the answer, or 0 if there was none.
	Status int
	// Failures counts the attempts in a row that failed.
	Failures int
	// Retry is when the content is fetched again, by the first record that needs it after that.
	Retry time.Time
	// Err is the cause, nil if the status is the cause.
	Err error
}

// Error names the place, the cause, and when the content is fetched again.
func (e *FetchError) Error() string {
	what := fmt.Sprint(e.Err)
	if e.Err == nil {
		what = fmt.Sprintf("status %d %s", e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("fetch %s: %s (%d in a row; tried again after %s)", e.URL, what, e.Failures, e.Retry.Format(time.TimeOnly))
}

// Unwrap returns Err.
func (e *FetchError) Unwrap() error { return e.Err }
