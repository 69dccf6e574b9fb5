package store

import (
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/state"
)

// TimersHandle declares [Timers]. It is immutable and may be used by several topologies, and by one operator of each.
type TimersHandle struct{ inner *state.TimersHandle }

// NewTimers declares a store of timers, for Stream.Process. The name is part of the changelog topic's: renaming the store
// forgets its timers.
func NewTimers(name string) *TimersHandle { return &TimersHandle{state.NewTimers(name)} }

// MaxFutureSkew returns a handle of the same store that bounds how far the time of a record may be ahead of the clock: one
// that is further ahead fires no timers in event time. See [CellHandle.MaxFutureSkew].
func (h *TimersHandle) MaxFutureSkew(skew time.Duration) *TimersHandle {
	return &TimersHandle{h.inner.MaxFutureSkew(skew)}
}

// WithoutChangelog returns a handle of the same store that has no changelog: its timers are lost with the machine, and when another
// member takes over the task, and never fire then. See [CellHandle.WithoutChangelog].
func (h *TimersHandle) WithoutChangelog() *TimersHandle {
	return &TimersHandle{h.inner.WithoutChangelog()}
}

// Name returns the name of the store.
func (h *TimersHandle) Name() string { return h.inner.Name() }

func (h *TimersHandle) open(o *state.Opener) *Timers {
	if h == nil {
		return state.Declaration[*Timers](nil).OpenIn(o)
	}
	return &Timers{h.inner.OpenIn(o)}
}

func (h *TimersHandle) openAny(o *state.Opener) any { return h.open(o) }

// Timers keeps timers by message key, kind and name. They survive restarts.
//
// The operator that gives Timers to a processor has placed them on the key of the current record or timer. Errors are
// kept as those of a [Map] are.
type Timers struct{ inner *state.Timers }

// Set sets the timer of a name for the current key. One that is set already is moved. A timer for now or the past fires as
// soon as the current call returns. The time is cut to milliseconds.
func (t *Timers) Set(kind weir.TimerKind, name string, at time.Time) { t.inner.Set(kind, name, at) }

// Cancel forgets the timer of a name for the current key, if there is one.
func (t *Timers) Cancel(kind weir.TimerKind, name string) { t.inner.Cancel(kind, name) }

// Get returns for when the timer of a name is set for the current key, and whether it is.
func (t *Timers) Get(kind weir.TimerKind, name string) (time.Time, bool) {
	return t.inner.Get(kind, name)
}
