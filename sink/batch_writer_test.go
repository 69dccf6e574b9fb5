package sink_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/background"
	"github.com/weirstreams/weir/sink"
)

// held is a target whose calls wait for an answer of the test, or for the end of their context.
type held struct {
	target
	begun   int
	answers chan error
}

func newHeld() *held { return &held{answers: make(chan error)} }

func (h *held) write(ctx context.Context, records []weir.Record[string, int]) error {
	h.begun++
	select {
	case err := <-h.answers:
		if err != nil {
			return err
		}
		return h.target.write(ctx, records)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// answer lets calls return nil.
func (h *held) answer(n int) {
	for range n {
		h.answers <- nil
	}
}

// flushed makes a whole flush of a writer whose calls are answered, and compares the batches.
func flushed(t *testing.T, w sink.Writer[string, int], h *held, calls int, want ...string) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- w.Flush(t.Context(), sink.Checkpoint{}) }()
	h.answer(calls)
	if err := <-ended; err != nil {
		t.Errorf("flush: %v", err)
	}
	h.compare(t, want...)
}

// compare compares the values of the records in the batches that the target has.
func (h *held) compare(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for _, batch := range h.batches {
		var values []string
		for _, record := range batch {
			value, _, _ := strings.Cut(record, " ")
			values = append(values, value)
		}
		got = append(got, strings.Join(values, " "))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
}

func TestAFullBatchIsWrittenWhileRecordsAreAdded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeld()
		w := sink.NewBatchWriter(h.write, sink.BatchOptions{MaxRecords: 2, HoldRecords: 5})
		add(t, w, 4)
		synctest.Wait()
		if h.begun != 1 || w.Full() {
			t.Errorf("%d calls have begun, of 1 at a time; full is %v with 4 of 5 records", h.begun, w.Full())
		}
		add(t, w, 1)
		if !w.Full() {
			t.Error("not full with 5 of 5 records, two batches among them that are not written")
		}
		h.answer(1)
		synctest.Wait()
		if h.compare(t, "k0 k1"); h.begun != 2 || w.Full() {
			t.Errorf("%d calls have begun, of 2; full is %v with 3 of 5 records", h.begun, w.Full())
		}
		flushed(t, w, h, 2, "k0 k1", "k2 k3", "k0")
	})
}

func TestAFlushWaitsForTheBatchInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeld()
		w := sink.NewBatchWriter(h.write, sink.BatchOptions{MaxRecords: 2})
		add(t, w, 2)
		ended := false
		go func() {
			if err := w.Flush(t.Context(), sink.Checkpoint{}); err != nil {
				t.Error(err)
			}
			ended = true
		}()
		if synctest.Wait(); ended {
			t.Error("the flush has ended before its batch was written")
		}
		h.answer(1)
		if synctest.Wait(); !ended {
			t.Error("the flush waits although its batch is written")
		}
		flushed(t, w, h, 0, "k0 k1")
	})
}

// A cut covers the records before it, and says so when they are written; the records behind it follow.
func TestACutIsWrittenWhileRecordsAreAdded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeld()
		w := sink.NewBatchWriter(h.write, sink.BatchOptions{MaxRecords: 2})
		if cut := background.CutOf(t.Context(), w, nil); cut() != background.Written {
			t.Error("a cut without records is not written")
		}
		add(t, w, 3)
		ended := 0
		cut := background.CutOf(t.Context(), w, func() { ended++ })
		add(t, w, 3)
		for _, c := range []struct {
			progress background.Progress
			ended    int
		}{{background.Writing, 0}, {background.Writing, 0}, {background.Written, 1}, {background.Written, 1}} {
			if synctest.Wait(); cut() != c.progress || ended != c.ended {
				t.Errorf("after %d batches: progress %d, ended %d times; want %+v", len(h.batches), cut(), ended, c)
			}
			if len(h.batches) < 3 {
				h.answer(1)
			}
		}
		flushed(t, w, h, 1, "k0 k1", "k2", "k0 k1", "k2")
	})
}

func TestACutFailsWhenItsRecordsAreNotWritten(t *testing.T) {
	for name, end := range map[string]func(w sink.Writer[string, int], h *held){
		"an error":   func(_ sink.Writer[string, int], h *held) { h.answers <- errors.New("no") },
		"a refusal":  func(_ sink.Writer[string, int], h *held) { h.answers <- sink.RecordErrors{{Err: errors.New("no")}} },
		"a discard":  func(w sink.Writer[string, int], _ *held) { w.Discard() },
		"its end":    func(w sink.Writer[string, int], _ *held) { _ = w.Close() },
		"a next cut": func(w sink.Writer[string, int], _ *held) { background.CutOf(t.Context(), w, func() {}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHeld()
				w := sink.NewBatchWriter(h.write, sink.BatchOptions{MaxRecords: 2})
				add(t, w, 1)
				cut := background.CutOf(t.Context(), w, func() {})
				end(w, h)
				if synctest.Wait(); cut() != background.Failed {
					t.Errorf("progress %d", cut())
				}
				w.Discard()
			})
		})
	}
	if cut := background.CutOf(t.Context(), sink.NewBatchWriter(newHeld().write, sink.BatchOptions{AtCheckpoint: true}), nil); cut != nil {
		t.Error("records are written before their checkpoint")
	}
}

