package source_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/source"
)

func TestAFunctionThatFailsWithAnEndIsNotAtItsEnd(t *testing.T) {
	for name, fails := range map[string]error{"an error": io.EOF, "no error": nil} {
		from := source.Func(func(context.Context, []byte, source.Emit[string, string]) error { return fails })
		r, err := from.Open(t.Context(), source.Task{Now: time.Now, Logger: slog.New(slog.DiscardHandler)}, source.Split{ID: "all"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = r.Read(t.Context(), &source.Batch[string, string]{})
		if end := err == io.EOF; end != (fails == nil) || !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestBatchesOfAFunctionHaveNoMoreRecordsThanTheTaskAsksFor(t *testing.T) {
	t.Parallel()
	from := source.FromSeq(func(yield func(weir.Record[string, string]) bool) {
		for range 100 {
			if !yield(weir.Record[string, string]{}) {
				return
			}
		}
	})
	task := source.Task{Now: time.Now, Logger: slog.New(slog.DiscardHandler), BatchRecords: 3}
	r, err := from.Open(t.Context(), task, source.Split{ID: "all"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for {
		var b source.Batch[string, string]
		if err := r.Read(t.Context(), &b); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if n += len(b.Records); len(b.Records) > 3 {
			t.Errorf("a batch of %d records", len(b.Records))
		}
	}
	if n != 100 {
		t.Errorf("%d records", n)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestASourceOfNothingDoesNotConnect(t *testing.T) {
	t.Parallel()
	tick := func(context.Context, time.Time) (weir.Record[string, string], error) {
		return weir.Record[string, string]{}, nil
	}
	for name, s := range map[string]source.Source[string, string]{
		"Func":                source.Func[string, string](nil),
		"FromSeq":             source.FromSeq[string, string](nil),
		"FromSeq2":            source.FromSeq2[string, string](nil),
		"Ticker":              source.Ticker[string, string](time.Second, nil),
		"Ticker with no time": source.Ticker(0, tick),
		"Ticker back in time": source.Ticker(-time.Second, tick),
	} {
		if err := s.Connect(t.Context()); !errors.Is(err, weir.ErrConfiguration) {
			t.Errorf("%s: Connect returns %v", name, err)
		}
	}
	if err := source.Ticker(time.Millisecond, tick).Connect(t.Context()); err != nil {
		t.Error(err)
	}
}
