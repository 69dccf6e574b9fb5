package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// ledger is a sink in two phases with a target in memory.
type ledger struct {
	prepared map[string][]string
	visible  []string
	// calls are those of Recover, Prepare and Commit, in order.
	calls []string
	// commit and prepare, if not nil, are the errors of the next calls.
	commit, prepare []error
	tasks           []sink.Task
}

func newLedger() *ledger { return &ledger{prepared: map[string][]string{}} }

func (*ledger) Connect(context.Context) error { return nil }
func (*ledger) Close(context.Context) error   { return nil }
func (*ledger) Writer(context.Context, sink.Task) (sink.Writer[string, int], error) {
	return nil, errors.New("the writer of a sink in two phases")
}

func (l *ledger) TwoPhaseWriter(_ context.Context, task sink.Task) (sink.TwoPhaseWriter[string, int], error) {
	l.tasks = append(l.tasks, task)
	return &ledgerWriter{ledger: l, task: task}, nil
}

type ledgerWriter struct {
	ledger *ledger
	task   sink.Task
	lines  []string
}

func (w *ledgerWriter) Add(_ context.Context, r *weir.Record[string, int]) error {
	w.lines = append(w.lines, fmt.Sprint(r.Key, "=", r.Value))
	return nil
}
func (w *ledgerWriter) Full() bool { return false }
func (w *ledgerWriter) Discard()   { w.lines = nil }
func (w *ledgerWriter) Close() error {
	w.ledger.calls = append(w.ledger.calls, "close")
	return nil
}

func (w *ledgerWriter) Recover(_ context.Context, epoch string, tokens [][]byte) error {
	w.ledger.calls = append(w.ledger.calls, fmt.Sprintf("recover with %d tokens", len(tokens)))
	for name := range w.ledger.prepared {
		counts := slices.ContainsFunc(tokens, func(t []byte) bool { return string(t) == name })
		if !counts && strings.HasPrefix(name, fmt.Sprint(w.task.Partition, " ")) && strings.Fields(name)[1] <= epoch {
			delete(w.ledger.prepared, name)
		}
	}
	return nil
}

func (w *ledgerWriter) Prepare(_ context.Context, c sink.Checkpoint) ([]byte, error) {
	if err := next(&w.ledger.prepare); err != nil {
		return nil, err
	}
	if len(w.lines) == 0 {
		return nil, nil
	}
	at := ""
	for _, p := range c.Positions {
		at += fmt.Sprintf(" %s %d-%d", p.Topic, p.From, p.To)
	}
	w.ledger.calls = append(w.ledger.calls, "prepare"+at)
	token := fmt.Sprintf("%d %s %d", w.task.Partition, c.Epoch, c.ID)
	w.ledger.prepared[token] = w.lines
	w.lines = nil
	return []byte(token), nil
}

func (w *ledgerWriter) Commit(_ context.Context, token []byte) error {
	if err := next(&w.ledger.commit); err != nil {
		return err
	}
	lines, ok := w.ledger.prepared[string(token)]
	if !ok {
		w.ledger.calls = append(w.ledger.calls, "commit again")
		return nil
	}
	w.ledger.calls = append(w.ledger.calls, "commit")
	w.ledger.visible = append(w.ledger.visible, lines...)
	delete(w.ledger.prepared, string(token))
	return nil
}

// next takes the next error of a list.
func next(errs *[]error) (err error) {
	if len(*errs) > 0 {
		err, *errs = (*errs)[0], (*errs)[1:]
	}
	return err
}

var numbered = stream.NewTopic("numbered", codec.String(), codec.For[int]())

func ledgerTopology(l *ledger) *stream.Topology {
	t := stream.NewTopology()
	t.From(numbered).Sink("the ledger", l)
	return t
}

