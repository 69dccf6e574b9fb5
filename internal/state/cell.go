package state

import (
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/typename"
)

// CellHandle declares a [Cell]. It is immutable and may be used by several topologies, and by several operators of one
// stream, which share the state then.
type CellHandle[S any] struct {
	name  string
	codec codec.Codec[S]
	ttl   int64
	skew  int64
	// unlogged says that the store has no changelog.
	unlogged bool
}

// NewCell declares a store that keeps one S for each message key, encoded with codec.For.
func NewCell[S any](name string) *CellHandle[S] {
	return &CellHandle[S]{name: name, codec: codec.For[S](), ttl: never, skew: weir.DefaultMaxFutureSkew.Milliseconds()}
}

// WithCodec returns a handle of the same store that encodes its states in that way. A nil codec changes nothing.
func (h *CellHandle[S]) WithCodec(c codec.Codec[S]) *CellHandle[S] {
	with := *h
	if c != nil {
		with.codec = c
	}
	return &with
}

// WithTTL returns a handle of the same store with states that live for that long in event time after each Set, rounded up to
// milliseconds. See [Cell.SetFor].
func (h *CellHandle[S]) WithTTL(ttl time.Duration) *CellHandle[S] {
	with := *h
	with.ttl = ttlMillis(ttl)
	return &with
}

// MaxFutureSkew returns a handle of the same store that takes the time of a record for real only if it is not further ahead
// of the clock of the machine than that; zero or less means any. The default is [weir.DefaultMaxFutureSkew]. It matters where
// states have a time to live: a record that is further ahead moves no time, or else one device with a wrong clock would
// let the states of all keys expire. A state that is set with such a record lives from the time that was reached.
//
// A replay runs later than the live run, so it accepts every record that the live run accepted, and perhaps more.
func (h *CellHandle[S]) MaxFutureSkew(skew time.Duration) *CellHandle[S] {
	with := *h
	with.skew = max(0, skew.Milliseconds())
	return &with
}

// WithoutChangelog returns a handle of the same store that has no changelog: its state is in the local database of the task and
// nowhere else. It saves the topic and the writes to it, and costs a wait for the disk with each checkpoint. The state is exact as long as a
// task comes back to the database that it has left, also after a crash. It is lost, and the store begins empty, if the disk is lost, if
// the database is damaged, and when another member has processed input of the task meanwhile, as after a rebalance. The log says
// so each time. It is for state that may be incomplete, such as caches.
//
// A store that gets a changelog, or loses it, in a new version of the program begins empty.
func (h *CellHandle[S]) WithoutChangelog() *CellHandle[S] {
	without := *h
	without.unlogged = true
	return &without
}

// ttlMillis returns a time to live, or a value that Declare refuses.
func ttlMillis(ttl time.Duration) int64 {
	if ttl <= 0 {
		return 0
	}
	return ceilMillis(ttl)
}

// Name returns the name of the store.
func (h *CellHandle[S]) Name() string { return h.name }

// Open returns the store of a task on its own. Operators use an [Opener].
func (h *CellHandle[S]) Open(space Space) *Cell[S] {
	return &Cell[S]{table: newTable(space, h.name, h.codec, h.ttl, h.skew)}
}

// OpenIn implements [Handle].
func (h *CellHandle[S]) OpenIn(o *Opener) *Cell[S] {
	if h == nil {
		o.fail(errNilHandle)
		return nil
	}
	return open(o, h.name, h.ttl, typename.Codec(h.codec), h, h.unlogged, h.Open)
}

// Cell keeps one S for each message key.
//
// The operator that gives a Cell to a function has placed it on the key of the current record. It must not be kept.
type Cell[S any] struct {
	table[S]
	current *entry[row[S]]
}

// Get returns the state of the current key, and whether there is one.
//
// The state is the one that the store holds, not a copy: call Set after each change of its target,
// else the change is lost with the next restart.
func (c *Cell[S]) Get() (S, bool) {
	if r := &c.current.value; c.live(r) {
		return r.state, true
	}
	var none S
	return none, false
}

// Find returns the state of the current key in its place, or nil. It is valid until the next call of a method.
func (c *Cell[S]) Find() *S {
	if r := &c.current.value; c.live(r) {
		return &r.state
	}
	return nil
}

// Set sets the state of the current key. It stays until it is deleted or, in a store with a time to live, expires. A state
// that is null by its codec (codec.Nuller), such as a nil pointer, deletes.
func (c *Cell[S]) Set(state S) { c.set(c.current, &state) }

// SetTo is Set of the state at a pointer, which is not kept. Operators use it to copy large states once.
func (c *Cell[S]) SetTo(state *S) { c.set(c.current, state) }

// SetFor sets the state of the current key for a time, rounded up to milliseconds: it expires when the store
// sees a record of any key with at least the time of the current record plus the time to live. A late record does not
// bring it back. SetFor panics if the time is not positive.
func (c *Cell[S]) SetFor(state S, ttl time.Duration) { c.setFor(c.current, &state, ttl) }

// Delete removes the state of the current key.
func (c *Cell[S]) Delete() { c.remove(c.current) }

// Place puts the store on a key. The key is not kept.
func (c *Cell[S]) Place(key []byte) (err error) {
	c.current, err = c.find(key)
	return err
}

// Enter implements [Keyed].
func (c *Cell[S]) Enter(key []byte, millis int64) error {
	if err := c.advance(millis); err != nil {
		return err
	}
	if c.current = c.cache.get(key); c.current != nil { // without a call, as for nearly every record
		return nil
	}
	return c.Place(key)
}

// Discard implements [Store].
func (c *Cell[S]) Discard() {
	c.current = nil
	c.table.Discard()
}
