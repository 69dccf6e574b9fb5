package store

import (
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
)

// VersionedHandle declares a [Versioned]. It is immutable and may be used by several topologies, and by several operators of one
// stream, which share the state then.
type VersionedHandle[S any] struct {
	inner *state.VersionedHandle[S]
}

// NewVersioned declares a store that keeps the versions of one S for each message key, encoded with codec.For. The latest version stays. One that another
// version has followed stays for the retention, in event time after the time of its follower, rounded up to milliseconds. The name is part
// of the changelog topic's: renaming a store starts it empty.
func NewVersioned[S any](name string, retention time.Duration) *VersionedHandle[S] {
	return &VersionedHandle[S]{state.NewVersioned[S](name, retention)}
}

// WithCodec returns a handle of the same store that encodes its states in that way. A nil codec changes nothing.
func (h *VersionedHandle[S]) WithCodec(c codec.Codec[S]) *VersionedHandle[S] {
	return &VersionedHandle[S]{h.inner.WithCodec(c)}
}

// MaxFutureSkew returns a handle of the same store that bounds how far times may be ahead of the clock of the machine: those of records, which move the
// time of the store ([CellHandle.MaxFutureSkew]), and those of versions.
func (h *VersionedHandle[S]) MaxFutureSkew(skew time.Duration) *VersionedHandle[S] {
	return &VersionedHandle[S]{h.inner.MaxFutureSkew(skew)}
}

// WithoutChangelog returns a handle of the same store that has no changelog: its state is lost with the machine, and when another
// member takes over the task. See [CellHandle.WithoutChangelog].
func (h *VersionedHandle[S]) WithoutChangelog() *VersionedHandle[S] {
	return &VersionedHandle[S]{h.inner.WithoutChangelog()}
}

// Name returns the name of the store.
func (h *VersionedHandle[S]) Name() string { return h.inner.Name() }

func (h *VersionedHandle[S]) open(o *state.Opener) *Versioned[S] {
	if h == nil {
		return state.Declaration[*Versioned[S]](nil).OpenIn(o)
	}
	return &Versioned[S]{h.inner.OpenIn(o)}
}

func (h *VersionedHandle[S]) openAny(o *state.Opener) any { return h.open(o) }

// Versioned keeps the versions of one S for each message key: the latest one, and former ones for the retention of the handle.
//
// The operator that gives a Versioned to a function has placed it on the key of the current record. It must not be kept. Its
// methods do not return errors: their error becomes the error of the function when that returns. They do
// nothing, and find nothing, after the first error. They read the versions of the key from the newest on, up to the one that they look for.
type Versioned[S any] struct{ inner *state.Versioned[S] }

// Get returns the latest state of the current key, and whether there is one. Its time may be later than that of the current record.
//
// The state is the one that the store holds, not a copy: it must not be changed.
func (v *Versioned[S]) Get() (S, bool) { return v.inner.Latest() }

// AsOf returns the state that the current key had at a time, by all versions put until now, and whether there was one. A
// former state is found as long as the version that followed it is not older than the retention, in event time of the store. See [Versioned.Get] for
// changes to it.
func (v *Versioned[S]) AsOf(at time.Time) (S, bool) { return v.inner.AsOf(at.UnixMilli()) }

// Put sets the state of the current key from a time on: up to the time of the next version, if there is one already, so times may come in any order. A
// state of the same millisecond is replaced. A state that is null by its codec (codec.Nuller), such as a nil pointer, deletes.
//
// Put reports whether it has set the state. It has not if the time is older than the retention, or further ahead of the clock of the machine than
// the handle allows.
func (v *Versioned[S]) Put(value S, at time.Time) bool { return v.inner.Put(at.UnixMilli(), value) }

// Delete deletes the state of the current key from a time on, as Put: AsOf finds former states for times before it.
func (v *Versioned[S]) Delete(at time.Time) bool { return v.inner.Delete(at.UnixMilli()) }
