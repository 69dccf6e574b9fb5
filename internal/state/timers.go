package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
	"unsafe"

	"github.com/weirstreams/weir"
)

// TimersHandle declares [Timers]. It is immutable and may be used by several topologies, and by one operator of each.
type TimersHandle struct {
	name     string
	skew     int64
	unlogged bool
}

// NewTimers declares a store of timers, for Stream.Process. The name is part of the changelog topic's: renaming the store
// forgets its timers.
func NewTimers(name string) *TimersHandle {
	return &TimersHandle{name: name, skew: weir.DefaultMaxFutureSkew.Milliseconds()}
}

// MaxFutureSkew returns a handle of the same store that bounds how far the time of a record may be ahead of the clock: one
// that is further ahead fires no timers in event time. See [CellHandle.MaxFutureSkew].
func (h *TimersHandle) MaxFutureSkew(skew time.Duration) *TimersHandle {
	with := *h
	with.skew = max(0, skew.Milliseconds())
	return &with
}

// WithoutChangelog returns a handle of the same store that has no changelog. See [CellHandle.WithoutChangelog].
func (h *TimersHandle) WithoutChangelog() *TimersHandle {
	without := *h
	without.unlogged = true
	return &without
}

// Name returns the name of the store.
func (h *TimersHandle) Name() string { return h.name }

// Open returns the store of a task on its own. Operators use an [Opener].
func (h *TimersHandle) Open(space Space) *Timers {
	t := &Timers{name: h.name, space: space, cache: newCache[timer](space.CacheBytes), ahead: horizon{skew: h.skew, now: space.Now}}
	for i := range t.due {
		t.due[i].reset()
	}
	return t
}

// OpenIn implements [Handle].
func (h *TimersHandle) OpenIn(o *Opener) *Timers {
	if h == nil {
		o.fail(errNilHandle)
		return nil
	}
	return open(o, h.name, never, "timers", h, h.unlogged, h.Open)
}

// Timers keeps timers by message key, kind and name. They survive restarts.
//
// The operator that gives Timers to a processor has placed them on the key of the current record or timer. Errors are
// kept as those of a [Map] are.
//
// Its rows begin with a family byte and the kind. Numbers in keys are as those of [Windowed].
//
//	'n' kind key name       the time of a timer, in order (8 bytes). The message key follows its length, a uvarint.
//	'd' kind time key name  the index of timers by their time. The value is empty.
//	'm'                     the event time that was reached, a varint, from the first timer in event time on.
type Timers struct {
	name  string
	space Space
	cache cache[timer]
	due   [2]endIndex // by kind; the key of an entry is that of the row without its kind
	time  watermark
	ahead horizon
	at    int64  // event time of the current record
	row   []byte // kind, length of the message key, message key, name
	key   int    // length of what comes before the name
	index []byte // scratch
	err   error
}

// timer is one entry of the cache.
type timer struct {
	at      int64
	set     bool
	indexed bool  // in memory
	stored  bool  // in the database, or flushed
	rowAt   int64 // what the database has if stored is set
}

const (
	familyTimer = 'n'
	familyDue   = 'd'
)

// dueAhead is the distance beyond the due timers up to which the index is read, in milliseconds.
const dueAhead = 10_000

// Set sets the timer of a name for the current key. One that is set already is moved. A timer for now or the past fires as
// soon as the current call returns. The time is cut to milliseconds.
func (t *Timers) Set(kind weir.TimerKind, name string, at time.Time) {
	e := t.find(kind, name)
	if e == nil {
		return
	}
	millis := at.UnixMilli()
	x := &e.value
	if x.set && x.at == millis {
		return
	}
	if kind == weir.EventTime {
		if _, err := t.Reach(NoTime); err != nil {
			t.err = err
			return
		}
		if t.time.millis == NoTime {
			t.time.advance(t.ahead.begin(t.at))
		}
	}
	t.forget(kind, e)
	x.at, x.set, x.indexed = millis, true, true
	t.due[kind].tree.Set(endEntry{millis, e.key[1:], 0})
	t.cache.touch(e)
}

// Cancel forgets the timer of a name for the current key, if there is one.
func (t *Timers) Cancel(kind weir.TimerKind, name string) {
	if e := t.find(kind, name); e != nil && e.value.set {
		t.forget(kind, e)
		e.value.set = false
		t.cache.touch(e)
	}
}

