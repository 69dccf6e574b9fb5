// Package membership watches whether the group still takes the work of a worker.
package membership

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/backoff"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/clock"
)

// Watch is the worker's view of its membership in the group. It owns the tasks that the group has taken away without an event so far,
// the refusals of offsets, and the number of failed checkpoints in a row. The worker tells it of each commit, asks it in each step
// whether tasks rest, and closes or opens tasks by itself. Only the goroutine of the worker calls its methods.
//
// It promises an error in the end: if no event follows the loss of tasks within lostPatience, if the group refuses offsets for longer than
// refusalPatience, or after maxAborts failed checkpoints in a row.
type Watch struct {
	clock clock.Clock
	// lost are tasks that were closed because the group had taken them away, since the time of lostSince. An event has to say so in time.
	lost      map[string]bool
	lostSince time.Time
	// aborts counts the transactions in a row that had to be aborted, without those with offsets that the group refused.
	aborts  int
	refusal refusal
}

// New returns the watch of a worker.
func New(clock clock.Clock) *Watch { return &Watch{clock: clock, lost: map[string]bool{}} }

// ErrTasksLost says that the group has given the partitions of a worker to others, and that the tasks are closed.
var ErrTasksLost = errors.New("the group has given the partitions to others")

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

// Lose notes a task, by its name, that the group has taken away. Its partitions go without an event so far.
func (m *Watch) Lose(task string) { m.lost[task], m.lostSince = true, m.clock.Now() }

// Settle notes that an event has decided about a task.
func (m *Watch) Settle(task string) { delete(m.lost, task) }

// Waits reports whether an event has to say that tasks were taken away.
func (m *Watch) Waits() bool { return len(m.lost) > 0 }

// Check returns an error if tasks were closed because the group had taken them away, and it never said so. The process must not idle as
// if it were alive.
func (m *Watch) Check() error {
	if len(m.lost) > 0 && m.clock.Now().Sub(m.lostSince) > lostPatience {
		return fmt.Errorf("%d tasks were refused by the group, which has not taken them away within %v", len(m.lost), lostPatience)
	}
	return nil
}

// Accepted notes that the group has accepted offsets.
func (m *Watch) Accepted() { m.aborts, m.refusal = 0, refusal{until: m.refusal.until} }

// CountAbort notes that the worker goes back, as the member that it is. It returns an error if going back has been of no use for too long.
func (m *Watch) CountAbort(cause error, member broker.GroupMember) error {
	if errors.Is(cause, broker.ErrAborted) && errors.Is(cause, weir.ErrFenced) { // by the group
		return m.refused(cause, member)
	}
	if m.aborts++; m.aborts > maxAborts {
		return fmt.Errorf("%d checkpoints in a row have failed: %w", maxAborts, cause)
	}
	return nil
}

// refused notes that the group has refused the offsets of a member. It returns an error if it has done so for too long.
func (m *Watch) refused(cause error, member broker.GroupMember) error {
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

// Rests reports whether tasks rest: the group refuses their offsets.
func (m *Watch) Rests() bool { return !m.refusal.until.IsZero() }

// UntilRested cuts a waiting time so that the end of a rest is not late.
func (m *Watch) UntilRested(wait time.Duration) time.Duration {
	if m.Rests() {
		wait = min(wait, m.refusal.until.Sub(m.clock.Now()))
	}
	return wait
}

// Rested reports whether a rest is over: the group knows the process by another name or generation, or it is time to try again.
func (m *Watch) Rested(member broker.GroupMember) bool {
	r := &m.refusal
	if r.until.IsZero() || m.clock.Now().Before(r.until) && member == r.member {
		return false
	}
	r.until = time.Time{}
	return true
}
