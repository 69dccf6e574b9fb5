package sourcing_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/sourcing"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/source"
)

// endless is a source of one split that never waits. It counts the records that were read.
type endless struct {
	read   atomic.Int64
	acks   atomic.Int64
	closed atomic.Bool
	hang   chan struct{} // Read waits for it, and for nothing else, if it is not nil
	looks  atomic.Int64
	fail   func(look int64) error // of Splits
	broken func() error           // of Read
	task   source.Task            // of the last Open
}

func (s *endless) Connect(context.Context) error { return nil }
func (s *endless) Splits(context.Context, func(string) bool) ([]source.Split, error) {
	if n := s.looks.Add(1); s.fail != nil {
		if err := s.fail(n); err != nil {
			return nil, err
		}
	}
	return []source.Split{{ID: "a"}}, nil
}

// endlessSource hides the Close of the reader.
type endlessSource struct{ *endless }

func (s endlessSource) Close(context.Context) error { return nil }
func (s endlessSource) Open(_ context.Context, task source.Task, _ source.Split, _ []byte) (source.Reader[string, string], error) {
	s.task = task
	return endlessReader(s), nil
}

type endlessReader struct{ *endless }

func (r endlessReader) Read(_ context.Context, into *source.Batch[string, string]) error {
	if r.broken != nil {
		if err := r.broken(); err != nil {
			return err
		}
	}
	if r.hang != nil {
		<-r.hang
	}
	for range 10 {
		into.Records = append(into.Records, weir.Record[string, string]{Value: "v"})
	}
	into.Bytes = 100
	into.Position = fmt.Append(nil, r.read.Add(10))
	return nil
}

func (r endlessReader) Acknowledge(context.Context, []byte) error {
	r.acks.Add(1)
	return errors.New("the system does not answer")
}

func (r endlessReader) Close() error {
	r.closed.Store(true)
	return nil
}

// taker counts records.
type taker struct{ n int }

func (t *taker) Receive(*weir.Record[string, string]) error { t.n++; return nil }

// logged collects the log.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logged) contains(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

func newSlot(t *testing.T, s *endless, options source.Options) (env *operator.Env, slot *sourcing.Slot[string, string], out *taker, log *logged) {
	t.Helper()
	log, out = new(logged), new(taker)
	env = &operator.Env{Context: t.Context(), Logger: slog.New(slog.NewTextHandler(log, nil)), Now: time.Now}
	env.Space = func(name string) (state.Space, error) {
		return state.Space{Name: name, Backend: state.NewMemory(), Prefix: []byte{1}}, nil
	}
	options.Name, options.Slots = "s", 1
	slot, err := sourcing.New(env, 0, "slots", endlessSource{s}, options, out)
	if err != nil {
		t.Fatal(err)
	}
	return env, slot, out, log
}

// closeAll ends the slot as its task does.
func closeAll(t *testing.T, env *operator.Env) {
	t.Helper()
	for _, f := range env.OnClose {
		if err := f(); err != nil {
			t.Error(err)
		}
	}
}

// take takes until nothing moves.
func take(t *testing.T, slot *sourcing.Slot[string, string], limit int) {
	t.Helper()
	if err := slot.Take(limit); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func TestAReaderWaitsWhileItsQueueIsFull(t *testing.T) {
	for name, options := range map[string]source.Options{"records": {QueueRecords: 50}, "bytes": {QueueBytes: 500}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &endless{}
				env, slot, out, _ := newSlot(t, s, options)
				take(t, slot, 10) // begins
				take(t, slot, 0)  // opens
				if n := s.read.Load(); n != 50 {
					t.Errorf("%d records were read, and 50 is the bound", n)
				}
				take(t, slot, 10)
				if n := s.read.Load(); out.n != 10 || n != 60 {
					t.Errorf("%d records were taken, and %d read", out.n, n)
				}
				closeAll(t, env)
				if !s.closed.Load() {
					t.Error("the reader is not closed")
				}
			})
		})
	}
}

func TestARateIsKeptAlsoByAWorkerThatIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &endless{}
		env, slot, out, _ := newSlot(t, s, source.Options{RecordsPerSecond: 1000})
		take(t, slot, 0) // begins
		take(t, slot, 0) // opens
		began := time.Now()
		count := func(when string, want int) {
			t.Helper()
			for out.n < want {
				take(t, slot, 1)
				slot.Taken()
				time.Sleep(time.Until(time.UnixMilli(slot.Next()).Add(1700 * time.Microsecond)))
			}
			if took, right := time.Since(began), time.Duration(want)*time.Millisecond; took < right-10*time.Millisecond || took > right+10*time.Millisecond {
				t.Errorf("%s: %d records at 1,000 per second took %v", when, want, took)
			}
		}
		count("late each time", 3000)
		time.Sleep(900 * time.Millisecond) // as in an outage of the cluster
		count("behind a long call", 6000)
		time.Sleep(10 * time.Second)
		began = began.Add(9 * time.Second)
		count("behind an outage", 9000)
		closeAll(t, env)
	})
}

func TestASourceThatHadNoRecordsKeepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &endless{hang: make(chan struct{})}
		env, slot, out, _ := newSlot(t, s, source.Options{RecordsPerSecond: 1000, QueueRecords: 20})
		take(t, slot, 0) // begins
		take(t, slot, 0) // opens
		time.Sleep(time.Minute)
		take(t, slot, 100)
		close(s.hang)
		synctest.Wait()
		take(t, slot, 100)
		if s.task.BatchRecords != 100 {
			t.Errorf("the task asks for batches of %d records, and a tenth of a second has 100", s.task.BatchRecords)
		}
		if out.n != 10 {
			t.Errorf("%d records at once, and a batch has 10", out.n)
		}
		closeAll(t, env)
	})
}

