package source_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

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
