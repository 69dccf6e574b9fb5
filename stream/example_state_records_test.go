package stream_test

import (
	"context"
	"strings"
	"time"

	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

// Examples of the Record forms of operators with state.

var (
	lastLine  = store.NewCell[string]("last")
	lineState = store.NewMap[string, int]("lines")
)

// differs reports whether a line is not the one before.
func differs(c *store.Cell[string], line string) bool {
	before, _ := c.Get()
	c.Set(line)
	return line != before
}

func ExampleStream_FilterStateRecord() {
	t := stream.NewTopology()
	t.From(lines).
		FilterStateRecord(lastLine, func(ctx context.Context, c *store.Cell[string], r lineRecord) (bool, error) {
			return !r.ValueNull && differs(c, r.Value), ctx.Err()
		}).
		To(words)

	run(t, words, "open", "open")
	// Output: k open
}

// fresh returns the words of a line that have not come before.
func fresh(m *store.Map[string, int], line string) (all []string) {
	for word := range strings.FieldsSeq(line) {
		n, seen := m.Get(word)
		m.Set(word, n+1)
		if !seen {
			all = append(all, word)
		}
	}
	return all
}

func ExampleStream_FlatMapStateRecord() {
	t := stream.NewTopology()
	t.From(lines).
		FlatMapStateRecord(lineState, func(ctx context.Context, m *store.Map[string, int], r lineRecord) ([]string, error) {
			return fresh(m, r.Value), ctx.Err()
		}).
		To(words)

	run(t, words, "the mill", "the weir")
	// Output:
	// k the
	// k mill
	// k weir
}

func ExampleStream_ProcessState() {
	t := stream.NewTopology()
	t.From(lines).
		ProcessState(lastLine, func(_ context.Context, c *store.Cell[string], r lineRecord, emit func(lineRecord)) error {
			if r.Value == "" {
				return errEmpty
			}
			if before, ok := c.Get(); ok {
				r.Key = before
				emit(r)
			}
			c.Set(r.Value)
			return nil
		}).
		To(words)

	run(t, words, "weir", "mill")
	// Output: weir mill
}

func ExampleStream_DeduplicateRecord() {
	t := stream.NewTopology()
	t.From(lines).
		DeduplicateRecord("seen", time.Hour, func(ctx context.Context, r lineRecord) (string, error) { return r.Value, ctx.Err() }).
		To(words)

	run(t, words, "weir", "weir")
	// Output: k weir
}

func ExampleStream_ReduceRecord() {
	t := stream.NewTopology()
	t.From(lines).
		ReduceRecord(lastLine, func(ctx context.Context, soFar string, next lineRecord) (string, error) {
			return max(soFar, next.Value), ctx.Err()
		}).
		To(words)

	run(t, words, "weir", "mill")
	// Output:
	// k weir
	// k weir
}

func ExampleWindowed_Aggregate() {
	t := stream.NewTopology()
	t.From(lines).
		Window(window.Tumbling(2 * time.Second)).
		Aggregate(window.Count[string]()).
		Final().
		Map(func(r window.Result[int64]) int { return int(r.Value) }).
		To(numbers)

	run(t, numbers, "a", "b", "c") // one second apart
	// Output: k 2
}
