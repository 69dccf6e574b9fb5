package weir

import (
	"context"
	"errors"
	"time"
)

// Next returns whether a call is made again after a number of failures in a row, 1 at least, and after which wait. It is for callers
// that cannot wait in Do. A [RetryLaterError] is no failure: the call is made again after its time, whatever the policy says.
func (r Retry) Next(failures int, err error) (wait time.Duration, again bool) {
	if later, ok := errors.AsType[*RetryLaterError](err); ok {
		return later.Wait(), true
	}
	attempts := r.Attempts
	if attempts == 0 {
		attempts = defaultAttempts
	}
	if attempts > 0 && failures >= attempts || !r.again(context.Background(), err) {
		return 0, false
	}
	return r.waitAfter(failures), true
}
