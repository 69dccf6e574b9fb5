package weir

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	defaultAttempts  = 5
	defaultFirstWait = 100 * time.Millisecond
	defaultMaxWait   = 10 * time.Second
)

// Do makes a call, and makes it again while it fails and the policy allows another attempt. It waits between the attempts on the
// calling goroutine.
//
// The result is nil, or the error of the last attempt: wrapped, with their number, if there were several. A [RetryLaterError] is
// returned at once, because the caller of an operator or a sink can wait for it without keeping a goroutine. When ctx ends Do returns the
// error of the last attempt that the end did not break off, joined with the cause of the end; it makes no call with a context
// that has ended.
func (r Retry) Do(ctx context.Context, call func(ctx context.Context) error) error {
	attempts := r.Attempts
	if attempts == 0 {
		attempts = defaultAttempts
	}
	var last error
	for made := 0; ; {
		if ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), last)
		}
		err := call(ctx)
		made++
		if err == nil {
			return nil
		}
		if made > 1 {
			err = fmt.Errorf("attempt %d: %w", made, err)
		}
		if last != nil && ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))) {
			return errors.Join(context.Cause(ctx), last) // which says more than that the attempt was broken off
		}
		last = err
		if made == attempts || !r.again(ctx, err) || !wait(ctx, r.waitAfter(made)) {
			if ctx.Err() != nil {
				return errors.Join(context.Cause(ctx), err)
			}
			return err
		}
	}
}

// again reports whether another attempt can help after err.
func (r Retry) again(ctx context.Context, err error) bool {
	if _, later := errors.AsType[*RetryLaterError](err); later || ctx.Err() != nil {
		return false
	}
	if r.If != nil {
		return r.If(err)
	}
	permanent, ok := errors.AsType[interface {
		error
		Permanent() bool
	}](err)
	return !ok || !permanent.Permanent()
}

// waitAfter returns the wait after a number of failures, 1 at least.
func (r Retry) waitAfter(failures int) time.Duration {
	wait, most := r.FirstWait, r.MaxWait
	if wait <= 0 {
		wait = defaultFirstWait
	}
	if most <= 0 {
		most = defaultMaxWait
	}
	for range failures - 1 {
		if wait >= most {
			break
		}
		wait *= 2
	}
	wait = min(wait, most)
	return wait - time.Duration(rand.Int64N(int64(wait)/2+1))
}

// wait waits, and reports whether the context has outlived the wait.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
