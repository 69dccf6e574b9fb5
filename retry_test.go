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
	"github.com/weirstreams/weir/sink"
)

var errBusy = errors.New("busy")

// attempts makes a call that fails with the given errors, one after the other, and then succeeds. It returns the times of the calls, from
// the first on.
func attempts(ctx context.Context, r weir.Retry, errs ...error) (at []time.Duration, err error) {
	began := time.Now()
	err = r.Do(ctx, func(context.Context) error {
		at = append(at, time.Since(began))
		if len(at) <= len(errs) {
			return errs[len(at)-1]
		}
		return nil
	})
	return at, err
}

func TestACallIsMadeAgainUntilItSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at, err := attempts(t.Context(), weir.Retry{}, errBusy, errBusy, errBusy)
		if err != nil || len(at) != 4 {
			t.Fatalf("%d calls, %v", len(at), err)
		}
		for i, longest := range []time.Duration{100, 200, 400} {
			if wait := at[i+1] - at[i]; wait < longest*time.Millisecond/2 || wait > longest*time.Millisecond {
				t.Errorf("wait %d took %v, of %d ms", i, wait, longest)
			}
		}
	})
}

func TestTheErrorOfACallThatIsGivenUpNamesTheAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at, err := attempts(t.Context(), weir.Retry{Attempts: 3}, errBusy, errBusy, errBusy, errBusy)
		if len(at) != 3 || !errors.Is(err, errBusy) || !strings.Contains(err.Error(), "3 attempts failed") {
			t.Errorf("%d calls, %v", len(at), err)
		}
	})
}

func TestACallIsMadeUntilItSucceedsIfThatIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errs := make([]error, 100)
		for i := range errs {
			errs[i] = errBusy
		}
		at, err := attempts(t.Context(), weir.Retry{Attempts: -1, FirstWait: time.Second, MaxWait: 4 * time.Second}, errs...)
		if err != nil || len(at) != 101 {
			t.Fatalf("%d calls, %v", len(at), err)
		}
		if last := at[100] - at[99]; last < 2*time.Second || last > 4*time.Second {
			t.Errorf("the last wait took %v", last)
		}
	})
}

func TestATargetThatAsksForTimeGetsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		later := fmt.Errorf("insert: %w", &weir.RetryLaterError{RetryAfter: time.Minute, Err: errBusy})
		at, err := attempts(t.Context(), weir.Retry{MaxWait: time.Second}, later)
		if err != nil || len(at) != 2 || at[1] < time.Minute {
			t.Errorf("calls at %v, %v", at, err)
		}
	})
}

func TestACallIsNotMadeAgainWhereThatIsOfNoUse(t *testing.T) {
	refused := sink.RecordErrors{{Err: errBusy}}
	for name, r := range map[string]struct {
		retry weir.Retry
		err   error
	}{
		"once":      {weir.Retry{Attempts: 1}, errBusy},
		"refused":   {weir.Retry{If: func(err error) bool { return !errors.Is(err, errBusy) }}, errBusy},
		"permanent": {weir.Retry{}, fmt.Errorf("bulk: %w", refused)},
	} {
		at, err := attempts(t.Context(), r.retry, r.err)
		if len(at) != 1 || err != r.err {
			t.Errorf("%s: %d calls, %v", name, len(at), err)
		}
	}
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(stopped) })
		began := time.Now()
		at, err := attempts(ctx, weir.Retry{FirstWait: time.Hour, MaxWait: time.Hour}, errBusy)
		if len(at) != 1 || !errors.Is(err, errBusy) || !errors.Is(err, stopped) || time.Since(began) != time.Second {
			t.Errorf("%d calls, %v after %v", len(at), err, time.Since(began))
		}
		if at, err := attempts(ctx, weir.Retry{}); len(at) != 0 || !errors.Is(err, stopped) {
			t.Errorf("%d calls with a context that has ended, %v", len(at), err)
		}
	})
}

func ExampleRetry_Do() {
	calls := 0
	err := weir.Retry{FirstWait: time.Millisecond}.Do(context.Background(), func(context.Context) error {
		if calls++; calls < 3 {
			return errors.New("connection refused")
		}
		return nil
	})
	fmt.Println(calls, err)
	// Output: 3 <nil>
}