// Get returns for when the timer of a name is set for the current key, and whether it is.
func (t *Timers) Get(kind weir.TimerKind, name string) (time.Time, bool) {
	if e := t.find(kind, name); e != nil && e.value.set {
		return time.UnixMilli(e.value.at), true
	}
	return time.Time{}, false
}

// forget takes a timer out of the index in memory.
func (t *Timers) forget(kind weir.TimerKind, e *entry[timer]) {
	if e.value.indexed {
		e.value.indexed = false
		t.due[kind].remove(endEntry{e.value.at, e.key[1:], 0})
	}
}

func (t *Timers) find(kind weir.TimerKind, name string) *entry[timer] {
	if t.err != nil {
		return nil
	}
	t.row = append(t.row[:t.key], name...)
	t.row[0] = byte(kind)
	e, err := t.load(t.row)
	if err != nil {
		t.err = err
	}
	return e
}

func (t *Timers) load(row []byte) (*entry[timer], error) {
	if e := t.cache.get(row); e != nil {
		return e, nil
	}
	t.index = append(append(append(t.index[:0], t.space.Prefix...), familyTimer), row...)
	value, err := t.space.Backend.Get(nil, t.index)
	var x timer
	switch {
	case errors.Is(err, ErrNotFound):
	case err == nil && len(value) != 8:
		return nil, fmt.Errorf("store %q: %w: timer %q: %w", t.name, ErrRead, row, errRowLength)
	case err != nil:
		return nil, fmt.Errorf("store %q: %w: %w", t.name, ErrRead, err)
	default:
		x = timer{at: ordered(value), set: true, stored: true}
		x.rowAt = x.at
	}
	return t.cache.add(row, x, int(unsafe.Sizeof(x))), nil
}

// Enter implements [Keyed].
func (t *Timers) Enter(key []byte, millis int64) error {
	t.row = binary.AppendUvarint(append(t.row[:0], 0), uint64(len(key)))
	t.row = append(t.row, key...)
	t.key, t.at, t.err = len(t.row), millis, nil
	return nil
}

// Err returns the first error of the methods since the last Enter.
func (t *Timers) Err() error { return t.err }

// Reach moves the event time of the store to that of a record, never back, and returns it. It stays at NoTime, and
// no timer is due, until the first timer in event time is set.
func (t *Timers) Reach(millis int64) (int64, error) {
	if !t.time.loaded {
		if err := t.time.load(t.space); err != nil {
			return 0, fmt.Errorf("store %q: %w: %w", t.name, ErrRead, err)
		}
	}
	if t.time.millis != NoTime && millis <= maxMillis && !t.ahead.beyond(millis) {
		t.time.advance(millis)
	}
	return t.time.millis, nil
}

// Next returns a time before which no timer of a kind is due.
func (t *Timers) Next(kind weir.TimerKind) int64 {
	x := &t.due[kind]
	next := x.horizon
	if next < math.MaxInt64 {
		next++
	}
	if first, ok := x.tree.Min(); ok {
		next = min(next, first.end)
	}
	return next
}

// Earliest returns a time that is not after that of any timer of a kind, and at most limit. It is exact unless timers were
// moved or cancelled since the last checkpoint.
func (t *Timers) Earliest(kind weir.TimerKind, limit int64) (int64, error) {
	x := &t.due[kind]
	for limit > x.horizon {
		if first, ok := x.tree.Min(); ok && first.end <= x.horizon {
			break
		}
		if err := t.readDue(kind, limit); err != nil {
			return 0, err
		}
	}
	if first, ok := x.tree.Min(); ok {
		return min(first.end, limit), nil
	}
	return limit, nil
}

// Due takes the timer of a kind with the smallest time, if that is not after limit, and returns its message key, which is
// valid until the next call. Timers of one time come in a fixed order.
func (t *Timers) Due(kind weir.TimerKind, limit int64) (key []byte, name string, at int64, ok bool, err error) {
	x := &t.due[kind]
	for {
		if limit > x.horizon {
			if err := t.readDue(kind, limit); err != nil {
				return nil, "", 0, false, err
			}
		}
		first, found := x.tree.Min()
		if !found || first.end > min(limit, x.horizon) {
			if limit > x.horizon {
				continue // there was more to read than is read at a time
			}
			return nil, "", 0, false, nil
		}
		x.tree.Delete(first)
		t.row = append(append(t.row[:0], byte(kind)), first.key...)
		e, err := t.load(t.row)
		if err != nil {
			return nil, "", 0, false, err
		}
		if !e.value.set && !e.value.stored { // a crash has left it in the index
			e.value.stored, e.value.rowAt = true, first.end
			t.cache.touch(e)
			continue
		}
		if !e.value.set || e.value.at != first.end {
			continue // moved or cancelled, which the database does not know yet
		}
		e.value.set, e.value.indexed = false, false
		t.cache.touch(e)
		length, n := binary.Uvarint(t.row[1:])
		if n <= 0 || length > uint64(len(t.row)-1-n) {
			return nil, "", 0, false, fmt.Errorf("store %q: %w: timer %q: %w", t.name, ErrRead, t.row, errRowLength)
		}
		rest := t.row[1+n:]
		return rest[:length], string(rest[length:]), first.end, true, nil
	}
}

