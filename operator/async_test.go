package operator_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/operator"
)

// service is the outside system of these tests. What it does with a record depends on the record alone, but for how long it takes.
type service struct {
	random        *rand.Rand // under the lock of running
	lock          chan struct{}
	running, most atomic.Int64
	attempts      map[int64]int
}

const (
	good = iota
	bad
	shaky   // fails twice
	panics  //
	tooLong // does not answer in time
	busy    // asks for time, twice
	kinds
)

func newService(seed uint64) *service {
	s := &service{random: rand.New(rand.NewPCG(seed, 1)), lock: make(chan struct{}, 1), attempts: map[int64]int{}}
	return s
}

var errService = errors.New("refused")

func (s *service) call(ctx context.Context, r weir.Record[string, int]) (string, error) {
	s.lock <- struct{}{}
	if ctx.Err() != nil { // a call of records that were discarded, which takes no attempt away from those that come again
		<-s.lock
		return "", ctx.Err()
	}
	s.most.Store(max(s.most.Load(), s.running.Add(1)))
	wait := time.Duration(s.random.IntN(100)) * time.Millisecond
	s.attempts[r.Origin.Offset]++
	attempt := s.attempts[r.Origin.Offset]
	<-s.lock
	defer s.running.Add(-1)
	answer := fmt.Sprint(r.Key, r.Value, " ", string(r.Headers[0].Value))
	kind := r.Value % kinds
	if kind == tooLong {
		wait = time.Hour
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	switch {
	case kind == bad, kind == shaky && attempt%3 != 0:
		return "", errService
	case kind == panics:
		panic("no such record")
	case kind == busy && attempt%3 != 0:
		return "", &weir.RetryLaterError{RetryAfter: time.Minute, Err: errService}
	}
	return answer, nil
}

// answers returns the model: what comes of a record, after the attempts of asyncOptions.
func answer(offset int64) string {
	key, value := asyncKey(offset), int(offset*7%41)
	switch value % kinds {
	case bad, panics, tooLong:
		return fmt.Sprint("error at ", offset)
	default:
		return fmt.Sprint(key, value, " h", offset)
	}
}

func asyncKey(offset int64) string { return string(rune('a' + offset*offset%5)) }

// asyncTask is a task that is one Async operator.
type asyncTask struct {
	env    *operator.Env
	op     *operator.Async[string, int, string]
	got    []string
	failed []error
	// memory is that of the fetch buffer, used again for each record.
	memory []byte
	// before, if not nil, is called before a result is taken.
	before func(offset int64)
}

func newAsyncTask(ctx context.Context, options operator.AsyncOptions, f func(context.Context, weir.Record[string, int]) (string, error)) *asyncTask {
	a := &asyncTask{env: &operator.Env{Context: ctx, Logger: slog.New(slog.DiscardHandler)}, memory: make([]byte, 0, 64)}
	a.op = operator.NewAsync(a.env, 0, options, codec.String(), nil, f, a)
	return a
}

func (a *asyncTask) Receive(r *weir.Record[string, string]) error {
	if a.before != nil {
		a.before(r.Origin.Offset)
	}
	a.got = append(a.got, r.Value)
	if r.Origin.Offset != a.env.Origin.Offset {
		return fmt.Errorf("origin %d of a record of %d", a.env.Origin.Offset, r.Origin.Offset)
	}
	return nil
}

func (a *asyncTask) receive(offset int64) error {
	clear(a.memory[:cap(a.memory)])
	a.memory = fmt.Append(a.memory[:0], "h", offset)
	a.env.Origin = weir.Origin{Topic: "in", Offset: offset}
	return a.op.Receive(&weir.Record[string, int]{
		Key: asyncKey(offset), Value: int(offset * 7 % 41), Millis: offset, Headers: []weir.Header{{Key: "h", Value: a.memory}}, Origin: &a.env.Origin,
	})
}

// settle settles the task as the engine does: failed records are skipped. It reports whether a call has asked for time.
func (a *asyncTask) settle() (later bool) {
	for {
		err := a.env.Settle()
		if err == nil {
			return false
		}
		if _, ok := errors.AsType[*operator.UnsettledError](err); ok {
			return true
		}
		a.failed = append(a.failed, err)
		a.got = append(a.got, fmt.Sprint("error at ", a.env.Origin.Offset))
	}
}

// land settles until nothing is held, and waits whenever a call asks for it.
func (a *asyncTask) land() {
	a.env.Landing = true
	defer func() { a.env.Landing = false }()
	for a.settle() {
		time.Sleep(time.Minute)
	}
}

func (a *asyncTask) close(tb testing.TB) {
	for _, f := range a.env.OnClose {
		if err := f(); err != nil {
			tb.Error(err)
		}
	}
}

// Against a model that knows the answer for each record: with calls of random length, failures, rewinds and checkpoints.
func TestResultsOfConcurrentCallsLeaveInTheOrderOfTheRecords(t *testing.T) {
	longtest.Seeds(t, longtest.Cases(60, 2_000), func(t *testing.T, seed uint64) {
		for _, unordered := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) { asyncCase(t, seed, unordered) })
		}
	})
}

