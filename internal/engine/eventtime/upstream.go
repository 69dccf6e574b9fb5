package eventtime

import (
	"time"

	"github.com/weirstreams/weir/internal/engine/changelog"
)

// Upstream is the state of the tasks that write one of the task's inputs, an internal topic. Nothing of it is stored: the
// tasks speak again within a timeout.
type Upstream struct {
	// tasks are those tasks, by their partition.
	tasks []upstreamTask
	// Pending are watermarks that were read, and do not count before everything in front of them was processed.
	Pending []pendingWatermark
}

func NewUpstream(tasks int32) *Upstream { return &Upstream{tasks: make([]upstreamTask, tasks)} }

// upstreamTask is the last watermark of a task upstream.
type upstreamTask struct {
	owner  changelog.Epoch
	heard  time.Time // zero if it has said nothing
	millis int64
	pace   int64
}

type pendingWatermark struct {
	offset int64
	watermark
}

// silentOwner is after how many timeouts an owner that has said nothing counts as gone, so that one with a lesser epoch may
// take its place: the group was deleted, and counts its generations from 1 again.
const silentOwner = 3

// pass lets those watermarks count that lie before a position, and reports whether there were any.
func (u *Upstream) pass(position int64, now time.Time, timeout time.Duration) (passed bool) {
	n := 0
	for n < len(u.Pending) && u.Pending[n].offset < position {
		u.hear(&u.Pending[n].watermark, now, timeout)
		n++
	}
	if n == 0 {
		return false
	}
	u.Pending = append(u.Pending[:0], u.Pending[n:]...)
	return true
}

// hear notes the watermark of a task, unless its owner is known to have lost it. The last word of an owner counts, not the
// greatest: its input may have gone silent before old records came.
func (u *Upstream) hear(m *watermark, now time.Time, timeout time.Duration) {
	for int(max(m.tasks, m.partition+1)) > len(u.tasks) { // partitions were added
		u.tasks = append(u.tasks, upstreamTask{})
	}
	t := &u.tasks[m.partition]
	if m.owner.Before(t.owner) && now.Sub(t.heard) <= silentOwner*timeout {
		return
	}
	*t = upstreamTask{owner: m.owner, heard: now, millis: m.millis, pace: m.pace}
}

// watermark returns the least time that may still come: none as long as a task has said nothing.
func (u *Upstream) watermark() int64 {
	reached := int64(Absent)
	for i := range u.tasks {
		if u.tasks[i].heard.IsZero() {
			return NoWatermark
		}
		reached = least(reached, u.tasks[i].millis)
	}
	return reached
}

// pace returns how far all tasks have come: nothing is known as long as one has said nothing. A task that is about to say less
// has not come further: the records behind that are older.
func (u *Upstream) pace() int64 {
	come := int64(Absent)
	for i := range u.tasks {
		if u.tasks[i].heard.IsZero() {
			return NoWatermark
		}
		come = least(come, u.tasks[i].pace)
	}
	for i := range u.Pending {
		come = least(come, u.Pending[i].pace)
	}
	return come
}

// Forget drops the watermarks: the input is read again from an earlier position.
func (u *Upstream) Forget() {
	clear(u.tasks)
	u.Pending = u.Pending[:0]
}
