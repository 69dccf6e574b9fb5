package sim

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
)

// NewSink returns a sink for topologies under simulation: it fails and pushes back if SinkFailure is among the faults, and
// its records are compared with the reference model. describe returns the text to compare beside the origin
// of a record; nil means key, value and time. Outside of a simulation the sink takes everything and keeps nothing.
func NewSink[K, V any](describe func(r *weir.Record[K, V]) string) sink.Sink[K, V] {
	if describe == nil {
		describe = func(r *weir.Record[K, V]) string { return fmt.Sprintf("%+v: %+v @%d", r.Key, r.Value, r.Millis) }
	}
	return simulatedSink[K, V]{describe: describe}
}

// NewIdempotentSink returns a sink as NewSink does, with a target that takes equal lines once. Each has to be there once.
func NewIdempotentSink[K, V any](describe func(r *weir.Record[K, V]) string) sink.Sink[K, V] {
	s := NewSink(describe).(simulatedSink[K, V])
	s.idempotent = true
	return s
}

// NewBatchingSink returns a sink as NewSink does, with the writer of [sink.Batch]: full batches are written while their task goes on.
func NewBatchingSink[K, V any](describe func(r *weir.Record[K, V]) string) sink.Sink[K, V] {
	s := NewSink(describe).(simulatedSink[K, V])
	s.batches = true
	return s
}

type simulatedSink[K, V any] struct {
	describe            func(r *weir.Record[K, V]) string
	idempotent, batches bool
}

// writesBeside reports whether the sink writes while its tasks go on.
func (s simulatedSink[K, V]) writesBeside() bool { return s.batches }

func (simulatedSink[K, V]) Connect(context.Context) error { return nil }
func (simulatedSink[K, V]) Close(context.Context) error   { return nil }

// Writer finds the world, or the model, in the context of the task.
func (s simulatedSink[K, V]) Writer(ctx context.Context, task sink.Task) (sink.Writer[K, V], error) {
	target, _ := ctx.Value(sinkTargetKey{}).(sinkTarget)
	w := &simulatedWriter[K, V]{describe: s.describe, place: sinkPlace{task.Sink, task.Partition, s.idempotent}, target: target}
	if !s.batches {
		return w, nil
	}
	return sink.NewBatchWriter(w.writeBatch, sink.BatchOptions{MaxRecords: batchedRecords, HoldRecords: 10 * batchedRecords}), nil
}

// batchedRecords is how many records a batch of a simulated sink has: few, so that most checkpoints have several.
const batchedRecords = 4

// sinkPlace is where a task writes in a sink.
type sinkPlace struct {
	sink      string
	partition int32
	// idempotent says that the target takes equal lines once.
	idempotent bool
}

// sinkTarget is the outside world, or the model of it. It returns how many lines it has taken.
type sinkTarget func(at sinkPlace, lines []string) (taken int, err error)

type sinkTargetKey struct{}

// withSinks returns a context that makes the sinks of a topology write to target and, those in two phases, to phases.
func withSinks(target sinkTarget, phases phasesTarget) context.Context {
	return context.WithValue(context.WithValue(context.Background(), sinkTargetKey{}, target), phasesTargetKey{}, phases)
}

// simulatedWriter holds lines until they are flushed.
type simulatedWriter[K, V any] struct {
	describe func(r *weir.Record[K, V]) string
	place    sinkPlace
	target   sinkTarget
	lines    []string
}

func (w *simulatedWriter[K, V]) Add(_ context.Context, r *weir.Record[K, V]) error {
	w.lines = append(w.lines, w.line(r))
	return nil
}

func (w *simulatedWriter[K, V]) line(r *weir.Record[K, V]) string {
	return fmt.Sprintf("%s, which comes of %s[%d] at offset %d", w.describe(r), r.Origin.Topic, r.Origin.Partition, r.Origin.Offset)
}

// writeBatch is the function of a batching sink.
func (w *simulatedWriter[K, V]) writeBatch(ctx context.Context, records []weir.Record[K, V]) error {
	if w.target == nil || ctx.Err() != nil {
		return context.Cause(ctx)
	}
	lines := make([]string, len(records))
	for i := range records {
		lines[i] = w.line(&records[i])
	}
	_, err := w.target(w.place, lines)
	return err
}

