package operator

import (
	"math"

	"github.com/weirstreams/weir/internal/state"
)

// Without records, event time passes through a task from operator to operator: the engine tells each one the time that its
// input has reached, and asks it for the time that its output has reached then. That is the watermark of the operator: it
// emits nothing older any more. All times are in milliseconds since the Unix epoch.

// NoWatermark is the watermark of an operator that may emit records of any time.
const NoWatermark = math.MinInt64

// Timed is a function of an operator that is given the time that the operator's input has reached.
type Timed[F any] struct {
	// Node is the number of the operator's node.
	Node int
	F    F
}

// OnIdle registers a function that is called when no records come, with the time that the input of the operator has
// reached: nothing older comes any more. It closes windows and fires timers.
func (e *Env) OnIdle(node int, f func(reached int64) error) {
	e.Idle = append(e.Idle, Timed[func(int64) error]{node, f})
}

// OnHold registers a function that returns the watermark of an operator when its input has reached a time: that time, or
// less if the operator may emit older records. An operator without such a function emits nothing older than its input.
// Operators may have several functions; the least result counts.
func (e *Env) OnHold(node int, f func(reached int64) (watermark int64, err error)) {
	e.Holds = append(e.Holds, Timed[func(int64) (int64, error)]{node, f})
}

// OnSilentKeys registers a function that is called while records come, with the time that the input of the operator has reached.
// It closes the windows of keys that have no records, where operators behind repartition topics would wait for their results.
func (e *Env) OnSilentKeys(node int, f func(reached int64) error) {
	e.Silent = append(e.Silent, Timed[func(int64) error]{node, f})
}

// OnPace registers a function of an operator behind a repartition topic, which several tasks may write. It is called with the time
// up to which all of these tasks have come: later records of a fast task do not move event time before that. It is UnknownPace
// if one of them has not said so, and may be less than before.
func (e *Env) OnPace(node int, f func(pace int64) error) {
	e.Paces = append(e.Paces, Timed[func(int64) error]{node, f})
}

// pacedTime is the event time of a join: the greatest time of a record, within the pace of the input.
type pacedTime struct{ pace, latest int64 }

func newPacedTime(env *Env, node int) pacedTime {
	pace, _ := env.firstPace(node)
	return pacedTime{pace, state.NoTime}
}

// reach lets the time go on to that of a record, and returns the time that counts.
func (t *pacedTime) reach(millis int64) int64 {
	t.latest = max(t.latest, millis)
	return min(t.latest, t.pace)
}

// onPace registers a function that is called with the time that counts, when the pace has moved.
func (t *pacedTime) onPace(env *Env, node int, advance func(millis int64) error) {
	env.OnPace(node, func(pace int64) error {
		t.pace = pace
		if t.latest == state.NoTime { // since the start, or since the store went back
			return nil
		}
		env.Enter(node)
		return advance(min(t.latest, t.pace))
	})
	env.OnRewind = append(env.OnRewind, func() { *t = newPacedTime(env, node) })
}

// firstPace returns the pace of the input of a node before anything is known of it.
func (e *Env) firstPace(node int) (pace int64, paced bool) {
	if e.Paced == nil || !e.Paced(node) {
		return noPace, false
	}
	return UnknownPace, true
}

// UnknownPace is the pace of tasks that have not said how far they have come. It leaves room for arithmetic.
const UnknownPace = math.MinInt64 / 4

// noPace is the pace of an input that records alone move.
const noPace = math.MaxInt64

// leastWaiting returns the watermark of an operator that emits records up to span later than they have come, when its input
// has reached a time. hasDue reports whether records wait that are not later than a time; those that were received are
// emitted when the watermark of the store has passed them by more than span.
func leastWaiting(reached, span int64, hasDue func(limit int64) (bool, error), watermark func() (int64, error)) (int64, error) {
	due, err := hasDue(reached - span - 1)
	if err != nil || !due {
		return reached - span, Fatal(err)
	}
	passed, err := watermark()
	if err != nil || passed == state.NoTime {
		return NoWatermark, Fatal(err)
	}
	return min(reached, passed) - span, nil
}

// recentLeast is the least time of the records of the current and the last round.
type recentLeast struct {
	round         int64
	current, last int64
}

func newRecentLeast() recentLeast { return recentLeast{current: math.MaxInt64, last: math.MaxInt64} }

func (l *recentLeast) note(env *Env, millis int64) {
	l.turn(env)
	l.current = min(l.current, millis)
}

func (l *recentLeast) turn(env *Env) {
	if l.round == env.Round {
		return
	}
	l.round, l.last, l.current = env.Round, l.current, math.MaxInt64
}

// hold returns the time that is reached, or the least of recent records if some have come lately.
func (l *recentLeast) hold(env *Env, reached int64) int64 {
	if env.Quiet {
		return reached
	}
	l.turn(env)
	return min(reached, l.current, l.last)
}
