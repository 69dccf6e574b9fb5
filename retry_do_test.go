package weir_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstreams/weir"
)

var errCall = errors.New("no answer")

// failing returns a call that fails a number of times, and the counter of the calls.
func failing(times int) (call func(context.Context) error, made *int) {
	made = new(int)
	return func(context.Context) error {
		if *made++; *made <= times {
			return errCall
		}
		return nil
	}, made
}

func TestACallIsMadeAgainUntilItSucceedsOrTheAttemptsAreOver(t *testing.T) {
	for _, c := range []struct {
		name           string
		retry          weir.Retry
		fails, made    int
		fail           bool
		atLeast, atMax time.Duration
	}{
		{"no failure", weir.Retry{}, 0, 1, false, 0, 0},
		{"the default, with success at last", weir.Retry{}, 4, 5, false, 750 * time.Millisecond, 1500 * time.Millisecond},
		{"the default, in vain", weir.Retry{}, 5, 5, true, 750 * time.Millisecond, 1500 * time.Millisecond},
		{"once", weir.Retry{Attempts: 1}, 1, 1, true, 0, 0},
		{"for ever", weir.Retry{Attempts: -1, FirstWait: time.Second, MaxWait: 2 * time.Second}, 50, 51, false, 49500 * time.Millisecond, 99 * time.Second},
		{"an error that no attempt mends", weir.Retry{If: func(err error) bool { return !errors.Is(err, errCall) }}, 3, 1, true, 0, 0},
		{"a greatest wait below the first", weir.Retry{Attempts: 3, FirstWait: time.Minute, MaxWait: time.Second}, 3, 3, true, time.Second, 2 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				call, made := failing(c.fails)
				began := time.Now()
				err := c.retry.Do(t.Context(), call)
				took := time.Since(began)
				if *made != c.made || errors.Is(err, errCall) != c.fail {
					t.Errorf("%d calls, %v", *made, err)
				}
				if took < c.atLeast || took > c.atMax {
					t.Errorf("waited %v, want %v to %v", took, c.atLeast, c.atMax)
				}
			})
		})
	}
}

func TestTheErrorOfTheLastAttemptNamesTheNumberOfAttempts(t *testing.T) {
	call, _ := failing(3)
	err := weir.Retry{Attempts: 3, FirstWait: 1}.Do(t.Context(), call)
	if err == nil || !strings.HasPrefix(err.Error(), "attempt 3: ") {
		t.Errorf("got %v", err)
	}
}

func TestNoAttemptFollowsAnErrorThatAsksForTime(t *testing.T) {
	made := 0
	err := weir.Retry{}.Do(t.Context(), func(context.Context) error {
		made++
		return &weir.RetryLaterError{RetryAfter: time.Hour}
	})
	if _, ok := errors.AsType[*weir.RetryLaterError](err); !ok || made != 1 {
		t.Errorf("%d calls, %v", made, err)
	}
}

// An attempt that the end of the context breaks off says less than the one before.
func TestTheErrorBeforeTheEndOfTheContextIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		made := 0
		err := weir.Retry{}.Do(ctx, func(ctx context.Context) error {
			if made++; made == 1 {
				return errCall
			}
			cancel()
			return fmt.Errorf("dial: %w", ctx.Err())
		})
		if made != 2 || !errors.Is(err, errCall) || !errors.Is(err, context.Canceled) {
			t.Errorf("%d calls, %v", made, err)
		}
	})
}

func TestRetriesEndWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("the task stops")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(5*time.Second, func() { cancel(why) })
		call, made := failing(1 << 30)
		err := weir.Retry{Attempts: -1, FirstWait: time.Second, MaxWait: time.Second}.Do(ctx, call)
		if !errors.Is(err, why) || !errors.Is(err, errCall) {
			t.Errorf("got %v", err)
		}
		before := *made
		if err := (weir.Retry{}).Do(ctx, call); !errors.Is(err, why) || *made != before {
			t.Errorf("a call was made with a context that had ended, or the cause is missing: %v", err)
		}
	})
}

func ExampleRetry_Do() {
	attempts := 0
	err := weir.Retry{Attempts: 3, FirstWait: time.Millisecond}.Do(context.Background(), func(context.Context) error {
		if attempts++; attempts < 3 {
			return errors.New("connection refused")
		}
		return nil
	})
	fmt.Println(attempts, err)
	// Output: 3 <nil>
}

// refused is a permanent error, as sink.RecordErrors is.
type refused struct{ permanent bool }

func (refused) Error() string     { return "refused" }
func (r refused) Permanent() bool { return r.permanent }

func TestNoAttemptFollowsAPermanentErrorUnlessThePolicySaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			retry weir.Retry
			err   error
			made  int
		}{
			{weir.Retry{}, fmt.Errorf("bulk: %w", refused{true}), 1},
			{weir.Retry{}, refused{false}, 5},
			{weir.Retry{If: func(error) bool { return true }}, refused{true}, 5},
		} {
			made := 0
			_ = c.retry.Do(t.Context(), func(context.Context) error { made++; return c.err }) // the number of calls tells
			if made != c.made {
				t.Errorf("%#v: %d calls, want %d", c.err, made, c.made)
			}
		}
	})
}
