package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/typename"
)

// VersionedHandle declares a [Versioned]. It is immutable.
type VersionedHandle[S any] struct {
	name      string
	states    codec.Codec[S]
	retention time.Duration
	skew      int64
	unlogged  bool
}

// NewVersioned declares a store that keeps the versions of one S for each message key, encoded with codec.For.
func NewVersioned[S any](name string, retention time.Duration) *VersionedHandle[S] {
	return &VersionedHandle[S]{name: name, states: codec.For[S](), retention: retention, skew: weir.DefaultMaxFutureSkew.Milliseconds()}
}

// WithCodec returns a handle of the same store that encodes its states in that way. A nil codec changes nothing.
func (h *VersionedHandle[S]) WithCodec(c codec.Codec[S]) *VersionedHandle[S] {
	with := *h
	if c != nil {
		with.states = c
	}
	return &with
}

// MaxFutureSkew returns a handle with another bound of how far times may be ahead of the clock. See [CellHandle.MaxFutureSkew].
func (h *VersionedHandle[S]) MaxFutureSkew(skew time.Duration) *VersionedHandle[S] {
	with := *h
	with.skew = max(0, skew.Milliseconds())
	return &with
}

// WithoutChangelog returns a handle of the same store that has no changelog. See [CellHandle.WithoutChangelog].
func (h *VersionedHandle[S]) WithoutChangelog() *VersionedHandle[S] {
	without := *h
	without.unlogged = true
	return &without
}

// Name returns the name of the store.
func (h *VersionedHandle[S]) Name() string { return h.name }

// Open returns the store of a task on its own. Operators use an [Opener].
func (h *VersionedHandle[S]) Open(space Space) *Versioned[S] {
	v := &Versioned[S]{retention: ceilMillis(h.retention)}
	v.null, _ = h.states.(codec.Nuller[S])
	v.table = newTable(space, h.name, codec.Codec[version[S]](versionCodec[S]{h.states}), never, h.skew)
	v.fields, v.fieldContext = newestFirst{}, codec.Context{Topic: h.name, Part: codec.State}
	v.showField = v.shownField
	return v
}

// OpenIn implements [Handle].
func (h *VersionedHandle[S]) OpenIn(o *Opener) *Versioned[S] {
	if h == nil {
		o.fail(errNilHandle)
		return nil
	}
	if h.retention <= 0 {
		o.fail(fmt.Errorf("store %q: the retention of versions must be positive", h.name))
	}
	return open(o, h.name, never, "versions of "+typename.Codec(h.states), h, h.unlogged, h.Open)
}

// Versioned keeps the versions of one S for each message key: the latest one, and former ones for the retention after another version
// has taken their place. It is a [Map] of versions by their times, the newest first.
//
// A version that was followed by another expires when the event time of the store reaches the time of that one plus the retention. A deletion
// expires by its own time: by then all versions before it have expired, too.
type Versioned[S any] struct {
	Map[int64, version[S]]
	retention int64
	null      codec.Nuller[S]
}

// version is a state, or a deletion.
type version[S any] struct {
	state   S
	deleted bool
}

// Look places the store on a key to read its versions, without a record: the time of the store stays. It knows which versions have expired, also when no
// record has come since a restart.
func (v *Versioned[S]) Look(key []byte) error { return v.Enter(key, NoTime) }

// Latest returns the state of the newest version of the current key, or false if there is none or it is a deletion.
func (v *Versioned[S]) Latest() (S, bool) {
	newest, _, ok := v.Newest()
	return newest, ok
}

// Newest returns the state and the time of the newest version of the current key, also for times that are still to come. There is no state, and ok is false, if there is no
// version, with the time NoTime, or if the newest version is a deletion.
func (v *Versioned[S]) Newest() (state S, millis int64, ok bool) {
	for at, newest := range v.All() {
		return newest.state, at, !newest.deleted
	}
	return state, NoTime, false
}

// AsOf returns the state that the current key had at a time.
func (v *Versioned[S]) AsOf(millis int64) (S, bool) {
	for at, version := range v.All() {
		if at <= millis {
			return version.state, !version.deleted
		}
	}
	var none S
	return none, false
}

// Put sets the state of the current key from a time on, up to that of the next version if there is one. It reports whether the time is
// within the retention and not too far ahead of the clock: otherwise nothing is changed.
func (v *Versioned[S]) Put(millis int64, state S) bool {
	return v.put(millis, version[S]{state: state, deleted: v.null != nil && v.null.IsNull(state)})
}

// Delete deletes the state of the current key from a time on, as Put.
func (v *Versioned[S]) Delete(millis int64) bool { return v.put(millis, version[S]{deleted: true}) }

func (v *Versioned[S]) put(millis int64, version version[S]) bool {
	if v.err != nil || millis > maxMillis || v.ahead.beyond(millis) {
		return false
	}
	if v.time.millis == NoTime {
		v.time.advance(v.ahead.begin(v.at))
	}
	if v.time.millis > beginning && millis < v.time.millis-v.retention {
		return false
	}
	var next, former int64
	var hasNext, hasFormer bool
	for at, version := range v.All() {
		if at > millis {
			next, hasNext = at, true
			continue
		}
		former, hasFormer = at, at < millis && !version.deleted
		break
	}
	if hasFormer {
		if e := v.entry(former); e != nil {
			v.setUntil(e, e.value.state, millis)
		}
	}
	e := v.entry(millis)
	if e == nil {
		return false
	}
	switch {
	case version.deleted:
		v.setUntil(e, version, millis)
	case hasNext:
		v.setUntil(e, version, next)
	default:
		v.set(e, &version)
	}
	return true
}

// setUntil sets a version that is in force until a time, and stays for the retention after it.
func (v *Versioned[S]) setUntil(e *entry[row[version[S]]], version version[S], until int64) {
	if until += v.retention; until <= v.time.millis {
		v.remove(e)
		return
	}
	e.value.state, e.value.present, e.value.expires = version, true, until
	v.touch(e)
}

// newestFirst encodes times so that later ones come first.
type newestFirst struct{}

// Append implements [codec.Codec].
func (newestFirst) Append(dst []byte, _ *codec.Context, millis int64) ([]byte, error) {
	return binary.BigEndian.AppendUint64(dst, ^(uint64(millis) ^ 1<<63)), nil
}

// Decode implements [codec.Codec].
func (newestFirst) Decode(_ *codec.Context, data []byte) (int64, error) {
	if len(data) != 8 {
		return 0, errRowLength
	}
	return int64(^binary.BigEndian.Uint64(data) ^ 1<<63), nil
}

// versionCodec writes a byte, 1 for a deletion, and the state.
type versionCodec[S any] struct{ states codec.Codec[S] }

// Append implements [codec.Codec].
func (c versionCodec[S]) Append(dst []byte, ctx *codec.Context, v version[S]) ([]byte, error) {
	if v.deleted {
		return append(dst, 1), nil
	}
	return c.states.Append(append(dst, 0), ctx, v.state)
}

// Decode implements [codec.Codec].
func (c versionCodec[S]) Decode(ctx *codec.Context, data []byte) (v version[S], err error) {
	switch {
	case len(data) == 1 && data[0] == 1:
		v.deleted = true
		return v, nil
	case len(data) == 0 || data[0] != 0:
		return v, errors.New("version of a state is cut off")
	}
	v.state, err = c.states.Decode(ctx, data[1:])
	return v, err
}
