package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// brokenSink panics in one of its methods, or returns no writer. refused are the errors of its first flush.
type brokenSink struct {
	panics  string
	refused func(seen []weir.Origin) sink.RecordErrors
	seen    []weir.Origin
	closed  int
}

func (s *brokenSink) at(method string) {
	if s.panics == method {
		panic("broken " + method)
	}
}

func (s *brokenSink) Connect(context.Context) error {
	s.at("Connect")
	return nil
}

func (s *brokenSink) Close(context.Context) error {
	s.closed++
	s.at("Close")
	return nil
}

func (s *brokenSink) Writer(context.Context, sink.Task) (sink.Writer[string, string], error) {
	s.at("Writer")
	if s.panics == "no writer" {
		return nil, nil
	}
	return (*brokenWriter)(s), nil
}

type brokenWriter brokenSink

func (w *brokenWriter) Add(_ context.Context, r *weir.Record[string, string]) error {
	(*brokenSink)(w).at("Add")
	w.seen = append(w.seen, *r.Origin)
	return nil
}

func (w *brokenWriter) Full() bool {
	(*brokenSink)(w).at("Full")
	return false
}

func (w *brokenWriter) Discard() {}

func (w *brokenWriter) Close() error {
	(*brokenSink)(w).at("Close of the writer")
	return nil
}

func (w *brokenWriter) Flush(context.Context, sink.Checkpoint) error {
	(*brokenSink)(w).at("Flush")
	if w.refused == nil {
		return nil
	}
	refused := w.refused(w.seen)
	w.refused = nil
	return refused
}

var brokenLines = stream.NewTopic("lines", codec.String(), codec.String())

// intoSink runs a topology that writes lines to a sink, sends two, and makes a checkpoint.
func intoSink(s sink.Sink[string, string], policy weir.ErrorPolicy, then func(*testkit.Driver)) error {
	t := stream.NewTopology()
	t.From(brokenLines).Sink("broken", s)
	var sent error
	err := testkit.Run(t, testkit.Config{Errors: policy}, func(d *testkit.Driver) {
		sent = d.Input(brokenLines).TrySendRecords(testkit.Record[string, string]{Key: "a"}, testkit.Record[string, string]{Key: "b"})
		if sent == nil {
			d.Checkpoint()
			then(d)
		}
	})
	return errors.Join(sent, err)
}

func TestAPanicOfASinkIsAnErrorThatNamesIt(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Connect", "Writer", "Add", "Full", "Flush", "Close of the writer", "Close", "no writer"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			s := &brokenSink{panics: method}
			err := intoSink(s, weir.ErrorPolicy{}, func(*testkit.Driver) {})
			wants := []string{"broken_sink_test.go", "panic: broken " + method}
			if method == "no writer" {
				wants[1] = "the sink has returned no writer"
			}
			for _, want := range wants {
				if !strings.Contains(fmt.Sprint(err), want) {
					t.Errorf("the error does not say %q: %v", want, err)
				}
			}
			if want := map[bool]int{true: 0, false: 1}[method == "Connect"]; s.closed != want {
				t.Errorf("closed %d times, want %d", s.closed, want)
			}
		})
	}
}

func TestAPolicyIsAskedOnceAboutARefusedRecord(t *testing.T) {
	t.Parallel()
	x, y := errors.New("x"), errors.New("y")
	for _, c := range []struct {
		name    string
		refused func(seen []weir.Origin) sink.RecordErrors
		letters int
		wants   []string // of the error of the first dead letter, or of the run
	}{
		{"two errors of a record", func(seen []weir.Origin) sink.RecordErrors {
			return sink.RecordErrors{{Index: 1, Origin: seen[1], Err: x}, {Index: 0, Origin: seen[0], Err: x}, {Index: 1, Origin: seen[1], Err: y}}
		}, 2, []string{"x\ny"}},
		{"an error without a reason", func(seen []weir.Origin) sink.RecordErrors { return sink.RecordErrors{{Origin: seen[0]}} }, 1, []string{"it gives no reason"}},
		{"an error without an origin", func([]weir.Origin) sink.RecordErrors { return sink.RecordErrors{{Index: 1, Err: x}} }, 0, []string{
			"broken_sink_test.go", "without the Origin of record 1 of the batch", ": x",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var letters []testkit.Record[[]byte, []byte]
			err := intoSink(&brokenSink{refused: c.refused}, weir.ErrorPolicy{Action: weir.DeadLetter}, func(d *testkit.Driver) { letters = d.DeadLetters().Read() })
			said := fmt.Sprint(err)
			if c.letters > 0 && len(letters) > 0 {
				said = fmt.Sprintf("%s", letters[0].Headers)
			}
			if len(letters) != c.letters || (err == nil) != (c.letters > 0) {
				t.Errorf("%d dead letters and the error %v, want %d", len(letters), err, c.letters)
			}
			for _, want := range c.wants {
				if !strings.Contains(said, want) {
					t.Errorf("the error does not say %q: %s", want, said)
				}
			}
		})
	}
}