// readDue reads a part of the index, and moves the horizon.
func (t *Timers) readDue(kind weir.TimerKind, limit int64) error {
	x := &t.due[kind]
	prefix := append(append([]byte(nil), t.space.Prefix...), familyDue, byte(kind))
	from, to := prefix, successor(prefix)
	if x.horizon != NoTime {
		from = appendOrdered(from[:len(from):len(from)], x.horizon+1)
	}
	horizon := min(limit, math.MaxInt64-dueAhead) + dueAhead
	read, most, last := 0, t.space.Limits.dueTimers(), int64(NoTime)
	err := t.space.Backend.Scan(from, to, func(row, _ []byte) (bool, error) {
		if len(row) < len(prefix)+8 {
			return false, fmt.Errorf("store %q: %w: index of timers: %w", t.name, ErrRead, errRowLength)
		}
		at := ordered(row[len(prefix):])
		if at > horizon {
			return false, nil
		}
		if read++; read > most && at != last {
			horizon = last
			return false, nil
		}
		last = at
		key := row[len(prefix)+8:]
		x.tree.Set(endEntry{at, string(key), 0})
		if e := t.cache.entries[string(append([]byte{byte(kind)}, key...))]; e != nil && e.value.set && e.value.at == at {
			e.value.indexed = true
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	x.horizon = horizon
	return nil
}

// Name implements [Store].
func (t *Timers) Name() string { return t.name }

// WrittenLast implements [Cause].
func (*Timers) WrittenLast() bool { return true }

// DirtyBytes implements [Store].
func (t *Timers) DirtyBytes() int64 { return t.cache.dirtyBytes + t.time.dirtyBytes() }

// Flush implements [Store].
func (t *Timers) Flush(emit func(key, value []byte) error) error {
	if err := t.time.flush(emit); err != nil {
		return err
	}
	var value []byte
	return t.cache.flush(func(e *entry[timer]) error {
		x := &e.value
		kind := weir.TimerKind(e.key[0])
		// Any beginning of these changes leaves each timer either as it was or as it is now: see the engine's checkpoints.
		if !x.set {
			if !x.stored {
				return nil
			}
			x.stored = false
			t.index = append(append(t.index[:0], familyTimer), e.key...)
			if err := emit(t.index, nil); err != nil {
				return err
			}
			return emit(t.dueRow(e.key, x.rowAt), nil)
		}
		moved := !x.stored || x.rowAt != x.at
		if moved {
			if err := emit(t.dueRow(e.key, x.at), []byte{}); err != nil {
				return err
			}
			t.due[kind].flushed(endEntry{x.at, e.key[1:], 0})
		}
		t.index = append(append(t.index[:0], familyTimer), e.key...)
		value = appendOrdered(value[:0], x.at)
		if err := emit(t.index, value); err != nil {
			return err
		}
		if moved && x.stored {
			if err := emit(t.dueRow(e.key, x.rowAt), nil); err != nil {
				return err
			}
		}
		x.stored, x.rowAt = true, x.at
		return nil
	})
}

func (t *Timers) dueRow(key string, at int64) []byte {
	t.index = append(t.index[:0], familyDue, key[0])
	t.index = append(appendOrdered(t.index, at), key[1:]...)
	return t.index
}

// Committed implements [Store].
func (t *Timers) Committed() {
	for i := range t.due {
		t.due[i].committed(func(endEntry) bool { return false })
	}
	t.cache.committed()
}

// Discard implements [Store].
func (t *Timers) Discard() {
	t.cache.discard()
	t.time = watermark{}
	t.err = nil
	for i := range t.due {
		t.due[i].reset()
	}
}
