package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/backoff"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/clock"
)

// membership is the worker's view of its membership in the group. It owns the tasks that the group has taken away without an event so far,
// the refusals of offsets, and the number of failed checkpoints in a row. The worker tells it of each commit, asks it in each step
// whether tasks rest, and closes or opens tasks by itself. Only the goroutine of the worker calls its methods.
//
// It promises an error in the end: if no event follows the loss of tasks within lostPatience, if the group refuses offsets for longer than
// refusalPatience, or after maxAborts failed checkpoints in a row.
type membership struct {
	clock clock.Clock
	// lost are tasks that were closed because the group had taken them away, since the time of lostSince. An event has to say so in time.
	lost      map[TaskID]bool
	lostSince time.Time
	// aborts counts the transactions in a row that had to be aborted, without those with offsets that the group refused.
	aborts  int
	refusal refusal
}

// errTasksLost says that the group has given the partitions of a worker to others, and that the tasks are closed.
var errTasksLost = errors.New("the group has given the partitions to others")

// lostPatience is how long the event may take that says so.
const lostPatience = time.Minute

// maxAborts is how many transactions in a row may be aborted before that is an error.
const maxAborts = 20

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

// lose notes a task that the group has taken away.
func (m *membership) lose(id TaskID) { m.lost[id], m.lostSince = true, m.clock.Now() }

// check returns an error if tasks were closed because the group had taken them away, and it never said so. The process must not idle as
// if it were alive.
func (m *membership) check() error {
	if len(m.lost) > 0 && m.clock.Now().Sub(m.lostSince) > lostPatience {
		return fmt.Errorf("%d tasks were refused by the group, which has not taken them away within %v", len(m.lost), lostPatience)
	}
	return nil
}

// accepted notes that the group has accepted offsets.
func (m *membership) accepted() { m.aborts, m.refusal = 0, refusal{until: m.refusal.until} }

// countAbort notes that the worker goes back, as the member that it is. It returns an error if going back has been of no use for too long.
func (m *membership) countAbort(cause error, member broker.GroupMember) error {
	if errors.Is(cause, broker.ErrAborted) && errors.Is(cause, weir.ErrFenced) { // by the group
		return m.refused(cause, member)
	}
	if m.aborts++; m.aborts > maxAborts {
		return fmt.Errorf("%d checkpoints in a row have failed: %w", maxAborts, cause)
	}
	return nil
}

// refused notes that the group has refused the offsets of a member. It returns an error if it has done so for too long.
func (m *membership) refused(cause error, member broker.GroupMember) error {
	r, now := &m.refusal, m.clock.Now()
	if r.since.IsZero() {
		r.since = now
	}
	// Both, because a process that was asleep between two of them has not tried for long.
	if r.count++; r.count > maxAborts && now.Sub(r.since) > refusalPatience {
		return fmt.Errorf("the group has refused all checkpoints for %v: %w", refusalPatience, cause)
	}
	r.member = member
	r.until = rests.At(m.clock, r.count)
	return nil
}

// rests reports whether tasks rest.
func (m *membership) rests() bool { return !m.refusal.until.IsZero() }

// untilRested cuts a waiting time so that the end of a rest is not late.
func (m *membership) untilRested(wait time.Duration) time.Duration {
	if m.rests() {
		wait = min(wait, m.refusal.until.Sub(m.clock.Now()))
	}
	return wait
}

// rested reports whether a rest is over: the group knows the process by another name or generation, or it is time to try again.
func (m *membership) rested(member broker.GroupMember) bool {
	r := &m.refusal
	if r.until.IsZero() || m.clock.Now().Before(r.until) && member == r.member {
		return false
	}
	r.until = time.Time{}
	return true
}

// loseTasks closes all tasks because the group has given them to others. It will say so in an event of its own.
func (w *Worker) loseTasks(cause error) error {
	var failed []error
	for _, t := range w.sortedTasks() {
		w.membership.lose(t.id)
		failed = append(failed, w.closeTask(t, true))
	}
	w.outbox.Drop()
	w.publish()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	return fmt.Errorf("checkpoint: %w: %w", errTasksLost, cause)
}

// resting reports whether tasks rest.
func (w *Worker) resting() bool { return w.membership.rests() }

// endRest lets tasks go on that rest, when the group knows the process by another name or generation, or when it is time
// to try again.
func (w *Worker) endRest(ctx context.Context) error {
	if !w.membership.rested(w.group.Member()) {
		return nil
	}
	for _, t := range w.sortedTasks() {
		if t.state == running {
			if err := w.fetchInput(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}
