package lookuptest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/operator/internal/operatortest"
)

// lookupTask is a task that is a lookup join. "unknown" has no row; everything else has itself in capitals. "poison" makes a
// batch fail, "hole" lets it find no answer in time, "panic" panics; the function of both fails for "unwanted".
type lookupTask struct {
	env     *operator.Env
	op      *operator.Lookup[string, string, string, string, string]
	results operatortest.Lines
	asked   []int // the sizes of batches
	err     error // of the next calls
	offset  int64
	now     time.Time

	failures []error
}

func newLookupTask(ctx context.Context, unmatched bool) *lookupTask {
	return newLimitedLookupTask(ctx, unmatched, join.Limits{})
}

func newLimitedLookupTask(ctx context.Context, unmatched bool, limits join.Limits) *lookupTask {
	l := &lookupTask{env: &operator.Env{Context: ctx, Logger: slog.New(slog.DiscardHandler)}, now: time.Unix(0, 0)}
	lookup := join.LookupFunc[string, string](func(_ context.Context, queries []string, found []*string) error {
		l.asked = append(l.asked, len(queries))
		if l.err != nil {
			return l.err
		}
		for i, q := range queries {
			switch q {
			case "poison":
				return errors.New("poisoned")
			case "hole":
				return fmt.Errorf("hole: %w", context.DeadlineExceeded)
			case "panic":
				panic("poisoned")
			case "unknown":
			default:
				row := strings.ToUpper(q)
				found[i] = &row
			}
		}
		return nil
	})
	l.env.Now = func() time.Time { return l.now }
	l.op = operator.NewLookup(l.env, 0, join.Limit(lookup, limits), unmatched,
		func(_ context.Context, r *weir.Record[string, string]) (string, error) {
			if r.Value == "no query" {
				return "", errors.New("no query")
			}
			return r.Value, nil
		},
		func(_ context.Context, r *weir.Record[string, string], row *string) (string, error) {
			switch {
			case r.Value == "unwanted":
				return "", errors.New("unwanted")
			case row == nil:
				return r.Value + " alone", nil
			}
			return r.Value + " " + *row, nil
		}, &l.results)
	return l
}

// receive gives it records, skipping those that fail at once.
func (l *lookupTask) receive(values ...string) (failed []int64) {
	for _, v := range values {
		l.env.Origin = weir.Origin{Topic: "t", Offset: l.offset}
		header := []weir.Header{{Key: "h", Value: []byte(v)}}
		r := weir.Record[string, string]{Key: "k", Value: v, Millis: l.offset, Origin: &l.env.Origin, Headers: header}
		if err := l.op.Receive(&r); err != nil {
			failed = append(failed, l.offset)
		}
		header[0].Value[0] = '?' // it is that of a fetch buffer
		l.offset++
	}
	return failed
}

// settle settles until nothing is held, and returns the offsets of what has failed. It does not go on when the lookup is
// unavailable.
func (l *lookupTask) settle() (failed []int64, unavailable error) {
	for {
		err := l.try()
		var unsettled *operator.UnsettledError
		switch {
		case err == nil:
			return failed, nil
		case errors.As(err, &unsettled):
			return failed, unsettled
		}
		failed = append(failed, l.env.Origin.Offset)
		l.failures = append(l.failures, err)
	}
}

// settleFor settles again and again, a second apart, until nothing is held, and returns how often it took.
func (l *lookupTask) settleFor(tries int) (failed []int64, took int, unavailable error) {
	for took < tries {
		took++
		var more []int64
		more, unavailable = l.settle()
		if failed = append(failed, more...); unavailable == nil {
			break
		}
		l.now = l.now.Add(time.Second)
	}
	return failed, took, unavailable
}

func (l *lookupTask) try() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return l.env.Settle()
}

