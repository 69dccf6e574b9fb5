package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/internal/engine/offsets"
	"github.com/weirstreams/weir/internal/graph"
)

// DrainError says that a drain has not ended. errors.Is finds the cause: the end of the caller's context, or the error of Run.
type DrainError struct {
	// Left lists the unfinished work, one sentence each: partitions of internal topics with records, calls in flight, sinks.
	Left []string
	Err  error
}

// Error names everything that is left.
func (e *DrainError) Error() string {
	text := "drain: not finished"
	if len(e.Left) > 0 {
		text += ": " + strings.Join(e.Left, "; ")
	}
	return text + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *DrainError) Unwrap() error { return e.Err }

// drain is the drain of an App.
type drain struct {
	wanted chan struct{} // closed when Drain was called
	ended  chan struct{} // closed when Run has returned
	// left is the unfinished work at the last look, and done is set when there was none. pauses.mu guards both.
	left []string
	done bool
}

func newDrain() drain { return drain{wanted: make(chan struct{}), ended: make(chan struct{})} }

// Drain stops this process after it has finished the records that it has read: nothing of them is left in internal topics for another start.
//
//   - Nothing more is read from outside, neither from topics nor from sources. Fetched records that were not processed stay with the group.
//   - Calls in flight end, sinks are flushed, and a checkpoint is made.
//   - The internal topics are read until everything has come through that this process has written to its own partitions of them; partitions of other
//     members are theirs. A task that reads a topic from outside as well takes only the records of it that come before those of the internal topic.
//   - Sinks in two phases commit their work. The process leaves the group, and Run returns nil.
//
// Open windows, timers and records that wait in state for others stay in the state. Other processes of the group go on: drain each of them to
// drain the group; the last one finishes the internal topics. A drain cannot be taken back.
//
// Drain returns nil when Run has returned. When ctx ends first it returns a [*DrainError] with everything that is left, and the App drains on: call Drain again to
// wait for longer, or end the context of Run, which stops the App as always. The error is a *DrainError too if Run has failed, or was stopped
// before the drain was over. Before Run it waits for Run, which reads nothing then. Any goroutine may call Drain but those that run functions of the topology.
func (a *App) Drain(ctx context.Context) error {
	a.pauses.beginDrain(a)
	select {
	case <-a.drain.ended:
	case <-ctx.Done():
		return a.drainError(context.Cause(ctx))
	}
	a.pauses.mu.Lock()
	done := a.drain.done
	a.pauses.mu.Unlock()
	switch failure := a.failure.Load(); {
	case failure != nil:
		return a.drainError(fmt.Errorf("Run has failed: %w", *failure))
	case !done:
		return a.drainError(errors.New("Run was stopped before"))
	}
	return nil
}

func (a *App) drainError(cause error) error {
	a.pauses.mu.Lock()
	defer a.pauses.mu.Unlock()
	return &DrainError{Left: slices.Clone(a.drain.left), Err: cause}
}

// beginDrain lets everything that reads from outside alone stand still. Later calls do nothing.
func (p *pauses) beginDrain(a *App) {
	p.mu.Lock()
	first := p.drain.IsZero()
	if first {
		p.drain = time.Now()
		p.parts.Drain()
		close(a.drain.wanted)
	}
	p.mu.Unlock()
	if first {
		a.config.Logger.Info("draining: nothing more is read from outside")
		p.change(a, func(all []Pause) []Pause { return all })
	}
}

// draining returns when a drain has begun, zero if none has.
func (p *pauses) draining() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.drain
}

// readsOutside reports whether all inputs of a sub-topology are topics or sources from outside.
func readsOutside(part *graph.SubTopology) bool {
	return !slices.ContainsFunc(part.Sources, func(n *graph.Node) bool { return n.Source.Internal() })
}

// drainCheck is how often a drain looks whether it is over. Each look makes a checkpoint, so that other tasks see the output exactly once.
const drainCheck = 50 * time.Millisecond

