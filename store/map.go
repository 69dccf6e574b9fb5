package store

import (
	"iter"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
)

// MapHandle declares a [Map]. It is immutable and may be used by several topologies, and by several operators of one
// stream, which share the state then.
type MapHandle[F, S any] struct{ inner *state.MapHandle[F, S] }

// NewMap declares a store that keeps any number of S for each message key, by fields of type F. Both are encoded with
// codec.For; two fields are different if their encodings are. The name is part of the changelog topic's: renaming a store
// starts it empty.
func NewMap[F, S any](name string) *MapHandle[F, S] {
	return &MapHandle[F, S]{state.NewMap[F, S](name)}
}

// WithCodecs returns a handle of the same store that encodes fields and states in that way. A nil codec changes nothing.
func (h *MapHandle[F, S]) WithCodecs(fields codec.Codec[F], states codec.Codec[S]) *MapHandle[F, S] {
	return &MapHandle[F, S]{h.inner.WithCodecs(fields, states)}
}

// WithTTL returns a handle of the same store with states that live for that long in event time after each Set, rounded up to
// milliseconds. See [Map.SetFor].
func (h *MapHandle[F, S]) WithTTL(ttl time.Duration) *MapHandle[F, S] {
	return &MapHandle[F, S]{h.inner.WithTTL(ttl)}
}

// MaxFutureSkew returns a handle of the same store that bounds how far the time of a record may be ahead of the clock. See
// [CellHandle.MaxFutureSkew].
func (h *MapHandle[F, S]) MaxFutureSkew(skew time.Duration) *MapHandle[F, S] {
	return &MapHandle[F, S]{h.inner.MaxFutureSkew(skew)}
}

// WithoutChangelog returns a handle of the same store that has no changelog: its state is lost with the machine, and when another
// member takes over the task. See [CellHandle.WithoutChangelog].
func (h *MapHandle[F, S]) WithoutChangelog() *MapHandle[F, S] {
	return &MapHandle[F, S]{h.inner.WithoutChangelog()}
}

// Name returns the name of the store.
func (h *MapHandle[F, S]) Name() string { return h.inner.Name() }

func (h *MapHandle[F, S]) open(o *state.Opener) *Map[F, S] {
	if h == nil {
		return state.Declaration[*Map[F, S]](nil).OpenIn(o)
	}
	return &Map[F, S]{h.inner.OpenIn(o)}
}

func (h *MapHandle[F, S]) openAny(o *state.Opener) any { return h.open(o) }

// Map keeps any number of S for each message key, by fields of type F.
//
// The operator that gives a Map to a function has placed it on the key of the current record. It must not be kept. Its
// methods do not return errors: their error becomes the error of the function when that returns. They do
// nothing, and find nothing, after the first error.
type Map[F, S any] struct{ inner *state.Map[F, S] }

// Get returns the state of a field of the current key, and whether there is one.
//
// The state is the one that the store holds, not a copy: call Set after each change of its target,
// else the change is lost with the next restart.
func (m *Map[F, S]) Get(field F) (S, bool) { return m.inner.Get(field) }

// Has reports whether a field of the current key has a state.
func (m *Map[F, S]) Has(field F) bool { return m.inner.Has(field) }

// Set sets the state of a field of the current key. It stays until it is deleted or, in a store with a time to live,
// expires. A state that is null by its codec (codec.Nuller), such as a nil pointer, deletes.
func (m *Map[F, S]) Set(field F, value S) { m.inner.Set(field, value) }

// SetFor sets the state of a field of the current key for a time, rounded up to milliseconds: it expires when the
// store sees a record of any key with at least the time of the current record plus the time to live. A late
// record does not bring it back. SetFor panics if the time is not positive.
func (m *Map[F, S]) SetFor(field F, value S, ttl time.Duration) { m.inner.SetFor(field, value, ttl) }

// Delete removes the state of a field of the current key.
func (m *Map[F, S]) Delete(field F) { m.inner.Delete(field) }

// All yields the fields of the current key that have a state, in the order of their encoded bytes: strings as they sort,
// numbers of codec.For by value, except that negative ones come last. It reads the database. States may be set and deleted
// meanwhile; whether it yields a field that is set meanwhile is open.
func (m *Map[F, S]) All() iter.Seq2[F, S] { return m.inner.All() }

// Clear removes all states of the current key.
func (m *Map[F, S]) Clear() { m.inner.Clear() }