func TestALookupJoinAsksForManyAtOnceAndKeepsTheirOrder(t *testing.T) {
	for _, unmatched := range []bool{false, true} {
		l := newLookupTask(t.Context(), unmatched)
		l.receive("a", "unknown", "b")
		if len(l.results.Results) != 0 || l.op.Held() != 3 || l.env.Settled() {
			t.Fatalf("held %d, results %v", l.op.Held(), l.results.Results)
		}
		if failed, err := l.settle(); failed != nil || err != nil {
			t.Fatal(failed, err)
		}
		want := []string{"k: a A at 0", "k: b B at 2"}
		if unmatched {
			want = slices.Insert(want, 1, "k: unknown alone at 1")
		}
		if diff := cmp.Diff(want, l.results.Results); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]int{3}, l.asked); diff != "" || !l.env.Settled() {
			t.Error(diff)
		}
	}
}

// L-5. The error is that of one record, which is named; all others are joined.
func TestAnErrorOfALookupIsThatOfOneRecord(t *testing.T) {
	for _, bad := range []string{"poison", "panic", "unwanted"} {
		l := newLookupTask(t.Context(), false)
		l.receive("a", "b", bad, "c", bad, "d")
		failed, err := l.settle()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int64{2, 4}, failed); diff != "" {
			t.Errorf("%s: failed: %s", bad, diff)
		}
		want := []string{"k: a A at 0", "k: b B at 1", "k: c C at 3", "k: d D at 5"}
		if diff := cmp.Diff(want, l.results.Results); diff != "" {
			t.Errorf("%s: %s", bad, diff)
		}
	}
	l := newLookupTask(t.Context(), false)
	if diff := cmp.Diff([]int64{1}, l.receive("a", "no query", "b")); diff != "" {
		t.Error(diff)
	}
	if failed, err := l.settle(); failed != nil || err != nil || len(l.results.Results) != 2 {
		t.Error(failed, err, l.results.Results)
	}
}

