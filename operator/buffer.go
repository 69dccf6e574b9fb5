package operator

import (
	"errors"

	"github.com/weirstreams/weir"
)

// Buffer is an operator that holds records back for a moment, to do slow work for many of them at a time. All
// methods are called by the task's goroutine.
type Buffer interface {
	// Settle hands on the held records, in order. After an error it is called again for the rest: all records after an
	// [*weir.RetryLaterError], the records behind the failed one after any other. The task's origin is then that of the failed one.
	Settle() error
	// Full reports whether much is held.
	Full() bool
	// Held returns the number of records that are held.
	Held() int
	// Discard forgets them: they are going to be processed again.
	Discard()
}

// UnsettledError says that work of a task has to wait, and that nothing is lost meanwhile: a [Buffer] cannot hand on its records
// for now, or a sink takes no more. It is the mark of the engine: a weir.RetryLaterError that a function of a record returns
// carries no such mark, and is an error of that record.
type UnsettledError struct {
	weir.RetryLaterError
}

// Error is that of the cause, if it names a time itself.
func (e *UnsettledError) Error() string {
	if errors.As(e.Err, new(*weir.RetryLaterError)) {
		return e.Err.Error()
	}
	return e.RetryLaterError.Error()
}

// Unwrap returns the error that says so.
func (e *UnsettledError) Unwrap() error { return &e.RetryLaterError }

// Settle settles the task's buffers, those that come first in the topology first. Origin is that of the failed record after an
// error, and as it was otherwise.
func (e *Env) Settle() error {
	origin := e.Origin
	for i := len(e.Buffers) - 1; i >= 0; i-- {
		if b := e.Buffers[i]; b.Held() > 0 {
			if err := b.Settle(); err != nil {
				return err
			}
		}
	}
	e.Origin = origin
	return nil
}

// Full reports whether a buffer holds much.
func (e *Env) Full() bool {
	for _, b := range e.Buffers {
		if b.Full() {
			return true
		}
	}
	return false
}

// Settled reports whether no buffer holds anything.
func (e *Env) Settled() bool {
	for _, b := range e.Buffers {
		if b.Held() > 0 {
			return false
		}
	}
	return true
}