func asyncCase(t *testing.T, seed uint64, unordered bool) {
	random := rand.New(rand.NewPCG(seed, 2))
	s := newService(seed)
	options := operator.AsyncOptions{
		Concurrency: 1 + random.IntN(8), Timeout: time.Second, Unordered: unordered,
		Retry: weir.Retry{Attempts: 3, FirstWait: time.Millisecond},
	}
	a := newAsyncTask(t.Context(), options, s.call)
	const records = 80
	var next, checkpoint int64
	var before []string // the results up to the checkpoint
	for next < records {
		switch n := random.IntN(20); {
		case n < 12 && !a.env.Full():
			if err := a.receive(next); err != nil {
				t.Fatal(err)
			}
			next++
		case n < 15:
			time.Sleep(time.Duration(random.IntN(50)) * time.Millisecond)
		case n < 18:
			a.settle()
		case n < 19:
			a.land()
			checkpoint, before = next, slices.Clone(a.got)
		default:
			a.op.Discard()
			next, a.got = checkpoint, slices.Clone(before)
		}
		if held := a.op.Held(); held > 4*options.Concurrency {
			t.Fatalf("%d records are held with a concurrency of %d", held, options.Concurrency)
		}
		reached := int64(1 << 40)
		for _, h := range a.env.Holds {
			reached, _ = h.F(reached)
		}
		if done := int64(len(a.got)); !unordered && done < next && reached > done {
			t.Fatalf("event time %d is reached with %d results of %d records", reached, done, next)
		}
	}
	a.land()
	a.close(t)
	var want []string
	for offset := range int64(records) {
		want = append(want, answer(offset))
	}
	got := a.got
	if unordered {
		want, got = byKey(want), byKey(got)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("seed %d, unordered %t (-want +got):\n%s", seed, unordered, diff)
	}
	if most := s.most.Load(); most > int64(options.Concurrency) {
		t.Errorf("seed %d: %d calls at once, with a concurrency of %d", seed, most, options.Concurrency)
	}
}

// byKey puts the results of each key together, in their order. An error names the offset, and so the key.
func byKey(results []string) []string {
	results = slices.Clone(results)
	key := func(s string) string {
		var offset int64
		if n, _ := fmt.Sscanf(s, "error at %d", &offset); n == 1 {
			return asyncKey(offset)
		}
		return s[:1]
	}
	slices.SortStableFunc(results, func(a, b string) int { return int(key(a)[0]) - int(key(b)[0]) })
	return results
}

func TestAResultIsNotHandedOnBeforeTheOneInFrontAndUnorderedOnlyWithinItsKey(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			answers := map[int64]chan string{}
			for offset := range int64(4) {
				answers[offset] = make(chan string, 1)
			}
			a := newAsyncTask(t.Context(), operator.AsyncOptions{Concurrency: 4, Timeout: time.Hour, Unordered: unordered},
				func(_ context.Context, r weir.Record[string, int]) (string, error) {
					return <-answers[r.Origin.Offset], nil
				})
			for offset := range int64(4) { // of keys a, b, e and e
				if err := a.receive(offset); err != nil {
					t.Fatal(err)
				}
			}
			give := func(offset int64, want ...string) {
				t.Helper()
				answers[offset] <- fmt.Sprint(offset)
				synctest.Wait()
				a.settle()
				if diff := cmp.Diff(want, a.got); diff != "" {
					t.Errorf("unordered %t, after the answer for %d (-want +got):\n%s", unordered, offset, diff)
				}
			}
			if unordered {
				give(3)
				give(1, "1")
				give(2, "1", "2", "3")
				give(0, "1", "2", "3", "0")
			} else {
				give(3)
				give(1)
				give(0, "0", "1")
				give(2, "0", "1", "2", "3")
			}
			a.close(t)
		})
	}
}

func TestNothingHasArrivedWhenNothingIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []chan string{make(chan string, 1), make(chan string, 1)}
		a := newAsyncTask(t.Context(), operator.AsyncOptions{Concurrency: 2, Timeout: time.Hour, Unordered: true},
			func(_ context.Context, r weir.Record[string, int]) (string, error) {
				return <-answers[r.Origin.Offset], nil
			})
		a.before = func(offset int64) {
			if offset == 0 { // the other call ends while this result is handed on
				answers[1] <- "1"
				synctest.Wait()
			}
		}
		for offset := range int64(2) {
			if err := a.receive(offset); err != nil {
				t.Fatal(err)
			}
		}
		answers[0] <- "0"
		synctest.Wait()
		if !a.env.Arrived() {
			t.Error("a call has ended, and nothing has arrived")
		}
		a.settle()
		if diff := cmp.Diff([]string{"0", "1"}, a.got); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
		if a.env.Arrived() { // a worker would never wait again
			t.Error("all results were handed on, and something has arrived")
		}
		a.close(t)
	})
}

func TestAPanicOfAConcurrentCallKeepsItsStackAndIsNotTriedAgain(t *testing.T) {
	var calls atomic.Int64
	a := newAsyncTask(t.Context(), operator.AsyncOptions{Concurrency: 1, Timeout: time.Hour},
		func(context.Context, weir.Record[string, int]) (string, error) {
			calls.Add(1)
			panic("no such record")
		})
	if err := a.receive(3); err != nil {
		t.Fatal(err)
	}
	a.land()
	p, ok := errors.AsType[*operator.Panic](errors.Join(a.failed...))
	if !ok || p.Err.Error() != "no such record" || calls.Load() != 1 {
		t.Fatalf("got %v after %d calls", a.failed, calls.Load())
	}
	if !bytes.Contains(p.Stack, []byte("async_test.go")) {
		t.Errorf("the stack does not show the function:\n%s", p.Stack)
	}
	a.close(t)
}

func TestARequestForTimeNamesItsRecordAndItsTimeOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := false
		a := newAsyncTask(t.Context(), operator.AsyncOptions{Concurrency: 4, Timeout: time.Hour},
			func(_ context.Context, r weir.Record[string, int]) (string, error) {
				if r.Origin.Offset == 1 && !asked {
					asked = true
					return "", &weir.RetryLaterError{RetryAfter: time.Minute, Err: errService}
				}
				return "", nil
			})
		for offset := range int64(3) {
			if err := a.receive(offset); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		err := a.env.Settle()
		if want := "not available for 1m0s: " + errService.Error(); err == nil || err.Error() != want || a.env.Origin.Offset != 1 {
			t.Errorf("record %d: %v, want record 1: %s", a.env.Origin.Offset, err, want)
		}
		time.Sleep(time.Minute)
		a.land()
		a.close(t)
	})
}

func TestAFunctionThatEndsItsGoroutineFailsItsRecordAlone(t *testing.T) {
	a := newAsyncTask(t.Context(), operator.AsyncOptions{Concurrency: 1, Timeout: time.Hour},
		func(_ context.Context, r weir.Record[string, int]) (string, error) {
			if r.Origin.Offset == 0 {
				runtime.Goexit()
			}
			return "fine", nil
		})
	for offset := range int64(2) {
		if err := a.receive(offset); err != nil {
			t.Fatal(err)
		}
	}
	a.land()
	if diff := cmp.Diff([]string{"error at 0", "fine"}, a.got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	a.close(t)
}

func TestAFunctionThatIgnoresItsContextFailsItsRecordAndBlocksNoCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		a := newAsyncTask(t.Context(), operator.AsyncOptions{Concurrency: 2, Timeout: time.Second, Retry: weir.Retry{Attempts: 1}},
			func(_ context.Context, r weir.Record[string, int]) (string, error) {
				if r.Origin.Offset == 0 {
					<-release
				}
				return "fine", nil
			})
		for offset := range int64(2) {
			if err := a.receive(offset); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		a.land()
		if took := time.Since(began); took != 6*time.Second {
			t.Errorf("the checkpoint has waited %v", took)
		}
		if diff := cmp.Diff([]string{"error at 0", "fine"}, a.got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		close(release)
		a.close(t)
	})
}

func TestTheEndOfTheStepEndsTheWaitForCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		step, cancel := context.WithCancelCause(t.Context())
		why := errors.New("partitions are given up")
		a := newAsyncTask(t.Context(), operator.AsyncOptions{Concurrency: 2, Timeout: time.Hour},
			func(ctx context.Context, _ weir.Record[string, int]) (string, error) {
				<-ctx.Done()
				return "", ctx.Err()
			})
		a.env.Step = func() context.Context { return step }
		if err := a.receive(0); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { cancel(why) })
		a.env.Landing = true
		if err := a.env.Settle(); !errors.Is(err, why) || !operator.IsFatal(err) {
			t.Errorf("got %v", err)
		}
		a.close(t) // which ends the call: a goroutine that is left fails the test
	})
}