func TestALookupThatIsUnavailableIsAskedAgain(t *testing.T) {
	for name, away := range map[string]error{
		"unavailable": fmt.Errorf("try: %w", &weir.RetryLaterError{RetryAfter: 7e9}),
		"too slow":    fmt.Errorf("query: %w", context.DeadlineExceeded),
	} {
		l := newLookupTask(t.Context(), false)
		l.receive("a", "b")
		l.err = away
		for range 3 {
			failed, err := l.settle()
			unsettled, ok := errors.AsType[*operator.UnsettledError](err)
			if !ok || failed != nil || len(l.results.Results) != 0 {
				t.Fatal(name, failed, err)
			}
			want := 7e9
			if name == "too slow" {
				want = 1e9
			}
			if float64(unsettled.Wait()) != want {
				t.Errorf("%s: wait %v", name, unsettled.Wait())
			}
		}
		l.err = nil
		l.receive("c")
		if failed, err := l.settle(); failed != nil || err != nil {
			t.Fatal(name, failed, err)
		}
		if diff := cmp.Diff([]string{"k: a A at 0", "k: b B at 1", "k: c C at 2"}, l.results.Results); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// A query that never finds an answer is the error of its record once it is known that others do, before it or behind it.
func TestAQueryThatNeverFindsAnAnswerIsGivenUp(t *testing.T) {
	for _, c := range []struct {
		values []string
		limits join.Limits
		failed []int64
		took   int
	}{
		{[]string{"hole", "b"}, join.Limits{}, []int64{0}, 4}, // two together first
		{[]string{"a", "hole"}, join.Limits{}, []int64{1}, 4},
		{[]string{"a", "hole"}, join.Limits{Tries: 1}, []int64{1}, 2},
		{[]string{"a", "hole"}, join.Limits{Tries: -1}, nil, 100},
		{[]string{"hole"}, join.Limits{}, nil, 100}, // nothing else was ever answered: this looks like an outage
		{[]string{"hole"}, join.Limits{MaxOutage: 9 * time.Second}, []int64{0}, 10},
		{[]string{"a", "hole", "hole", "hole", "d"}, join.Limits{}, []int64{1, 2, 3}, 9},
	} {
		l := newLimitedLookupTask(t.Context(), false, c.limits)
		l.receive(c.values...)
		failed, took, err := l.settleFor(100)
		if diff := cmp.Diff(c.failed, failed); diff != "" || took != c.took || (err != nil) != (took == 100) {
			t.Errorf("%v %+v: took %d tries, %v: %s", c.values, c.limits, took, err, diff)
		}
		for _, err := range l.failures {
			if stuck, ok := errors.AsType[*join.LookupTimeoutError](err); !ok || (stuck.Tries > 0) != (c.limits.MaxOutage == 0) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v: %v", c.values, err)
			}
		}
	}
}

// While nothing is answered nothing is given up, however long it lasts. With a limit all that waits is, and goes on afterwards.
func TestAnOutageOfALookupLosesNothingUnlessThereIsALimit(t *testing.T) {
	for _, away := range []error{&weir.RetryLaterError{}, context.DeadlineExceeded} {
		l := newLookupTask(t.Context(), false)
		l.receive("a")
		if failed, err := l.settle(); failed != nil || err != nil {
			t.Fatal(failed, err)
		}
		l.receive("b", "c")
		l.err = away
		if failed, took, err := l.settleFor(1000); failed != nil || took != 1000 || err == nil {
			t.Errorf("%v: %v failed after %d", away, failed, took)
		}
		l = newLimitedLookupTask(t.Context(), false, join.Limits{MaxOutage: time.Minute})
		l.receive("a", "b")
		l.err = away
		if failed, took, err := l.settleFor(1000); len(failed) != 2 || took != 61 || err != nil {
			t.Errorf("%v: %v failed after %d: %v", away, failed, took, err)
		}
		l.err = nil
		l.receive("c")
		if failed, err := l.settle(); failed != nil || err != nil || len(l.results.Results) != 1 {
			t.Errorf("%v: afterwards: %v, %v", away, failed, err)
		}
	}
}

func TestALookupJoinForgetsWhatIsDoneAgain(t *testing.T) {
	l := newLookupTask(t.Context(), false)
	l.receive("a", "b")
	l.op.Discard()
	if failed, err := l.settle(); failed != nil || err != nil || l.results.Results != nil {
		t.Error(failed, err, l.results.Results)
	}
}

// Whatever fails, and whenever it settles or is done again from the last settling, the results are those of a loop.
func TestLookupJoinsAgreeWithALoop(t *testing.T) {
	values := []string{"a", "b", "unknown", "poison", "panic", "unwanted", "no query", "c"}
	for seed := range uint64(longtest.Cases(800, 5_000)) {
		random := rand.New(rand.NewPCG(seed, 0))
		unmatched := random.IntN(2) == 0
		l := newLookupTask(t.Context(), unmatched)
		var want, committed []string
		var wantFailed, failed []int64
		for range random.IntN(12) {
			from := l.offset
			batch := make([]string, random.IntN(6))
			for i := range batch {
				batch[i] = values[random.IntN(len(values))]
			}
			for { // until it is done, as after going back to a checkpoint
				l.offset = from
				l.results.Results = nil
				got := l.receive(batch...)
				l.err = nil
				if random.IntN(3) == 0 {
					l.err = &weir.RetryLaterError{}
				}
				more, err := l.settle()
				if err != nil {
					if random.IntN(2) == 0 {
						l.op.Discard()
						continue
					}
					l.err = nil
					again, err := l.settle()
					if err != nil {
						t.Fatal(err)
					}
					more = append(more, again...)
				}
				failed = append(failed, slices.Sorted(slices.Values(append(got, more...)))...)
				committed = append(committed, l.results.Results...)
				break
			}
			for i, v := range batch {
				at := from + int64(i)
				switch v {
				case "poison", "panic", "no query", "unwanted":
					wantFailed = append(wantFailed, at)
				case "unknown":
					if unmatched {
						want = append(want, fmt.Sprintf("k: unknown alone at %d", at))
					}
				default:
					want = append(want, fmt.Sprintf("k: %s %s at %d", v, strings.ToUpper(v), at))
				}
			}
		}
		if diff := cmp.Diff(want, committed); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
		if diff := cmp.Diff(wantFailed, failed); diff != "" {
			t.Fatalf("seed %d: failed: %s", seed, diff)
		}
	}
}
