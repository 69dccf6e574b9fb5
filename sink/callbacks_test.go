package sink_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
)

// connecting is a sink that may not connect, in two phases if it is asked to be.
type connecting struct {
	sink.List[string, int]
	err error
}

func (c *connecting) Connect(context.Context) error { return c.err }

type connectingTwice struct{ connecting }

func (c *connectingTwice) TwoPhaseWriter(context.Context, sink.Task) (sink.TwoPhaseWriter[string, int], error) {
	return nopTwoPhase{}, nil
}

type nopTwoPhase struct{}

func (nopTwoPhase) Add(context.Context, *weir.Record[string, int]) error             { return nil }
func (nopTwoPhase) Full() bool                                                       { return false }
func (nopTwoPhase) Discard()                                                         {}
func (nopTwoPhase) Close() error                                                     { return nil }
func (nopTwoPhase) Recover(context.Context, string, [][]byte) error                  { return nil }
func (nopTwoPhase) Prepare(context.Context, sink.Checkpoint) (token []byte, _ error) { return nil, nil }
func (nopTwoPhase) Commit(context.Context, []byte) error                             { return nil }

func TestCallbacksAreToldOfConnections(t *testing.T) {
	refused, other := errors.New("refused"), errors.New("other")
	for _, c := range []struct{ err, answer, want error }{{nil, nil, nil}, {refused, other, other}, {refused, nil, nil}} {
		var told []string
		s := sink.WithCallbacks(&connecting{err: c.err}, sink.Callbacks[string]{
			Connected:     func() { told = append(told, "connected") },
			ConnectFailed: func(err error) error { told = append(told, err.Error()); return c.answer },
		})
		if err := s.Connect(t.Context()); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%v is %v, want %v", c.err, err, c.want)
		}
		if want := map[bool]string{true: "connected", false: "refused"}[c.err == nil]; len(told) != 1 || told[0] != want {
			t.Errorf("told %q, want %q", told, want)
		}
		if _, ok := s.(sink.TwoPhase[string, int]); ok {
			t.Error("a plain sink is one in two phases")
		}
	}
	if _, ok := sink.WithCallbacks(sink.Sink[string, int](&connectingTwice{}), sink.Callbacks[string]{}).(sink.TwoPhase[string, int]); !ok {
		t.Error("a sink in two phases is a plain one")
	}
	for _, c := range []sink.Callbacks[string]{{SilentAfter: time.Second}, {Silent: func(context.Context, string) error { return nil }}} {
		if err := sink.WithCallbacks(&connecting{}, c).Connect(t.Context()); !errors.Is(err, weir.ErrConfiguration) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// listen returns the function that adds a record of a key to a sink of the kind, and the calls for silent keys, by the seconds since the start.
func listen(t *testing.T, twoPhase bool, silent func(key string) error) (add func(key string), closeWriter func() error) {
	callbacks := sink.Callbacks[string]{SilentAfter: 6 * time.Second, Silent: func(_ context.Context, key string) error { return silent(key) }}
	record := func(key string) *weir.Record[string, int] {
		return &weir.Record[string, int]{Key: key, KeyNull: key == "", Origin: &weir.Origin{}}
	}
	if twoPhase {
		s := sink.WithCallbacks(sink.Sink[string, int](&connectingTwice{}), callbacks).(sink.TwoPhase[string, int])
		w, err := s.TwoPhaseWriter(t.Context(), sink.Task{})
		if err != nil {
			t.Fatal(err)
		}
		return func(key string) { _ = w.Add(t.Context(), record(key)) }, w.Close
	}
	w, err := sink.WithCallbacks(&connecting{}, callbacks).Writer(t.Context(), sink.Task{})
	if err != nil {
		t.Fatal(err)
	}
	return func(key string) { _ = w.Add(t.Context(), record(key)) }, w.Close
}

func TestSilentKeysAreToldOnceForEachSilence(t *testing.T) {
	for _, twoPhase := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			var mu sync.Mutex // guards calls, failing and add
			var calls []string
			var failing bool
			var add func(string)
			var closeWriter func() error
			mu.Lock()
			add, closeWriter = listen(t, twoPhase, func(key string) error {
				mu.Lock()
				defer mu.Unlock()
				calls = append(calls, fmt.Sprint(key, " ", time.Since(began)))
				if key == "busy" && len(calls) < 4 { // a record comes during the call
					add("busy")
				}
				if failing {
					return errors.New("not now")
				}
				return nil
			})
			mu.Unlock()
			taken := func(fails bool) (all []string) {
				mu.Lock()
				defer mu.Unlock()
				all, calls, failing = calls, nil, fails
				return all
			}
			expect := func(want ...string) {
				t.Helper()
				synctest.Wait()
				if diff := cmp.Diff(want, taken(false)); diff != "" {
					t.Errorf("two phases: %v: calls (-want +got):\n%s", twoPhase, diff)
				}
			}
			add("s1")
			add("") // null
			time.Sleep(4 * time.Second)
			add("s2")
			time.Sleep(1999 * time.Millisecond)
			expect()
			time.Sleep(time.Millisecond)
			expect("s1 6s") // the bound is included
			add("s1")
			time.Sleep(20 * time.Second)
			expect("s2 10s", "s1 12s")
			add("busy")
			time.Sleep(30 * time.Second)
			expect("busy 32s", "busy 38s", "busy 44s", "busy 50s")
			taken(true)
			add("bad")
			time.Sleep(7500 * time.Millisecond)
			expect("bad 1m2s", "bad 1m3s")
			time.Sleep(30 * time.Second)
			expect("bad 1m4s")
			taken(true)
			add("worse")
			time.Sleep(time.Minute)
			synctest.Wait()
			if failed := taken(false); len(failed) < 11 || len(failed) > 13 { // from 6 to 18 s, once in a second; then it is forgotten
				t.Errorf("calls for a key, when all fail: %v", failed)
			}
			add("closed")
			if err := closeWriter(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			expect()
		})
	}
}

