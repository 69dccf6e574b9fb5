package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
	"unsafe"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/measure"
)

// table keeps states by key for Cell and Map: rows that can expire, behind a cache.
//
// Its rows begin with a family byte:
//
//	's' key       a state: 0 and its encoding or, if it expires, 1, the time (a varint) and its encoding
//	'x' time key  the index of states by the time at which they expire (8 bytes, see appendOrdered). The value is empty.
//	'm'           the time that was reached, a varint. It is kept from the first state on that can expire.
//
// Expired states read as absent at once. Their rows go at the next flush, so that the changelog loses them too.
type table[S any] struct {
	name    string
	codec   codec.Codec[S]
	nuller  codec.Nuller[S] // nil if no S is null
	space   Space
	ttl     int64 // milliseconds that a state lives unless SetFor says otherwise, or never
	cache   cache[row[S]]
	measure measure.Measurer[S] // what a state refers to, in bytes
	weighed bool                // whether states have a null, or refer to memory
	context codec.Context
	time    watermark
	ahead   horizon
	at      int64 // event time of the current record
	// earliest is not after the first time in the index.
	earliest int64
	// changed are the keys of the entries that differ from the database, in order, or nil if nobody has asked for them.
	changed *keySet
	// showField returns the text of a field, in a Map: its keys are those of records, behind their length, and fields. It is nil in a Cell.
	showField func(field []byte) string
	key       []byte // scratch
	index     []byte // scratch
	value     []byte // scratch
}

const (
	familyState  = 's'
	familyExpiry = 'x'
)

// never is the expiry of a state that stays.
const never = math.MaxInt64

// maxMillis is the last millisecond of the year 9999. Later times are a broken clock's: they expire nothing.
const maxMillis = 253402300799999

// ErrRead says that a state could not be read from the database: the record that needs it is not to blame.
var ErrRead = errors.New("state cannot be read")

// row is the state of one key.
type row[S any] struct {
	state   S
	present bool
	stored  bool  // in the database, or flushed
	expires int64 // or never
	// rowExpires is the time in the index if stored is set.
	rowExpires int64
}

func newTable[S any](space Space, name string, c codec.Codec[S], ttl, skew int64) table[S] {
	nuller, _ := c.(codec.Nuller[S])
	sizes := measure.Of[S]()
	return table[S]{
		name: name, codec: c, nuller: nuller, space: space, ttl: ttl, cache: newCache[row[S]](space.CacheBytes), earliest: NoTime,
		measure: sizes, weighed: nuller != nil || sizes.Refers(),
		context: codec.Context{Topic: name, Part: codec.State}, ahead: horizon{skew: skew, now: space.Now},
	}
}

// Name implements [Store].
func (t *table[S]) Name() string { return t.name }

// advance notes the event time of the record that is worked on. It is small enough to be inlined, for stores in which nothing expires.
func (t *table[S]) advance(millis int64) error {
	t.at = millis
	if t.time.loaded && t.time.millis == NoTime {
		return nil
	}
	return t.advanceTime()
}

func (t *table[S]) advanceTime() error {
	if !t.time.loaded {
		if err := t.time.load(t.space); err != nil {
			return fmt.Errorf("store %q: %w: %w", t.name, ErrRead, err)
		}
	}
	if t.time.millis != NoTime && t.at > t.time.millis && t.at <= maxMillis && !t.ahead.beyond(t.at) {
		t.time.advance(t.at)
	}
	return nil
}

// find returns the entry of a key, made if there is none.
func (t *table[S]) find(key []byte) (*entry[row[S]], error) {
	if e := t.cache.get(key); e != nil {
		return e, nil
	}
	return t.load(key)
}

// load reads the entry of a key that is not in the cache. It is apart to keep find small.
func (t *table[S]) load(key []byte) (*entry[row[S]], error) {
	if !t.time.loaded {
		if err := t.time.load(t.space); err != nil {
			return nil, fmt.Errorf("store %q: %w: %w", t.name, ErrRead, err)
		}
	}
	t.key = append(append(append(t.key[:0], t.space.Prefix...), familyState), key...)
	var err error
	t.value, err = t.space.Backend.Get(t.value[:0], t.key)
	if errors.Is(err, ErrNotFound) {
		return t.cache.add(key, row[S]{expires: never}, int(unsafe.Sizeof(row[S]{}))), nil
	}
	if err != nil {
		return nil, fmt.Errorf("store %q: %w: %w", t.name, ErrRead, err)
	}
	r, err := t.decode(t.value)
	if err != nil {
		return nil, fmt.Errorf("store %q: %w: decode the state of key %s: %w", t.name, ErrRead, t.shown(key), err)
	}
	return t.cache.add(key, r, t.size(&r, len(t.value))), nil
}