func TestTheErrorOfAnEarlyBatchComesOutOfTheNextFlushOnce(t *testing.T) {
	for name, fails := range map[string]struct {
		answer error
		lost   bool // the batch is not written again
	}{
		"later":   {answer: &weir.RetryLaterError{Err: errors.New("busy")}},
		"refused": {answer: sink.RecordErrors{{Index: 1, Err: errors.New("poison")}}, lost: true},
		"other":   {answer: errors.New("connection reset")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHeld()
				w := sink.NewBatchWriter(h.write, sink.BatchOptions{MaxRecords: 2})
				add(t, w, 2)
				h.answers <- fails.answer
				if synctest.Wait(); !w.Full() {
					t.Error("the writer asks for no checkpoint")
				}
				add(t, w, 3)
				if synctest.Wait(); h.begun != 1 {
					t.Errorf("%d calls were made: one behind the error", h.begun)
				}
				err := w.Flush(t.Context(), sink.Checkpoint{})
				if err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(fails.answer.Error(), "sink: ")) && !fails.lost {
					t.Errorf("the flush returns %v", err)
				}
				want, calls := []string{"k0 k1", "k0 k1", "k2"}, 3
				if fails.lost {
					refused, _ := errors.AsType[sink.RecordErrors](err)
					if len(refused) != 1 || refused[0].Origin.Offset != 101 {
						t.Errorf("the flush returns %v", err)
					}
					want, calls = want[1:], calls-1
				}
				flushed(t, w, h, calls, want...)
			})
		})
	}
}

func TestAFunctionThatPanicsBesideTheTaskFailsTheFlush(t *testing.T) {
	for want, end := range map[string]func(){"panic: wrong": func() { panic("wrong") }, "has ended its goroutine": runtime.Goexit} {
		synctest.Test(t, func(t *testing.T) {
			w := sink.NewBatchWriter(func(context.Context, []weir.Record[string, int]) error {
				end()
				return nil
			}, sink.BatchOptions{MaxRecords: 1})
			add(t, w, 1)
			if synctest.Wait(); !w.Full() {
				t.Error("the writer asks for no checkpoint")
			}
			if err := w.Flush(t.Context(), sink.Checkpoint{}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("the flush returns %v", err)
			}
		})
	}
}

func TestDiscardEndsTheBatchInFlight(t *testing.T) {
	for name, end := range map[string]func(sink.Writer[string, int]) error{
		"discard": func(w sink.Writer[string, int]) error {
			w.Discard()
			return nil
		},
		"close": func(w sink.Writer[string, int]) error { return w.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHeld()
				w := sink.NewBatchWriter(h.write, sink.BatchOptions{MaxRecords: 2, HoldRecords: 5})
				add(t, w, 5)
				synctest.Wait()
				if err := end(w); err != nil || w.Full() {
					t.Errorf("%v; full is %v", err, w.Full())
				}
				if synctest.Wait(); h.begun != 1 {
					t.Errorf("%d calls were made, of 1", h.begun)
				}
				add(t, w, 3)
				flushed(t, w, h, 2, "k0 k1", "k2")
			})
		})
	}
}

func TestTheEndOfAFlushEndsTheBatchInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeld()
		w := sink.NewBatchWriter(h.write, sink.BatchOptions{MaxRecords: 2})
		add(t, w, 3)
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("partitions are given up")
		time.AfterFunc(time.Second, func() { cancel(why) })
		if err := w.Flush(ctx, sink.Checkpoint{}); !errors.Is(err, why) {
			t.Errorf("got %v", err)
		}
		flushed(t, w, h, 2, "k0 k1", "k2")
	})
}

func TestBatchesOfManyRecordsAreWrittenInOrderAndOnce(t *testing.T) {
	t.Parallel()
	const records, batch = 10_000, 7
	next := 0
	w := sink.NewBatchWriter(func(_ context.Context, records []weir.Record[string, int]) error {
		if len(records) > batch {
			return fmt.Errorf("a batch of %d records", len(records))
		}
		for i := range records {
			if records[i].Value != next || records[i].Origin.Offset != int64(next) {
				return fmt.Errorf("record %d comes in place of %d", records[i].Value, next)
			}
			next++
		}
		return nil
	}, sink.BatchOptions{MaxRecords: batch, HoldRecords: 100})
	var origin weir.Origin
	r := weir.Record[string, int]{Origin: &origin}
	for i := range records {
		r.Value, origin.Offset = i, int64(i)
		if err := w.Add(t.Context(), &r); err != nil {
			t.Fatal(err)
		}
		if w.Full() || i == records-1 {
			if err := w.Flush(t.Context(), sink.Checkpoint{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if next != records {
		t.Errorf("%d records were written, of %d", next, records)
	}
}
