package stream_test

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

func ExampleStream_MapState_several() {
	type stores struct {
		Total *store.Cell[int]
		Seen  *store.Map[string, int]
	}
	total, seen := store.NewCell[int]("total"), store.NewMap[string, int]("seen")
	both := store.Group(func(o *store.Opener) stores {
		return stores{Total: o.Open(total), Seen: o.Open(seen)}
	})
	t := stream.NewTopology()
	t.From(lines).
		MapState(both, func(s stores, line string) string {
			all, _ := s.Total.Get()
			same, _ := s.Seen.Get(line)
			s.Total.Set(all + 1)
			s.Seen.Set(line, same+1)
			return fmt.Sprintf("%s %d of %d", line, same+1, all+1)
		}).
		To(words)

	run(t, words, "weir", "mill", "weir")
	// Output:
	// k weir 1 of 1
	// k mill 1 of 2
	// k weir 2 of 3
}

func ExampleStream_FilterState() {
	last := store.NewCell[string]("last")
	t := stream.NewTopology()
	t.From(lines).
		FilterState(last, func(c *store.Cell[string], line string) bool {
			before, _ := c.Get()
			c.Set(line)
			return line != before
		}).
		To(words)

	run(t, words, "open", "open", "closed")
	// Output:
	// k open
	// k closed
}

func ExampleStream_FlatMapState() {
	held := store.NewCell[[]string]("held")
	t := stream.NewTopology()
	t.From(lines).
		FlatMapState(held, func(c *store.Cell[[]string], line string) []string {
			all, _ := c.Get()
			if all = append(all, line); len(all) < 3 {
				c.Set(all)
				return nil
			}
			c.Delete()
			return all
		}).
		To(words)

	run(t, words, "a", "b", "c", "d")
	// Output:
	// k a
	// k b
	// k c
}

func ExampleStream_Deduplicate() {
	t := stream.NewTopology()
	t.From(lines).
		Deduplicate("seen", 2*time.Second, func(line string) string { return line }).
		To(words)

	run(t, words, "weir", "weir", "weir") // one second apart
	// Output:
	// k weir
	// k weir
}

func ExampleStream_Reduce() {
	t := stream.NewTopology()
	t.From(lines).
		Reduce(store.NewCell[string]("longest"), func(soFar, next string) string {
			if len(next) > len(soFar) {
				return next
			}
			return soFar
		}).
		To(words)

	run(t, words, "weir", "sluice", "mill")
	// Output:
	// k weir
	// k sluice
	// k sluice
}

func ExampleStream_Aggregate() {
	t := stream.NewTopology()
	t.From(lines).Aggregate("letters", window.Sum(func(line string) int { return len(line) })).To(numbers)

	run(t, numbers, "weir", "sluice")
	// Output:
	// k 4
	// k 10
}

// silence notes keys of which nothing has come for two seconds.
type silence struct {
	weir.ProcessorBase[string, string, string]
	timers *store.Timers
}

func (s *silence) Process(_ context.Context, r weir.Record[string, string]) error {
	s.timers.Set(weir.EventTime, "silent", r.Time().Add(2*time.Second))
	return nil
}

func (s *silence) OnTimer(_ context.Context, t weir.Timer[string]) error {
	return s.Forward(weir.Record[string, string]{Key: t.Key, Value: "silent since " + t.Time().UTC().Format(time.TimeOnly)})
}

func ExampleStream_Process() {
	t := stream.NewTopology()
	t.From(lines).
		GroupBy("by-line", func(line string) string { return line }).
		Process(store.NewTimers("silence"), func(timers *store.Timers) weir.Processor[string, string, string, string] {
			return &silence{timers: timers}
		}).
		To(words)

	run(t, words, "weir", "mill", "mill", "mill") // one second apart
	// Output: weir silent since 00:00:02
}
