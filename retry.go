package weir

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Retry says how often, and after which waits, a failed call to an outside system is made again. The zero value makes 5
// attempts, with waits of about 100 ms, 200 ms, 400 ms and 800 ms in between.
type Retry struct {
	// Attempts is how many times the call is made at most. 0 means 5, and 1 means that it is not made again. A negative number
	// means that it is made until it succeeds.
	Attempts int
	// FirstWait is the wait after the first failure. 0 means 100 ms. Each further wait is twice as long, up to MaxWait (0 means 10 s). A
	// random part of up to half is taken off each wait, so that many callers do not come back at once.
	FirstWait, MaxWait time.Duration
	// If reports whether another attempt can help after err. nil means after every error that does not say that it is permanent: by a method
	// Permanent() bool, as sink.RecordErrors has it.
	If func(err error) bool
}

const (
	defaultAttempts  = 5
	defaultFirstWait = 100 * time.Millisecond
	defaultMaxWait   = 10 * time.Second
)

// Do makes a call until it succeeds, and waits in between. It returns nil, or the error of the last attempt, wrapped, with the number of
// attempts. It ends early with ctx, and with an error that If refuses. The wait after a [RetryLaterError] with a time is at
// least that time, also if MaxWait is shorter. The call runs on the goroutine of the caller.
func (r Retry) Do(ctx context.Context, call func(ctx context.Context) error) error {
	most := r.Attempts
	if most == 0 {
		most = defaultAttempts
	}
	for attempt := 1; ; attempt++ {
		if ctx.Err() != nil {
			return fmt.Errorf("attempt %d: %w", attempt, context.Cause(ctx))
		}
		err := call(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("attempt %d: %w: %w", attempt, context.Cause(ctx), err)
		case !r.helps(err), most == 1:
			if attempt == 1 {
				return err
			}
			return fmt.Errorf("attempt %d: %w", attempt, err)
		case attempt == most:
			return fmt.Errorf("%d attempts failed, the last one: %w", attempt, err)
		}
		timer := time.NewTimer(r.wait(attempt, err))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("attempt %d: %w: %w", attempt, context.Cause(ctx), err)
		}
	}
}

// helps reports whether another attempt can help.
func (r Retry) helps(err error) bool {
	if r.If != nil {
		return r.If(err)
	}
	permanent, ok := errors.AsType[interface {
		error
		Permanent() bool
	}](err)
	return !ok || !permanent.Permanent()
}

// wait returns the wait after a number of failures in a row, counted from 1.
func (r Retry) wait(failures int, err error) time.Duration {
	wait, most := r.FirstWait, r.MaxWait
	if wait <= 0 {
		wait = defaultFirstWait
	}
	if most <= 0 {
		most = defaultMaxWait
	}
	for ; failures > 1 && wait < most; failures-- {
		wait *= 2
	}
	wait = min(wait, most)
	wait -= time.Duration(rand.Int64N(int64(wait)/2 + 1))
	if later, ok := errors.AsType[*RetryLaterError](err); ok {
		wait = max(wait, later.RetryAfter)
	}
	return wait
}