func (w *simulatedWriter[K, V]) Flush(context.Context, sink.Checkpoint) error {
	if w.target == nil || len(w.lines) == 0 {
		w.lines = nil
		return nil
	}
	taken, err := w.target(w.place, w.lines)
	w.lines = w.lines[taken:]
	return err
}

func (w *simulatedWriter[K, V]) Full() bool   { return len(w.lines) > 50 }
func (w *simulatedWriter[K, V]) Discard()     { w.lines = nil }
func (w *simulatedWriter[K, V]) Close() error { return nil }

// writeSink is the outside world: it takes lines, or some of them, or fails.
func (w *world) writeSink(at sinkPlace, lines []string) (taken int, err error) {
	r := w.current
	p := r.process
	if p.dead {
		return 0, errCrash
	}
	w.count("sink", at.sink, false)
	some := func() int {
		n := w.random.IntN(len(lines) + 1)
		w.takeLines(at, lines[:n])
		return n
	}
	f := &w.config.faults
	if !w.calm {
		w.interleave(r)
	}
	if p.dead {
		return 0, errCrash
	}
	switch {
	case w.calm:
	case w.random.oneIn(f.crash):
		w.tracef("%s is killed while it writes to sink %q", p.name, at.sink)
		some()
		p.dead = true
		panic(errCrash)
	case w.random.oneIn(f.sinkError):
		w.tracef("%s: sink %q fails", p.name, at.sink)
		some()
		return 0, fmt.Errorf("sink: %w", errInjected)
	case w.random.oneIn(f.sinkPressure):
		n := some()
		pressure := &weir.RetryLaterError{RetryAfter: w.random.upTo(w.config.session)}
		w.tracef("%s: sink %q takes %d of %d lines, and then no more for %v", p.name, at.sink, n, len(lines), pressure.RetryAfter)
		return n, fmt.Errorf("simulated: %w", pressure)
	}
	w.takeLines(at, lines)
	return len(lines), nil
}

// takeLines adds lines to a sink.
func (w *world) takeLines(at sinkPlace, lines []string) {
	for _, line := range lines {
		if !at.idempotent || !slices.Contains(w.sinks[at], line) {
			w.sinks[at] = append(w.sinks[at], line)
		}
	}
}

// checkSinks compares the records of sinks with the expected ones: everything, nothing else, and, apart from
// repetitions, in order. Repetitions are allowed, with either guarantee, but for sinks in two phases and idempotent ones.
func (w *world) checkSinks(want *expectation) {
	places := map[sinkPlace]bool{}
	for at := range want.sinks {
		places[at] = true
	}
	for at := range w.sinks {
		places[at] = true
	}
	phased := w.phasedSinks()
	for _, at := range slices.SortedFunc(maps.Keys(places), func(a, b sinkPlace) int {
		return slices.Compare([]string{a.sink, fmt.Sprint(a.partition)}, []string{b.sink, fmt.Sprint(b.partition)})
	}) {
		problem := compareSink(w.sinks[at], want.sinks[at], len(w.ordered) > 0)
		if problem == "" && (at.idempotent || phased[at.sink] && w.config.engine.ExactlyOnce) {
			problem = compareOnce(w.sinks[at], want.sinks[at])
		}
		if problem != "" {
			w.failf("output: sink %q, partition %d: %s", at.sink, at.partition, problem)
		}
	}
}

// compareSink describes the first difference. reordered says that several inputs may have been merged in another order before it was
// done again.
func compareSink(got, want []string, reordered bool) string {
	wanted, found := map[string]int{}, map[string]int{}
	repeated := false
	for _, line := range want {
		wanted[line]++
		repeated = repeated || wanted[line] > 1
	}
	var first []string
	for _, line := range got {
		if found[line]++; found[line] == 1 {
			first = append(first, line)
		}
		if wanted[line] == 0 && !reordered {
			return fmt.Sprintf("line should not be there: %s", line)
		}
	}
	for _, line := range want {
		if found[line] < wanted[line] {
			return fmt.Sprintf("line is there %d times and not %d: %s", found[line], wanted[line], line)
		}
	}
	if repeated || reordered {
		return "" // repetitions cannot be told from lines that are equal
	}
	for i, line := range first {
		if want[i] != line {
			return fmt.Sprintf("out of order: line %d of %d: %s", i, len(want), line)
		}
	}
	return ""
}
