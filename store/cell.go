package store

import (
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
)

// CellHandle declares a [Cell]. It is immutable and may be used by several topologies, and by several operators of one
// stream, which share the state then.
type CellHandle[S any] struct{ inner *state.CellHandle[S] }

// NewCell declares a store that keeps one S for each message key, encoded with codec.For. The name is part of the changelog
// topic's: renaming a store starts it empty.
func NewCell[S any](name string) *CellHandle[S] { return &CellHandle[S]{state.NewCell[S](name)} }

// WithCodec returns a handle of the same store that encodes its states in that way. A nil codec changes nothing.
func (h *CellHandle[S]) WithCodec(c codec.Codec[S]) *CellHandle[S] {
	return &CellHandle[S]{h.inner.WithCodec(c)}
}

// WithTTL returns a handle of the same store with states that live for that long in event time after each Set, rounded up to
// milliseconds. See [Cell.SetFor].
func (h *CellHandle[S]) WithTTL(ttl time.Duration) *CellHandle[S] {
	return &CellHandle[S]{h.inner.WithTTL(ttl)}
}

// MaxFutureSkew returns a handle of the same store that takes the time of a record for real only if it is not further ahead
// of the clock of the machine than that; zero or less means any. The default is weir.DefaultMaxFutureSkew. It matters where
// states have a time to live: a record that is further ahead moves no time, or else one device with a wrong clock would
// let the states of all keys expire. A state that is set with such a record lives from the time that was reached.
//
// A replay runs later than the live run, so it accepts every record that the live run accepted, and perhaps more.
func (h *CellHandle[S]) MaxFutureSkew(skew time.Duration) *CellHandle[S] {
	return &CellHandle[S]{h.inner.MaxFutureSkew(skew)}
}

// WithoutChangelog returns a handle of the same store that has no changelog: its state is in the local database of the task and
// nowhere else. It saves the topic and the writes to it, and costs a wait for the disk with each checkpoint. The state is exact as long as a
// task comes back to the database that it has left, also after a crash. It is lost, and the store begins empty, if the disk is lost, if
// the database is damaged, and when another member has processed input of the task meanwhile, as after a rebalance. The log says
// so each time. It is for state that may be incomplete, such as caches.
//
// A store that gets a changelog, or loses it, in a new version of the program begins empty.
func (h *CellHandle[S]) WithoutChangelog() *CellHandle[S] {
	return &CellHandle[S]{h.inner.WithoutChangelog()}
}

// Name returns the name of the store.
func (h *CellHandle[S]) Name() string { return h.inner.Name() }

func (h *CellHandle[S]) open(o *state.Opener) *Cell[S] {
	if h == nil {
		return state.Declaration[*Cell[S]](nil).OpenIn(o)
	}
	return &Cell[S]{h.inner.OpenIn(o)}
}

func (h *CellHandle[S]) openAny(o *state.Opener) any { return h.open(o) }

// Cell keeps one S for each message key.
//
// The operator that gives a Cell to a function has placed it on the key of the current record. It must not be kept.
type Cell[S any] struct{ inner *state.Cell[S] }

// Get returns the state of the current key, and whether there is one.
//
// The state is the one that the store holds, not a copy: call Set after each change of its target,
// else the change is lost with the next restart.
func (c *Cell[S]) Get() (S, bool) { return c.inner.Get() }

// Set sets the state of the current key. It stays until it is deleted or, in a store with a time to live, expires. A state
// that is null by its codec (codec.Nuller), such as a nil pointer, deletes.
func (c *Cell[S]) Set(value S) { c.inner.Set(value) }

// SetFor sets the state of the current key for a time, rounded up to milliseconds: it expires when the store
// sees a record of any key with at least the time of the current record plus the time to live. A late record does not
// bring it back. SetFor panics if the time is not positive.
func (c *Cell[S]) SetFor(value S, ttl time.Duration) { c.inner.SetFor(value, ttl) }

// Delete removes the state of the current key.
func (c *Cell[S]) Delete() { c.inner.Delete() }