func (t *table[S]) decode(value []byte) (r row[S], err error) {
	r.present, r.stored = true, true
	if r.expires, value, err = cutExpiry(value); err != nil {
		return r, err
	}
	r.rowExpires = r.expires
	r.state, err = t.codec.Decode(&t.context, value)
	return r, err
}

// cutExpiry takes the value of a state's row apart: the time at which it ends, or never, and the encoded state.
func cutExpiry(value []byte) (expires int64, state []byte, err error) {
	if len(value) == 0 {
		return never, nil, errRowLength
	}
	if value[0] == 0 {
		return never, value[1:], nil
	}
	expires, n := binary.Varint(value[1:])
	if n <= 0 {
		return never, nil, errRowLength
	}
	return expires, value[1+n:], nil
}

// live reports whether there is a state that has not expired.
func (t *table[S]) live(r *row[S]) bool {
	return r.present && (r.expires > t.time.millis || r.expires == never)
}

// set sets the state of an entry to that at state, which is not kept: a large state is copied once.
func (t *table[S]) set(e *entry[row[S]], state *S) {
	e.value.state, e.value.present, e.value.expires = *state, true, never
	if t.ttl != never {
		e.value.expires = t.expiry(t.ttl)
	}
	if t.weighed {
		t.weigh(e)
	}
	if e.state == clean || e.state == flushing {
		t.mark(e)
	}
}

func (t *table[S]) setFor(e *entry[row[S]], state *S, ttl time.Duration) {
	if ttl <= 0 {
		panic(fmt.Sprintf("store %q: a state cannot live for %v: the time must be positive", t.name, ttl))
	}
	e.value.state, e.value.present, e.value.expires = *state, true, t.expiry(ceilMillis(ttl))
	t.touch(e)
}

// ceilMillis rounds up: a part of a millisecond counts as all of it.
func ceilMillis(d time.Duration) int64 {
	millis := d.Milliseconds()
	if d%time.Millisecond != 0 {
		millis++
	}
	return millis
}

func (t *table[S]) expiry(ttl int64) int64 {
	at := t.ahead.base(t.at, t.time.millis)
	if t.time.millis == NoTime {
		t.time.advance(t.ahead.begin(t.at))
	}
	if at > never-1-ttl {
		return never - 1
	}
	return at + ttl
}

// weigh notes the size of a state that was set. A null state is none.
func (t *table[S]) weigh(e *entry[row[S]]) {
	if t.nuller != nil && e.value.present && t.nuller.IsNull(e.value.state) {
		var none S
		e.value.state, e.value.present, e.value.expires = none, false, never
	}
	if t.measure.Refers() {
		t.cache.resize(e, t.measure.Bytes(&e.value.state)+int(unsafe.Sizeof(e.value)))
	}
}

func (t *table[S]) remove(e *entry[row[S]]) {
	var none S
	e.value.state, e.value.present, e.value.expires = none, false, never
	t.touch(e)
}

// size estimates the memory of a row, with the encoded size of its state if that is known.
func (t *table[S]) size(r *row[S], encoded int) int {
	if t.measure.Refers() {
		encoded = max(encoded, t.measure.Bytes(&r.state))
	}
	return encoded + int(unsafe.Sizeof(*r))
}

// touch marks an entry as changed, after its state was set or removed.
func (t *table[S]) touch(e *entry[row[S]]) {
	if t.weighed {
		t.weigh(e)
	}
	t.mark(e)
}

// mark notes that an entry differs from the database.
func (t *table[S]) mark(e *entry[row[S]]) {
	if t.changed != nil && e.state == clean {
		t.changed.add(e.key)
	}
	t.cache.touch(e)
}

// changedUnder returns the keys with a prefix and with entries that differ from the database, sorted.
func (t *table[S]) changedUnder(prefix string) []string {
	if t.changed == nil {
		t.changed = newKeySet()
		for _, entries := range [][]*entry[row[S]]{t.cache.dirty, t.cache.flushing} {
			for _, e := range entries {
				t.changed.add(e.key)
			}
		}
	}
	return t.changed.under(prefix)
}

// scan calls f for each key with a prefix that has a live state, in order, until f returns false. f may change states;
// whether a key is seen that is set meanwhile is open.
func (t *table[S]) scan(prefix string, f func(key string, state S) bool) error {
	changed := t.changedUnder(prefix)
	more := true
	cached := func(key string) {
		if e := t.cache.entries[key]; e != nil && more && t.live(&e.value) {
			more = f(key, e.value.state)
		}
	}
	from := append(append(slices.Clone(t.space.Prefix), familyState), prefix...)
	skip := len(t.space.Prefix) + 1
	err := t.space.Backend.Scan(from, successor(from), func(key, value []byte) (bool, error) {
		key = key[skip:]
		for more && len(changed) > 0 && changed[0] < string(key) {
			cached(changed[0])
			changed = changed[1:]
		}
		if !more {
			return false, nil
		}
		if len(changed) > 0 && changed[0] == string(key) {
			changed = changed[1:]
		}
		if t.cache.entries[string(key)] != nil {
			cached(string(key))
			return more, nil
		}
		r, err := t.decode(value)
		if err != nil {
			return false, fmt.Errorf("decode the state of key %s: %w", t.shown(key), err)
		}
		if t.live(&r) {
			more = f(string(key), r.state)
		}
		return more, nil
	})
	if err != nil {
		return fmt.Errorf("store %q: %w: %w", t.name, ErrRead, err)
	}
	for ; more && len(changed) > 0; changed = changed[1:] {
		cached(changed[0])
	}
	return nil
}

