package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir/internal/backoff"
	"github.com/weirstreams/weir/internal/broker"
)

// refusal says that the group refuses the offsets of a worker's transactions. Either it rebalances, and the tasks stay, or
// somebody else owns them already; it will say so. Until then the work of the worker would not count, so its tasks
// rest: they keep their state, and fetch no input.
type refusal struct {
	count int
	since time.Time // of the first; zero if the last checkpoint was not refused
	// member is the refused membership. until is the time of the next try, even if the group still knows the process by that name.
	member broker.GroupMember
	until  time.Time
}

const (
	// refusalPatience is how long the group may refuse offsets, again and again, before that is an error. It refuses
	// them while it rebalances, which may wait for a member that is dead but not known to be.
	refusalPatience = 10 * time.Minute
)

// rests has how long tasks rest after a number of refusals.
var rests = backoff.Policy{Base: 100 * time.Millisecond, Max: 5 * time.Second}

// refused notes that the group has refused offsets. It returns an error if it has done so for too long.
func (w *Worker) refused(cause error) error {
	r, now := &w.refusal, w.config.Clock.Now()
	if r.since.IsZero() {
		r.since = now
	}
	// Both, because a process that was asleep between two of them has not tried for long.
	if r.count++; r.count > maxAborts && now.Sub(r.since) > refusalPatience {
		return fmt.Errorf("the group has refused all checkpoints for %v: %w", refusalPatience, cause)
	}
	r.member = w.group.Member()
	r.until = rests.At(w.config.Clock, r.count)
	return nil
}

// resting reports whether tasks rest.
func (w *Worker) resting() bool { return !w.refusal.until.IsZero() }

// endRest lets tasks go on that rest, when the group knows the process by another name or generation, or when it is time
// to try again.
func (w *Worker) endRest(ctx context.Context) error {
	r := &w.refusal
	if r.until.IsZero() || w.config.Clock.Now().Before(r.until) && w.group.Member() == r.member {
		return nil
	}
	r.until = time.Time{}
	for _, t := range w.sortedTasks() {
		if t.state == running {
			if err := w.fetchInput(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// fetchInput begins to fetch the input of a task at its positions, unless tasks rest.
func (w *Worker) fetchInput(ctx context.Context, t *task) error {
	for _, tp := range t.inputPartitions() {
		w.resetInput(t, tp, t.positions[tp.Topic])
	}
	if w.resting() {
		for _, tp := range t.inputPartitions() {
			w.fetcher.Stop(tp)
		}
		return nil
	}
	if t.emptying {
		if _, err := w.TryCheckpoint(ctx); err != nil {
			return err
		}
	}
	for _, tp := range t.inputPartitions() {
		w.route[tp] = t
		w.fetcher.Start(tp, t.positions[tp.Topic])
		if w.heldBack() {
			w.fetcher.Pause(tp)
		}
	}
	return nil
}
