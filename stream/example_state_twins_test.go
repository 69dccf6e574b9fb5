package stream_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

// The examples of this file are those of the Record and Try twins of operators with state.

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
		FilterStateRecord(lastLine, func(c *store.Cell[string], r lineRecord) bool { return differs(c, r.Value) }).
		To(words)

	run(t, words, "open", "open", "closed")
	// Output:
	// k open
	// k closed
}

func ExampleStream_TryFilterState() {
	t := stream.NewTopology()
	t.From(lines).
		TryFilterState(lastLine, func(_ context.Context, c *store.Cell[string], line string) (bool, error) {
			if line == "" {
				return false, errEmpty
			}
			return differs(c, line), nil
		}).
		To(words)

	run(t, words, "open", "open")
	// Output: k open
}

func ExampleStream_TryFilterStateRecord() {
	t := stream.NewTopology()
	t.From(lines).
		TryFilterStateRecord(lastLine, func(ctx context.Context, c *store.Cell[string], r lineRecord) (bool, error) {
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
		FlatMapStateRecord(lineState, func(m *store.Map[string, int], r lineRecord) []string { return fresh(m, r.Value) }).
		To(words)

	run(t, words, "the mill", "the weir")
	// Output:
	// k the
	// k mill
	// k weir
}

func ExampleStream_TryFlatMapState() {
	t := stream.NewTopology()
	t.From(lines).
		TryFlatMapState(lineState, func(_ context.Context, m *store.Map[string, int], line string) ([]string, error) {
			if line == "" {
				return nil, errEmpty
			}
			return fresh(m, line), nil
		}).
		To(words)

	run(t, words, "the mill", "the weir")
	// Output:
	// k the
	// k mill
	// k weir
}

func ExampleStream_TryFlatMapStateRecord() {
	t := stream.NewTopology()
	t.From(lines).
		TryFlatMapStateRecord(lineState, func(ctx context.Context, m *store.Map[string, int], r lineRecord) ([]string, error) {
			return fresh(m, r.Value), ctx.Err()
		}).
		To(words)

	run(t, words, "the mill", "the weir")
	// Output:
	// k the
	// k mill
	// k weir
}

func ExampleStream_TryProcessState() {
	t := stream.NewTopology()
	t.From(lines).
		TryProcessState(lastLine, func(_ context.Context, c *store.Cell[string], r lineRecord, emit func(lineRecord)) error {
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
		DeduplicateRecord("seen", time.Hour, func(r lineRecord) string { return r.Origin.Topic + r.Value }).
		To(words)

	run(t, words, "weir", "weir", "mill")
	// Output:
	// k weir
	// k mill
}

func ExampleStream_TryDeduplicate() {
	t := stream.NewTopology()
	t.From(lines).
		TryDeduplicate("seen", time.Hour, func(_ context.Context, line string) (string, error) {
			if line == "" {
				return "", errEmpty
			}
			return strings.ToLower(line), nil
		}).
		To(words)

	run(t, words, "weir", "Weir", "mill")
	// Output:
	// k weir
	// k mill
}

func ExampleStream_TryDeduplicateRecord() {
	t := stream.NewTopology()
	t.From(lines).
		TryDeduplicateRecord("seen", time.Hour, func(ctx context.Context, r lineRecord) (string, error) { return r.Value, ctx.Err() }).
		To(words)

	run(t, words, "weir", "weir")
	// Output: k weir
}

func ExampleStream_ReduceRecord() {
	t := stream.NewTopology()
	t.From(lines).
		ReduceRecord(lastLine, func(soFar string, next lineRecord) string {
			return fmt.Sprintf("%s %s@%d", soFar, next.Value, next.Origin.Offset)
		}).
		To(words)

	run(t, words, "weir", "mill")
	// Output:
	// k weir
	// k weir mill@1
}

func ExampleStream_TryReduce() {
	t := stream.NewTopology()
	t.From(lines).
		TryReduce(lastLine, func(_ context.Context, soFar, next string) (string, error) {
			if next == "" {
				return "", errEmpty
			}
			return soFar + " " + next, nil
		}).
		To(words)

	run(t, words, "weir", "mill")
	// Output:
	// k weir
	// k weir mill
}

func ExampleStream_TryReduceRecord() {
	t := stream.NewTopology()
	t.From(lines).
		TryReduceRecord(lastLine, func(ctx context.Context, soFar string, next lineRecord) (string, error) {
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
