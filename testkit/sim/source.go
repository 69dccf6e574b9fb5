package sim

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/source"
)

// SourceKind is how a simulated source gives its records.
type SourceKind int8

const (
	// Replayable sources give the records behind any position again.
	Replayable SourceKind = iota
	// Queue sources have one split, and give those records again that were not acknowledged.
	Queue
)

// NewSource returns a source for topologies under simulation, with a number of splits of so many records. The key of a record is the ID
// of its split and the value its number. Reads fail, ask for time and come between other steps, unless the world is calm. The source of
// a model, outside of a simulation, is empty.
func NewSource(kind SourceKind, splits, records int) source.Source[string, string] {
	if kind == Queue {
		splits = 1
	}
	return &simulatedSource{kind, splits, records}
}

type simulatedSource struct {
	kind            SourceKind
	splits, records int
}

type sourceWorldKey struct{}

// withSources returns a context that makes the sources of a topology belong to a world.
func withSources(ctx context.Context, w *world) context.Context {
	return context.WithValue(ctx, sourceWorldKey{}, w)
}

func (s *simulatedSource) Connect(context.Context) error { return nil }
func (s *simulatedSource) Close(context.Context) error   { return nil }

// Splits returns half of the splits at first, sometimes, and leaves out some that are at their ends.
func (s *simulatedSource) Splits(ctx context.Context, finished func(string) bool) (splits []source.Split, err error) {
	w, _ := ctx.Value(sourceWorldKey{}).(*world)
	if w == nil {
		return nil, nil
	}
	if err := w.sourcePoint("splits"); err != nil {
		return nil, err
	}
	for i := range s.splits {
		split := source.Split{ID: fmt.Sprint("split-", i), Detail: i}
		if i%3 == 0 {
			split.Affinity = "third"
		}
		if finished(split.ID) && w.random.oneIn(2) {
			continue
		}
		splits = append(splits, split)
	}
	return splits, nil
}

func (s *simulatedSource) Open(ctx context.Context, task source.Task, split source.Split, position []byte) (source.Reader[string, string], error) {
	w := ctx.Value(sourceWorldKey{}).(*world)
	if err := w.sourcePoint("open"); err != nil {
		return nil, err
	}
	r := &simulatedReader{simulatedSource: s, world: w, split: split.ID, place: task.Source + "/" + split.ID}
	if position != nil {
		next, err := strconv.Atoi(string(position))
		if err != nil {
			w.failf("source: split %q is opened behind position %q", split.ID, position)
		}
		r.next = next
	}
	if s.kind == Queue {
		r.next = w.acknowledged[task.Source]
		r.queue = task.Source
	}
	w.tracef("source: %s is opened at %d", split.ID, r.next)
	return r, nil
}

type simulatedReader struct {
	*simulatedSource
	world *world
	split string
	place string // the source and the split
	queue string // the name of the source, if it is one
	next  int
}

func (r *simulatedReader) Read(_ context.Context, into *source.Batch[string, string]) error {
	w := r.world
	if err := w.sourcePoint("read"); err != nil {
		return err
	}
	for n := w.random.between(1, 4); n > 0 && r.next < r.records; n-- {
		into.Records = append(into.Records, weir.Record[string, string]{Key: r.split, Value: strconv.Itoa(r.next), Millis: 1_000_000 + int64(r.next)})
		r.next++
	}
	w.read[r.place] = max(w.read[r.place], r.next)
	into.Position = strconv.AppendInt(nil, int64(r.next), 10)
	if r.next >= r.records {
		return io.EOF
	}
	return nil
}

func (r *simulatedReader) Acknowledge(_ context.Context, position []byte) error {
	w := r.world
	if err := w.sourcePoint("acknowledge"); err != nil {
		return err
	}
	n, err := strconv.Atoi(string(position))
	if read := w.read[r.place]; err != nil || n > read { // by a former reader, it may be
		w.failf("source: position %q of %s is acknowledged, and %d records were read", position, r.split, read)
	}
	if r.kind == Queue {
		w.acknowledged[r.queue] = max(w.acknowledged[r.queue], n)
	}
	return nil
}

func (r *simulatedReader) Close() error { return nil }

// sourcePoint is a call of a source: other routines may run first, and it may fail.
func (w *world) sourcePoint(kind string) error {
	r := w.current
	if r == nil {
		return nil // the world ends the process
	}
	if r.process.dead {
		return errCrash
	}
	w.count("source", kind, false)
	if w.calm {
		return nil
	}
	w.interleave(r)
	f := &w.config.faults
	switch {
	case r.process.dead:
		return errCrash
	case w.random.oneIn(f.sinkError):
		return fmt.Errorf("source: %w", errInjected)
	case w.random.oneIn(f.sinkPressure):
		return &weir.RetryLaterError{RetryAfter: w.random.upTo(time.Second) + time.Millisecond}
	default:
		return nil
	}
}

// hasSources reports whether a graph reads sources outside of Kafka.
func hasSources(g *graph.Graph) bool {
	return slices.ContainsFunc(g.Nodes, func(n *graph.Node) bool { return n.Kind == graph.KindFeed })
}

// sourcesDone reports whether the sources of all tasks are at their ends.
func (w *world) sourcesDone() bool {
	for _, m := range w.members {
		for _, worker := range m.process.workers {
			for _, s := range worker.engine.Sources() {
				if !s.Done {
					return false
				}
			}
		}
	}
	return true
}

// mayRead lets a source be read in a step, or not.
func (w *world) mayRead() bool { return w.calm || w.random.oneIn(2) }
