package state

import (
	"encoding/binary"
	"fmt"
	"iter"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/typename"
)

// MapHandle declares a [Map]. It is immutable and may be used by several topologies, and by several operators of one
// stream, which share the state then.
type MapHandle[F, S any] struct {
	name   string
	fields codec.Codec[F]
	states codec.Codec[S]
	ttl    int64
	skew   int64
	// unlogged says that the store has no changelog.
	unlogged bool
}

// NewMap declares a store that keeps any number of S for each message key, by fields of type F. Both are encoded with
// codec.For; two fields are different if their encodings are. The name is part of the changelog topic's: renaming a store
// starts it empty.
func NewMap[F, S any](name string) *MapHandle[F, S] {
	return &MapHandle[F, S]{
		name: name, fields: codec.For[F](), states: codec.For[S](), ttl: never, skew: weir.DefaultMaxFutureSkew.Milliseconds(),
	}
}

// WithCodecs returns a handle of the same store that encodes fields and states in that way. A nil codec changes nothing.
func (h *MapHandle[F, S]) WithCodecs(fields codec.Codec[F], states codec.Codec[S]) *MapHandle[F, S] {
	with := *h
	if fields != nil {
		with.fields = fields
	}
	if states != nil {
		with.states = states
	}
	return &with
}

// WithTTL returns a handle of the same store with states that live for that long in event time after each Set, rounded up to
// milliseconds. See [Map.SetFor].
func (h *MapHandle[F, S]) WithTTL(ttl time.Duration) *MapHandle[F, S] {
	with := *h
	with.ttl = ttlMillis(ttl)
	return &with
}

// MaxFutureSkew returns a handle of the same store that bounds how far the time of a record may be ahead of the clock. See
// [CellHandle.MaxFutureSkew].
func (h *MapHandle[F, S]) MaxFutureSkew(skew time.Duration) *MapHandle[F, S] {
	with := *h
	with.skew = max(0, skew.Milliseconds())
	return &with
}

// WithoutChangelog returns a handle of the same store that has no changelog: its state is lost with the machine, and when another
// member takes over the task. See [CellHandle.WithoutChangelog].
func (h *MapHandle[F, S]) WithoutChangelog() *MapHandle[F, S] {
	without := *h
	without.unlogged = true
	return &without
}

// Name returns the name of the store.
func (h *MapHandle[F, S]) Name() string { return h.name }

// Open returns the store of a task on its own. Operators use an [Opener].
func (h *MapHandle[F, S]) Open(space Space) *Map[F, S] {
	m := &Map[F, S]{
		table: newTable(space, h.name, h.states, h.ttl, h.skew), fields: h.fields,
		fieldContext: codec.Context{Topic: h.name, Part: codec.State},
	}
	m.showField = m.shownField
	return m
}

// OpenIn implements [Handle].
func (h *MapHandle[F, S]) OpenIn(o *Opener) *Map[F, S] {
	if h == nil {
		o.fail(errNilHandle)
		return nil
	}
	return open(o, h.name, h.ttl, typename.Codec(h.fields)+" => "+typename.Codec(h.states), h, h.unlogged, h.Open)
}

// Map keeps any number of S for each message key, by fields of type F.
//
// The operator that gives a Map to a function has placed it on the key of the current record. It must not be kept. Its
// methods do not return errors: their error becomes the error of the function when that returns. They do
// nothing, and find nothing, after the first error.
type Map[F, S any] struct {
	table[S]
	fields       codec.Codec[F]
	fieldContext codec.Context
	row          []byte // length of the message key, message key, field
	prefix       int    // length of what belongs to the message key
	err          error
}

// Get returns the state of a field of the current key, and whether there is one.
//
// The state is the one that the store holds, not a copy: call Set after each change of its target,
// else the change is lost with the next restart.
func (m *Map[F, S]) Get(field F) (S, bool) {
	if e := m.entry(field); e != nil && m.live(&e.value) {
		return e.value.state, true
	}
	var none S
	return none, false
}

// Has reports whether a field of the current key has a state.
func (m *Map[F, S]) Has(field F) bool {
	e := m.entry(field)
	return e != nil && m.live(&e.value)
}

// Set sets the state of a field of the current key. It stays until it is deleted or, in a store with a time to live,
// expires. A state that is null by its codec (codec.Nuller), such as a nil pointer, deletes.
func (m *Map[F, S]) Set(field F, state S) {
	if e := m.entry(field); e != nil {
		m.set(e, &state)
	}
}

// SetFor sets the state of a field of the current key for a time, rounded up to milliseconds: it expires when the
// store sees a record of any key with at least the time of the current record plus the time to live. A late
// record does not bring it back. SetFor panics if the time is not positive.
func (m *Map[F, S]) SetFor(field F, state S, ttl time.Duration) {
	if e := m.entry(field); e != nil {
		m.setFor(e, &state, ttl)
	}
}

// Delete removes the state of a field of the current key.
func (m *Map[F, S]) Delete(field F) {
	if e := m.entry(field); e != nil {
		m.remove(e)
	}
}

// All yields the fields of the current key that have a state, in the order of their encoded bytes: strings as they sort,
// numbers of codec.For by value, except that negative ones come last. It reads the database. States may be set and deleted
// meanwhile; whether it yields a field that is set meanwhile is open.
func (m *Map[F, S]) All() iter.Seq2[F, S] {
	return func(yield func(F, S) bool) {
		if m.err != nil {
			return
		}
		prefix := string(m.row[:m.prefix])
		err := m.scan(prefix, func(key string, state S) bool {
			field, err := m.fields.Decode(&m.fieldContext, []byte(key[len(prefix):]))
			if err != nil {
				m.err = fmt.Errorf("store %q: %w: decode a field of key %s: %w", m.name, ErrRead, m.shown([]byte(prefix)), err)
				return false
			}
			return yield(field, state)
		})
		if m.err == nil {
			m.err = err
		}
	}
}

// Clear removes all states of the current key.
func (m *Map[F, S]) Clear() {
	for field := range m.All() {
		m.Delete(field)
	}
}

func (m *Map[F, S]) entry(field F) *entry[row[S]] {
	if m.err != nil {
		return nil
	}
	row, err := m.fields.Append(m.row[:m.prefix], &m.fieldContext, field)
	if err != nil {
		m.err = fmt.Errorf("store %q: encode a field: %w", m.name, err)
		return nil
	}
	m.row = row
	e, err := m.find(row)
	if err != nil {
		m.err = err
		return nil
	}
	return e
}

// Place puts the store on a key. The key is not kept.
func (m *Map[F, S]) Place(key []byte) {
	m.row = binary.AppendUvarint(m.row[:0], uint64(len(key)))
	m.row = append(m.row, key...)
	m.prefix = len(m.row)
	m.err = nil
}

// Enter implements [Keyed].
func (m *Map[F, S]) Enter(key []byte, millis int64) error {
	m.Place(key)
	return m.advance(millis)
}

// Err returns the first error of the methods since the last Place. It is ErrRead unless the field is to blame.
func (m *Map[F, S]) Err() error { return m.err }