func compare(t *testing.T, what string, want, got []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestATwoPhaseSinkShowsACheckpointAfterItHasCommitted(t *testing.T) {
	l := newLedger()
	d := testkit.New(t, ledgerTopology(l), testkit.Config{})
	in := d.Input(numbered)
	in.Send("a", 1, time.Unix(1, 0))
	in.Send("a", 2, time.Unix(2, 0))
	compare(t, "visible before the checkpoint", nil, l.visible)
	d.Checkpoint()
	compare(t, "visible after the checkpoint", []string{"a=1", "a=2"}, l.visible)
	in.Send("a", 3, time.Unix(3, 0))
	d.Checkpoint()
	compare(t, "calls", []string{"recover with 0 tokens", "prepare numbered 0-2", "commit", "prepare numbered 2-3", "commit"}, l.calls)
	task := l.tasks[0]
	if task.Application != "test" || task.SubTopology != "numbered" || task.Sink != "the ledger" || task.Logger == nil || !task.Now().Equal(d.Now()) {
		t.Errorf("task %+v", task)
	}
	if topics := d.Topics(); !slices.Contains(topics, "changelog__test--numbered--sink_the_ledger") {
		t.Errorf("topics %q", topics)
	}
}

func TestACrashRepeatsTheCommitOfATwoPhaseSinkAndNothingElse(t *testing.T) {
	for _, exactlyOnce := range []bool{false, true} {
		for _, loss := range []testkit.Loss{testkit.KeepState, testkit.LoseState} {
			l := newLedger()
			d := testkit.New(t, ledgerTopology(l), testkit.Config{ExactlyOnce: exactlyOnce})
			in := d.Input(numbered)
			l.commit = []error{&weir.RetryLaterError{RetryAfter: time.Hour}}
			in.Send("a", 1, time.Unix(1, 0))
			d.Checkpoint()
			compare(t, "visible while the target is busy", nil, l.visible)
			in.Send("a", 2, time.Unix(2, 0))
			l.calls = nil
			d.Crash(loss)
			compare(t, "visible after the crash", []string{"a=1"}, l.visible[:1])
			compare(t, "first calls after the crash", []string{"close", "recover with 1 tokens", "commit"}, l.calls[:3])
			d.Checkpoint()
			compare(t, "visible after a checkpoint", []string{"a=1", "a=2"}, l.visible)
			d.Restart()
			compare(t, "visible in the end", []string{"a=1", "a=2"}, l.visible)
			if last := l.calls[len(l.calls)-1]; last != "recover with 0 tokens" {
				t.Errorf("the restart found tokens that were committed: %q", last)
			}
		}
	}
}

func TestATwoPhaseSinkThatCannotCommitHoldsTheNextCheckpointBack(t *testing.T) {
	l := newLedger()
	d := testkit.New(t, ledgerTopology(l), testkit.Config{})
	in := d.Input(numbered)
	busy := &weir.RetryLaterError{RetryAfter: 30 * time.Second}
	l.commit = []error{busy, busy}
	in.Send("a", 1, time.Unix(1, 0))
	d.Checkpoint()
	in.Send("a", 2, time.Unix(2, 0)) // is processed meanwhile
	d.Checkpoint()
	d.Advance(29 * time.Second)
	compare(t, "visible while the target is busy", nil, l.visible)
	d.Advance(2 * time.Second)
	d.Advance(31 * time.Second)
	d.Advance(10 * time.Second)
	compare(t, "visible in the end", []string{"a=1", "a=2"}, l.visible)
}

func TestACommitThatFailsEndsTheRunAndIsMadeByTheNextProcess(t *testing.T) {
	l := newLedger()
	d := testkit.New(t, ledgerTopology(l), testkit.Config{ExactlyOnce: true}) // a checkpoint follows each Send
	in := d.Input(numbered)
	l.commit = []error{errors.New("disk full")}
	err := in.TrySendRecords(testkit.Record[string, int]{Key: "a", Value: 1, Time: time.Unix(1, 0)})
	if err == nil || !strings.Contains(err.Error(), `sink "the ledger"`) || !strings.Contains(err.Error(), "commit: disk full") {
		t.Fatalf("got %v", err)
	}
	d.Crash(testkit.KeepState)
	compare(t, "visible", []string{"a=1"}, l.visible)
}