func TestAnAcknowledgementComesOnceBehindTheCommitAndItsFailureIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &endless{}
		env, slot, _, log := newSlot(t, s, source.Options{QueueRecords: 20})
		take(t, slot, 0)
		take(t, slot, 0)
		take(t, slot, 10)
		if n := s.acks.Load(); n != 0 {
			t.Errorf("%d acknowledgements before the commit", n)
		}
		for _, store := range env.Stores {
			if err := store.Flush(func(_, _ []byte) error { return nil }); err != nil {
				t.Fatal(err)
			}
			store.Committed()
		}
		slot.Committed()
		synctest.Wait()
		slot.Committed() // nothing new
		synctest.Wait()
		if n := s.acks.Load(); n != 1 || !log.contains("could not be acknowledged") {
			t.Errorf("%d acknowledgements; the log: %s", n, log.text.String())
		}
		closeAll(t, env)
	})
}

func TestAReaderThatHangsIsLeftBehindAfterTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &endless{hang: make(chan struct{})}
		env, slot, _, log := newSlot(t, s, source.Options{CloseTimeout: 3 * time.Second})
		take(t, slot, 0)
		take(t, slot, 0)
		began := time.Now()
		closeAll(t, env)
		if took := time.Since(began); took != 3*time.Second || !log.contains("was left behind") {
			t.Errorf("closed in %v; the log: %s", took, log.text.String())
		}
		close(s.hang)
		synctest.Wait()
		if !s.closed.Load() {
			t.Error("the reader was not closed when it had come back")
		}
	})
}

func TestOnlyTheFirstLookForSplitsEndsTheRun(t *testing.T) {
	for name, c := range map[string]struct {
		fails func(look int64) bool
		ends  bool
	}{
		"at the start": {func(int64) bool { return true }, true},
		"later":        {func(look int64) bool { return look > 1 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &endless{fail: func(look int64) error {
					if c.fails(look) {
						return errors.New("access denied")
					}
					return nil
				}}
				env, slot, _, log := newSlot(t, s, source.Options{QueueRecords: 10, LookInterval: time.Minute, Retry: weir.Retry{Attempts: 2}})
				take(t, slot, 0)
				time.Sleep(3 * time.Minute)
				synctest.Wait()
				take(t, slot, 0)
				failed, ok := errors.AsType[*source.Error](slot.Err())
				if ok != c.ends || ok && (failed.Attempts != 2 || failed.Doing != "look for splits") {
					t.Errorf("%v", slot.Err())
				}
				if !c.ends && !log.contains("the splits of a source are not known") {
					t.Errorf("the log: %s", log.text.String())
				}
				closeAll(t, env)
			})
		})
	}
}

// persistent is a source that says how often it is tried again.
type persistent struct{ endlessSource }

func (persistent) Retry() weir.Retry { return weir.Retry{Attempts: 7, FirstWait: time.Second} }

func TestAnErrorThatWrapsTheEndIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failures := 3
		s := &endless{broken: func() error {
			if failures--; failures >= 0 {
				return fmt.Errorf("the connection is lost: %w", io.EOF)
			}
			return nil
		}}
		env, slot, out, _ := newSlot(t, s, source.Options{QueueRecords: 10, LookInterval: -1})
		take(t, slot, 0)
		take(t, slot, 0)
		time.Sleep(time.Minute)
		synctest.Wait()
		take(t, slot, 10)
		if out.n != 10 || slot.Err() != nil || failures >= 0 {
			t.Errorf("%d records came, the error is %v, and %d failures are left", out.n, slot.Err(), failures)
		}
		closeAll(t, env)
	})
}

func TestASourceKnowsHowOftenItIsTriedAgain(t *testing.T) {
	own := weir.Retry{Attempts: 2}
	for _, c := range []struct {
		from  any
		given weir.Retry
		want  int
	}{{persistent{}, weir.Retry{}, 7}, {persistent{}, own, 2}, {endlessSource{}, weir.Retry{}, 0}} {
		if got := sourcing.WithDefaults(source.Options{Retry: c.given}, c.from).Retry.Attempts; got != c.want {
			t.Errorf("%T with %d attempts: got %d, want %d", c.from, c.given.Attempts, got, c.want)
		}
	}
}

// The report of the last batch of a while does not wait for the next one, nor for the next look for splits.
func TestTheStatusIsThatOfTheLastBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		s := &endless{broken: func() error {
			if reads++; reads > 1 {
				return &weir.RetryLaterError{RetryAfter: time.Hour}
			}
			return nil
		}}
		env, slot, _, _ := newSlot(t, s, source.Options{})
		take(t, slot, 0) // begins
		take(t, slot, 0) // opens, and reports that
		take(t, slot, 100)
		due := time.UnixMilli(slot.Next())
		if wait := time.Until(due); wait <= 0 || wait > time.Second {
			t.Fatalf("the next report is due in %v", wait)
		}
		time.Sleep(time.Until(due))
		take(t, slot, 100)
		if splits := slot.Status().Splits; len(splits) != 1 || string(splits[0].Position) != "10" {
			t.Errorf("%+v", splits)
		}
		if next := slot.Next(); next != math.MaxInt64 {
			t.Errorf("there is nothing to do, and the slot wants to be called at %v", time.UnixMilli(next))
		}
		closeAll(t, env)
	})
}