// successor returns the first key after all that begin with a prefix, which has a byte below 0xff.
func successor(prefix []byte) []byte {
	to := slices.Clone(prefix)
	for to[len(to)-1] == 0xff {
		to = to[:len(to)-1]
	}
	to[len(to)-1]++
	return to
}

// DirtyBytes implements [Store].
func (t *table[S]) DirtyBytes() int64 { return t.cache.dirtyBytes + t.time.dirtyBytes() }

// Flush implements [Store].
func (t *table[S]) Flush(emit func(key, value []byte) error) error {
	if err := t.time.flush(emit); err != nil {
		return err
	}
	if err := t.sweep(emit); err != nil {
		return err
	}
	return t.cache.flush(func(e *entry[row[S]]) error { return t.flushRow(e, emit) })
}

func (t *table[S]) flushRow(e *entry[row[S]], emit func(key, value []byte) error) error {
	r := &e.value
	if r.present && !t.live(r) {
		*r = row[S]{expires: never, stored: r.stored, rowExpires: r.rowExpires}
	}
	if r.stored && r.rowExpires != never && (!r.present || r.rowExpires != r.expires) {
		if err := t.emitExpiry(emit, r.rowExpires, e.key, nil); err != nil {
			return err
		}
	}
	t.key = append(append(t.key[:0], familyState), e.key...)
	if !r.present {
		if !r.stored {
			return nil
		}
		r.stored = false
		return emit(t.key, nil)
	}
	t.value = append(t.value[:0], 0)
	if r.expires != never {
		t.value[0] = 1
		t.value = binary.AppendVarint(t.value, r.expires)
	}
	var err error
	if t.value, err = t.codec.Append(t.value, &t.context, r.state); err != nil {
		return fmt.Errorf("store %q: encode the state of key %s: %w", t.name, t.shown([]byte(e.key)), err)
	}
	t.cache.resize(e, t.size(r, len(t.value)))
	if err := emit(t.key, t.value); err != nil {
		return err
	}
	if r.expires != never && (!r.stored || r.rowExpires != r.expires) {
		if err := t.emitExpiry(emit, r.expires, e.key, []byte{}); err != nil {
			return err
		}
		t.earliest = min(t.earliest, r.expires)
	}
	r.stored, r.rowExpires = true, r.expires
	return nil
}

func (t *table[S]) emitExpiry(emit func(key, value []byte) error, at int64, key string, value []byte) error {
	t.index = append(appendOrdered(append(t.index[:0], familyExpiry), at), key...)
	return emit(t.index, value)
}

// sweep removes expired states. Entries in the cache go when they are flushed; the others are not read.
func (t *table[S]) sweep(emit func(key, value []byte) error) error {
	if t.time.millis == NoTime || t.earliest > t.time.millis {
		return nil
	}
	from := append(slices.Clone(t.space.Prefix), familyExpiry)
	skip, to := len(from), successor(from)
	from = appendOrdered(from, t.earliest)
	t.earliest = never
	swept, most := 0, t.space.Limits.sweepRows()
	return t.space.Backend.Scan(from, to, func(index, _ []byte) (bool, error) {
		if len(index) < skip+8 {
			return false, fmt.Errorf("store %q: %w: index of expiry: %w", t.name, ErrRead, errRowLength)
		}
		at, key := ordered(index[skip:]), index[skip+8:]
		if swept++; at > t.time.millis || swept > most {
			t.earliest = at
			return false, nil
		}
		if e := t.cache.entries[string(key)]; e != nil {
			if e.value.present && e.value.expires == at {
				t.remove(e)
			}
			return true, nil
		}
		t.key = append(append(t.key[:0], familyState), key...)
		if err := emit(t.key, nil); err != nil {
			return false, err
		}
		return true, t.emitExpiry(emit, at, string(key), nil)
	})
}

// Committed implements [Store].
func (t *table[S]) Committed() {
	t.changed = nil
	t.cache.committed()
}

// Discard implements [Store].
func (t *table[S]) Discard() {
	t.changed = nil
	t.cache.discard()
	t.time = watermark{}
	t.earliest = NoTime
}