// Records that one input record was expanded to are given up together, as without calls.
func TestTheRecordsBehindAFailedOneOfTheSameInputAreGivenUp(t *testing.T) {
	a := newAsyncTask(t.Context(), operator.AsyncOptions{Concurrency: 2, Timeout: time.Hour, Retry: weir.Retry{Attempts: 1}},
		func(_ context.Context, r weir.Record[string, int]) (string, error) {
			if r.Value == 1 {
				return "", errService
			}
			return fmt.Sprint(r.Origin.Offset, " ", r.Value), nil
		})
	for offset := range int64(3) {
		a.env.Origin = weir.Origin{Topic: "in", Offset: offset}
		for value := range 3 {
			if err := a.op.Receive(&weir.Record[string, int]{Key: "k", Value: value + 10*int(offset%2), Origin: &a.env.Origin}); err != nil {
				t.Fatal(err)
			}
		}
	}
	a.land()
	want := []string{"0 0", "error at 0", "1 10", "1 11", "1 12", "2 0", "error at 2"}
	if diff := cmp.Diff(want, a.got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	a.close(t)
}

// behind is a receiver that panics.
type behind struct{ got []string }

func (b *behind) Receive(r *weir.Record[string, string]) error {
	if r.Value == "1" {
		panic("behind")
	}
	b.got = append(b.got, r.Value)
	return nil
}

func TestAPanicBehindAConcurrentCallFailsItsRecordAlone(t *testing.T) {
	env := &operator.Env{Context: t.Context(), Logger: slog.New(slog.DiscardHandler), Landing: true}
	var next behind
	op := operator.NewAsync(env, 0, operator.AsyncOptions{Concurrency: 4, Timeout: time.Hour}, codec.String(), nil,
		func(_ context.Context, r weir.Record[string, int]) (string, error) { return fmt.Sprint(r.Value), nil }, &next)
	for value := range 3 {
		env.Origin.Offset = int64(value)
		if err := op.Receive(&weir.Record[string, int]{Key: "k", Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	func() {
		defer func() {
			if recover() == nil || env.Origin.Offset != 1 {
				t.Errorf("no panic came out, or at offset %d", env.Origin.Offset)
			}
		}()
		_ = env.Settle()
	}()
	if err := env.Settle(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"0", "2"}, next.got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A call may ask for time while its result is being looked for: that is no failure of its record, whenever it happens.
func TestACallThatAsksForTimeAsItIsLookedAtHasNotFailed(t *testing.T) {
	t.Parallel()
	a := newAsyncTask(t.Context(), operator.AsyncOptions{Concurrency: 2, Timeout: time.Minute, Retry: weir.Retry{Attempts: 1}},
		func(context.Context, weir.Record[string, int]) (string, error) {
			return "", &weir.RetryLaterError{RetryAfter: time.Hour, Err: errService}
		})
	defer a.close(t)
	for offset := range int64(longtest.Cases(20_000, 200_000)) {
		if err := a.receive(offset); err != nil {
			t.Fatal(err)
		}
		for !a.settle() { // until the call has asked
			if len(a.failed) > 0 {
				t.Fatalf("record %d has failed: %v", offset, a.failed[0])
			}
		}
		a.op.Discard()
	}
}

// Calls that have failed together, in an outage, are made again together, not each after a wait of its own when it is the first.
func TestCallsThatAskForTimeTogetherAreMadeAgainTogether(t *testing.T) {
	t.Parallel()
	for _, unordered := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			a := newAsyncTask(t.Context(), operator.AsyncOptions{Concurrency: 16, Timeout: time.Hour, Unordered: unordered},
				func(_ context.Context, r weir.Record[string, int]) (string, error) {
					if time.Since(begun) < 90*time.Second {
						return "", &weir.RetryLaterError{RetryAfter: time.Minute, Err: errService}
					}
					return fmt.Sprint(r.Origin.Offset), nil
				})
			for offset := range int64(16) {
				if err := a.receive(offset); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			waits := 0
			a.env.Landing = true
			for ; a.settle(); waits++ {
				time.Sleep(time.Minute)
			}
			if waits > 4 || len(a.got) != 16 || len(a.failed) > 0 { // two for each call, and two for those that failed a moment later
				t.Errorf("unordered %t: %d results and %d failures after %d waits, want 16 after 4 at most", unordered, len(a.got), len(a.failed), waits)
			}
			a.close(t)
		})
	}
}