// late is a sink that connects at the second attempt, or never.
type late struct {
	counted
	attempts, connects int // the attempt that succeeds
}

func (l *late) Connect(context.Context) error {
	if l.attempts++; l.attempts != l.connects {
		panic("too early")
	}
	return nil
}

func (l *late) Writer(ctx context.Context, task sink.Task) (sink.Writer[string, int], error) {
	if l.attempts < l.connects {
		return nil, errors.New("no connection")
	}
	return l.counted.Writer(ctx, task)
}

func TestASinkThatHasNotConnectedIsConnectedForItsWriters(t *testing.T) {
	t.Parallel()
	for connects, want := range map[int]string{2: "", 9: "no connection: the sink is not connected: panic: too early"} {
		inner := &late{connects: connects}
		var told []string
		s := sink.WithCallbacks(sink.Sink[string, int](inner), sink.Callbacks[string]{
			Connected:     func() { told = append(told, "connected") },
			ConnectFailed: func(error) error { told = append(told, "failed"); return nil },
		})
		if err := s.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, err := s.Writer(t.Context(), sink.Task{})
			if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
				t.Errorf("Writer returns %v, want %q", err, want)
			}
		}
		if err := s.Close(t.Context()); err != nil || inner.closed != 1 {
			t.Errorf("closed %d times: %v", inner.closed, err)
		}
		expected := map[int][]string{2: {"failed", "connected"}, 9: {"failed", "failed", "failed"}}[connects]
		if diff := cmp.Diff(expected, told); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	}
}

func TestAPanicOfConnectFailedEndsTheRunAndClosesTheSink(t *testing.T) {
	t.Parallel()
	inner := &counted{}
	s := sink.WithCallbacks(sink.Sink[string, int](inner), sink.Callbacks[string]{
		Connected:     func() { panic("no number") },
		ConnectFailed: func(error) error { panic("no answer") },
	})
	if err := s.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "panic: no answer") || inner.closed != 1 {
		t.Errorf("closed %d times: %v", inner.closed, err)
	}
}

func TestAPanicOfConnectedIsAnErrorOfConnectFailed(t *testing.T) {
	t.Parallel()
	for name, handled := range map[string]bool{"the run goes on": true, "the run ends": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inner := &counted{}
			s := sink.WithCallbacks(sink.Sink[string, int](inner), sink.Callbacks[string]{
				Connected: func() { panic("no number") },
				ConnectFailed: func(err error) error {
					if handled {
						return nil
					}
					return err
				},
			})
			err := s.Connect(t.Context())
			if handled != (err == nil) || !handled && !strings.Contains(err.Error(), "panic: no number") {
				t.Errorf("Connect returns %v", err)
			}
			if want := map[bool]int{true: 0, false: 1}[handled]; inner.closed != want { // the runtime closes a sink that has connected
				t.Errorf("closed %d times, want %d", inner.closed, want)
			}
		})
	}
}

// counted counts the calls of Close.
type counted struct {
	sink.List[string, int]
	closed int
}

func (c *counted) Close(context.Context) error {
	c.closed++
	return nil
}

func TestAPanicOfSilentIsLoggedAndTheCallMadeAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		calls := 0
		s := sink.WithCallbacks(sink.Sink[string, int](&sink.List[string, int]{}), sink.Callbacks[string]{
			SilentAfter: time.Minute,
			Silent: func(context.Context, string) error {
				if calls++; calls == 1 {
					panic("not yet")
				}
				return nil
			},
		})
		w, err := s.Writer(t.Context(), sink.Task{Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Add(t.Context(), &weir.Record[string, int]{Key: "meter", Origin: &weir.Origin{}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if calls != 2 || !strings.Contains(log.String(), "panic: not yet") {
			t.Errorf("%d calls, and the log is %s", calls, &log)
		}
	})
}
