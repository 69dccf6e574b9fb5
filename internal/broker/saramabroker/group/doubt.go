package group

import (
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
)

// doubt tells whether a static member may be fenced by an action of its own, or of the process before it.
//
// A member that joins anew gets its id with the response, and the coordinator writes the id down when the group is in
// sync, not before. If a connection breaks or the coordinator crashes in between, or the join of a process that was killed
// arrives after that of the process that takes its place, the instance belongs to an id that nobody uses. That id sends no
// heartbeats, so the group drops it with its session, and the next join succeeds. An id that outlives its session is that
// of another process.
type doubt struct {
	// limit is longer than a session.
	limit time.Duration
	// fenced is since when the member is fenced; zero if it is not.
	fenced time.Time
}

// aboutFence takes the result of a session, or of the attempt to begin one. It says that it is a fence that may pass.
func (d *doubt) aboutFence(result error) bool {
	if code, _ := fault.CodeOf(result); code != sarama.ErrFencedInstancedId {
		d.fenced = time.Time{}
		return false
	}
	if d.fenced.IsZero() {
		d.fenced = time.Now()
	}
	return time.Since(d.fenced) < d.limit
}