// watchDrain waits for a drain, and calls stop when it is over. It returns then, or when ctx ends.
func (a *App) watchDrain(ctx, work context.Context, cluster broker.Cluster, workers []*worker, stop func()) {
	select {
	case <-a.drain.wanted:
	case <-ctx.Done():
		return
	}
	internal := a.internalInputs()
	// A record passes through each internal topic once at most. So with as many rounds everything has come through, also while other members go on
	// writing.
	rounds := len(internal) + 1
	var targets map[broker.TopicPartition]int64
	tick := time.NewTicker(drainCheck)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		a.pauses.mu.Lock()
		if len(a.drain.left) == 0 { // shown if the look does not return
			a.drain.left = []string{"a worker is at work: in calls, in a checkpoint, or in a function of the program"}
		}
		a.pauses.mu.Unlock()
		left, next, ends := a.lookForLeft(ctx, work, cluster, workers, internal, targets)
		if len(left) == 0 {
			rounds--
			targets = ends
		}
		done := len(left) == 0 && (rounds == 0 || len(behind(next, ends)) == 0)
		a.pauses.mu.Lock()
		a.drain.left, a.drain.done = left, done
		a.pauses.mu.Unlock()
		if done {
			a.config.Logger.Info("stopping: everything that was read is finished")
			stop()
			return
		}
	}
}

// internalInputs returns the topics that the application alone writes and that it reads, with the indexes of the sub-topologies that read them.
func (a *App) internalInputs() map[string]int {
	topics := map[string]int{}
	for i, part := range a.plan.SubTopologies {
		for _, n := range part.Sources {
			if n.Source.Internal() {
				topics[a.plan.Topic(n)] = i
			}
		}
	}
	return topics
}

// lookForLeft makes a checkpoint of all processed records, and returns the work that is left until the internal inputs of this process are read up to
// targets. If there is none it returns where they are read next, and their ends now.
func (a *App) lookForLeft(
	ctx, work context.Context, cluster broker.Cluster, workers []*worker, internal map[string]int, targets map[broker.TopicPartition]int64,
) (left []string, next, ends map[broker.TopicPartition]int64) {
	version := a.pauses.parts.Version()
	positions := make([]engine.Positions, len(workers))
	looked := a.onAll(ctx, workers, func(i int) func(*engine.Worker) error {
		return func(w *engine.Worker) error {
			if _, err := w.Land(work); err != nil {
				return err
			}
			err := w.Settle(work)
			positions[i] = w.Positions()
			return err
		}
	})
	if !looked {
		return []string{"a worker does not answer"}, nil, nil
	}
	next = map[broker.TopicPartition]int64{}
	for i, p := range positions {
		switch {
		case workers[i].engine.Figures().Pauses < version:
			left = append(left, fmt.Sprintf("worker %d reads from outside still", i))
		case !p.Covered:
			left = append(left, fmt.Sprintf("worker %d: %s", i, cmp.Or(p.Waits, "a checkpoint is not made yet")))
		}
		for tp, at := range p.Next {
			if _, is := internal[tp.Topic]; is {
				next[tp] = at
			}
		}
	}
	for _, tp := range behind(next, targets) {
		text := fmt.Sprintf("%s: the records from offset %d to %d", tp, next[tp], targets[tp]-1)
		if a.pauses.parts.Paused(internal[tp.Topic]) {
			text += ", which are paused"
		}
		left = append(left, text)
	}
	if len(left) > 0 || len(next) == 0 {
		return left, nil, nil
	}
	ends, err := offsets.OfExisting(ctx, cluster, broker.Latest, slices.Collect(maps.Keys(next)))
	if err != nil {
		return []string{"the ends of internal topics are not known: " + err.Error()}, nil, nil
	}
	return nil, next, ends
}

// behind returns the partitions whose next offsets are in front of some others, sorted. A partition that has gone to another member is not among
// them.
func behind(next, ends map[broker.TopicPartition]int64) (all []broker.TopicPartition) {
	for tp, at := range next {
		if at < ends[tp] {
			all = append(all, tp)
		}
	}
	slices.SortFunc(all, broker.TopicPartition.Compare)
	return all
}
