package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unsafe"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/measure"
)

// Windowed keeps accumulators by message key and window start. All open windows of a key are one entry of the cache,
// so that a record costs one lookup however many windows it falls into.
//
// Its rows begin with a family byte. Numbers in keys are 8 bytes, big endian, sign bit inverted, so that bytes sort as
// numbers do; a message key follows its length, a uvarint.
//
//	'w' key start        one open window: its greatest event time (a varint, relative to the start), the number of its
//	                     records (a uvarint), its mark (a varint), the encoded accumulator. The windows of a key are
//	                     contiguous and in order.
//	'i' key at number    one collected item, encoded; see AddItem.
//	'e' end key start    the index of windows by their end, for closing by partition. The value is empty.
//	'm'                  the watermark, a varint.
//	'p'                  the time of SetPace, a varint.
//	'd'                  the meaning of the rows; see WindowedOptions.Definition.
type Windowed[A any] struct {
	name       string
	codec      codec.Codec[A]
	space      Space
	options    WindowedOptions[A]
	cache      cache[Windows[A]]
	context    codec.Context
	current    *entry[Windows[A]]
	measure    measure.Measurer[A] // what an accumulator refers to, in bytes
	unmeasured *Window[A]          // of the current key: the caller changes it until the next call
	time       watermark
	pace       watermark
	definition storedDefinition
	ends       endIndex
	starts     openStarts
	from       []byte // scratch: first key of a scan
	to         []byte // scratch: end of a scan
	row        []byte // scratch: key of a row
	value      []byte // scratch: value of a row
	due        []byte // scratch: key of the window that is due
}

// WindowedOptions choose the content of a Windowed beside accumulators.
type WindowedOptions[A any] struct {
	// Definition describes the aggregator of accumulators and items, and the way windows close. It is stored, and a store with another
	// is refused with ErrDefinitionChanged when it is first used. If it is empty, nothing is.
	Definition string
	// Items keeps the items of AddItem.
	Items bool
	// MarksItems says that marks are numbers of items.
	MarksItems bool
	// End, if not nil, keeps an index of the windows by its result, for Due. It must depend on the stored parts of
	// the window alone.
	End func(*Window[A]) int64
	// Ahead is the distance beyond its limit up to which Due reads the index. It bounds both the number of scans and the memory.
	Ahead int64
	// StartBucket, if not 0, counts the windows by their start, for Oldest, in buckets of this width.
	StartBucket int64
}

const (
	familyWindow     = 'w'
	familyItem       = 'i'
	familyEnd        = 'e'
	familyWatermark  = 'm'
	familyPace       = 'p'
	familyDefinition = 'd'
)

// NoTime is the Latest of a key that has no windows.
const NoTime = math.MinInt64

// Windows are the open windows of one key.
type Windows[A any] struct {
	// Latest is the greatest event time seen in any of the windows, in milliseconds, or NoTime.
	Latest int64
	// Open are the windows, ascending by start.
	Open []Window[A]
	// room is where Open lies as long as it fits: a key with few windows is one piece of memory. Two, as the next
	// window begins before the last one ends.
	room [2]Window[A]
	// bytes is the memory behind the accumulators of Open.
	bytes int64
	rest  *rest
}

// rest has the rarely used parts of a key.
type rest struct {
	// gone are windows that were removed but are in the database.
	gone  []goneWindow
	items items
}

// more returns the rest of a key, made if there is none.
func (k *Windows[A]) more() *rest {
	if k.rest == nil {
		k.rest = &rest{}
	}
	return k.rest
}

type goneWindow struct{ start, end int64 }

// Find returns the open window that begins at start, or nil. It is valid until the next call of a method of the store.
func (k *Windows[A]) Find(start int64) *Window[A] {
	for i := len(k.Open) - 1; i >= 0 && k.Open[i].Start >= start; i-- {
		if k.Open[i].Start == start {
			return &k.Open[i]
		}
	}
	return nil
}

// Window is one open window of one key.
type Window[A any] struct {
	// Start is the first millisecond of the window, or another number that tells the windows of a key apart.
	Start int64
	// Latest is the greatest event time in the window, in milliseconds.
	Latest int64
	// Records is the number of records in the window, for the caller to count.
	Records int64
	// Mark is the caller's.
	Mark int64
	// Acc is the accumulator of the window.
	Acc A

	end                      int64 // in the index
	rowEnd                   int64 // in the row of the index that is in the database
	changed, stored, indexed bool
	bytes                    uint32 // that Acc refers to
}

// OpenWindowed returns the windowed store of a task. Operators call it.
func OpenWindowed[A any](space Space, c codec.Codec[A], options ...WindowedOptions[A]) *Windowed[A] {
	s := &Windowed[A]{
		name: space.Name, codec: c, space: space, cache: newCache[Windows[A]](space.CacheBytes), measure: measure.Of[A](),
		context: codec.Context{Topic: space.Name, Part: codec.State}, pace: watermark{family: familyPace},
	}
	for _, o := range options {
		s.options = o
	}
	s.ends.reset()
	return s
}

// Name implements [Store].
func (s *Windowed[A]) Name() string { return s.name }

// Place puts the store on a key and returns its windows, which are valid until the next Place. The key is not kept.
func (s *Windowed[A]) Place(key []byte) (*Windows[A], error) {
	if s.unmeasured != nil {
		s.settle()
	}
	if s.options.StartBucket > 0 && !s.starts.loaded {
		if err := s.loadStarts(); err != nil {
			return nil, err
		}
	}
	e := s.cache.get(key)
	if e == nil {
		var err error
		if e, err = s.load(key); err != nil {
			return nil, err
		}
	}
	s.current = e
	return &e.value, nil
}

// Touch marks a window of the current key as changed by a record with that event time: it does the same as Update for a window that
// Find has returned.
func (s *Windowed[A]) Touch(w *Window[A], at int64) {
	if s.unmeasured != nil && s.unmeasured != w {
		s.settle()
	}
	e := s.current
	w.Latest = max(w.Latest, at)
	e.value.Latest = max(e.value.Latest, at)
	w.changed = true
	s.cache.touch(e)
	if s.measure.Refers() {
		s.unmeasured = w
	}
}

// Update returns the window that begins at start, made if there is none, for the caller to change. at is the event
// time of the record that changes it. The window is valid until the next call of a method.
func (s *Windowed[A]) Update(start, at int64) (w *Window[A], isNew bool) {
	if s.unmeasured != nil {
		s.settle()
	}
	e := s.current
	k := &e.value
	i := len(k.Open)
	for i > 0 && k.Open[i-1].Start > start {
		i--
	}
	if i > 0 && k.Open[i-1].Start == start {
		w = &k.Open[i-1]
		w.Latest = max(w.Latest, at)
	} else {
		k.Open = append(k.Open, Window[A]{})
		copy(k.Open[i+1:], k.Open[i:])
		k.Open[i] = Window[A]{Start: start, Latest: at}
		w, isNew = &k.Open[i], true
		s.countStart(start, 1)
		s.resize(e)
	}
	k.Latest = max(k.Latest, at)
	w.changed = true
	s.cache.touch(e)
	if s.measure.Refers() {
		s.unmeasured = w
	}
	return w, isNew
}

// settle measures the accumulator that the caller has changed since the last call.
func (s *Windowed[A]) settle() {
	if s.unmeasured == nil {
		return
	}
	w := s.unmeasured
	s.unmeasured = nil
	s.setBytes(s.current, w, 0)
	s.resize(s.current)
}

// setBytes notes the memory behind an accumulator, with its encoded size if that is known.
func (s *Windowed[A]) setBytes(e *entry[Windows[A]], w *Window[A], encoded int) {
	bytes := uint32(min(math.MaxUint32, max(encoded, s.measure.Bytes(&w.Acc))))
	e.value.bytes += int64(bytes) - int64(w.bytes)
	w.bytes = bytes
}

// RemoveFirst removes the window with the smallest start and returns it.
func (s *Windowed[A]) RemoveFirst() Window[A] { return s.Remove(0) }

// Remove removes the window at index i of Open and returns it.
func (s *Windowed[A]) Remove(i int) Window[A] {
	if s.unmeasured != nil {
		s.settle()
	}
	e := s.current
	k := &e.value
	w := k.Open[i]
	if w.stored {
		x := k.more()
		x.gone = append(x.gone, goneWindow{w.Start, w.rowEnd})
	}
	if w.indexed {
		s.ends.remove(endEntry{w.end, e.key, w.Start})
	}
	s.countStart(w.Start, -1)
	copy(k.Open[i:], k.Open[i+1:])
	k.Open[len(k.Open)-1] = Window[A]{}
	k.Open = k.Open[:len(k.Open)-1]
	if w.bytes > 0 {
		k.bytes -= int64(w.bytes)
		s.resize(e)
	}
	s.cache.touch(e)
	return w
}

func (s *Windowed[A]) resize(e *entry[Windows[A]]) {
	k := &e.value
	size := int(unsafe.Sizeof(*k)) + int(k.bytes)
	if n := len(k.Open); n > len(k.room) {
		size += n * int(unsafe.Sizeof(k.room[0]))
	}
	if k.rest != nil {
		size += int(unsafe.Sizeof(*k.rest)) + k.rest.items.bytes
	}
	s.cache.resize(e, size)
}

// rowKey appends the part of a row's key that is the same for all rows of a family and a message key.
func rowKey[K string | []byte](dst []byte, family byte, key K) []byte {
	dst = append(dst, family)
	dst = binary.AppendUvarint(dst, uint64(len(key)))
	return append(dst, key...)
}

// appendOrdered appends a number so that bytes sort as numbers do.
func appendOrdered(dst []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(n)^1<<63)
}

// ordered reads the output of appendOrdered.
func ordered(b []byte) int64 { return int64(binary.BigEndian.Uint64(b) ^ 1<<63) }

// afterOrdered appends bytes that sort after every row that goes on with a number. A prefix ends in a message key, which may
// end in 0xff bytes, so that counting up its last byte would not do.
func afterOrdered(dst []byte) []byte {
	return append(dst, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
}

var errRowLength = errors.New("row is too short or too long")

func (s *Windowed[A]) load(key []byte) (*entry[Windows[A]], error) {
	if err := s.checkDefinition(); err != nil {
		return nil, err
	}
	k := Windows[A]{Latest: NoTime}
	s.from = rowKey(append(s.from[:0], s.space.Prefix...), familyWindow, key)
	s.to = appendOrdered(append(s.to[:0], s.from...), math.MaxInt64)
	err := s.space.Backend.Scan(s.from, s.to, func(row, value []byte) (bool, error) {
		w, err := s.decode(row, value)
		if err != nil {
			return false, fmt.Errorf("store %q: decode a window of key %s: %w", s.name, s.space.shown(key), err)
		}
		k.Latest = max(k.Latest, w.Latest)
		if s.measure.Refers() {
			w.bytes = uint32(min(math.MaxUint32, max(len(value), s.measure.Bytes(&w.Acc))))
			k.bytes += int64(w.bytes)
		}
		k.Open = append(k.Open, w)
		return true, nil
	})
	if err == nil && s.options.Items {
		k.more().items, err = s.loadItems(key)
		k.rest.items.next = s.nextItem(&k)
	}
	if err != nil {
		return nil, err
	}
	e := s.cache.add(key, k, 0)
	if len(k.Open) <= len(k.room) {
		e.value.Open = append(e.value.room[:0], k.Open...)
	}
	s.resize(e)
	return e, nil
}

func (s *Windowed[A]) decode(row, value []byte) (w Window[A], err error) {
	if len(row) != len(s.from)+8 {
		return w, errRowLength
	}
	w.stored = true
	w.Start = ordered(row[len(s.from):])
	sinceStart, records, mark, value, err := cutWindow(value)
	if err != nil {
		return w, err
	}
	w.Latest = w.Start + sinceStart
	w.Records, w.Mark = records, mark
	if s.options.End != nil {
		w.indexed = true
		w.end = s.options.End(&w)
		w.rowEnd = w.end
	}
	w.Acc, err = s.codec.Decode(&s.context, value)
	return w, err
}

// cutWindow takes the value of a window's row apart: the time of its latest record after its start, its records, its mark, and the
// encoded accumulator.
func cutWindow(value []byte) (sinceStart, records, mark int64, acc []byte, err error) {
	sinceStart, latest := binary.Varint(value)
	if latest <= 0 {
		return 0, 0, 0, nil, errRowLength
	}
	value = value[latest:]
	count, n := binary.Uvarint(value)
	if n <= 0 {
		return 0, 0, 0, nil, errRowLength
	}
	value = value[n:]
	if mark, n = binary.Varint(value); n <= 0 {
		return 0, 0, 0, nil, errRowLength
	}
	return sinceStart, int64(count), mark, value[n:], nil
}

// DirtyBytes implements [Store].
func (s *Windowed[A]) DirtyBytes() int64 {
	s.settle()
	return s.cache.dirtyBytes + s.time.dirtyBytes() + s.pace.dirtyBytes() + s.definition.dirtyBytes(s.options.Definition)
}

// Flush implements [Store].
func (s *Windowed[A]) Flush(emit func(key, value []byte) error) error {
	if err := s.definition.flush(s.options.Definition, emit); err != nil {
		return err
	}
	if err := s.time.flush(emit); err != nil {
		return err
	}
	if err := s.pace.flush(emit); err != nil {
		return err
	}
	s.settle()
	return s.cache.flush(func(e *entry[Windows[A]]) error {
		k := &e.value
		if k.rest != nil {
			for _, gone := range k.rest.gone { // first: a window may be there again
				s.row = appendOrdered(rowKey(s.row[:0], familyWindow, e.key), gone.start)
				if err := emit(s.row, nil); err != nil {
					return err
				}
				if err := s.emitEnd(emit, gone.end, e.key, gone.start, nil); err != nil {
					return err
				}
			}
			k.rest.gone = k.rest.gone[:0]
		}
		for i := range k.Open {
			if w := &k.Open[i]; w.changed {
				if err := s.flushWindow(emit, e.key, w); err != nil {
					return err
				}
				if s.measure.Refers() {
					s.setBytes(e, w, len(s.value))
				}
			}
		}
		if s.measure.Refers() {
			s.resize(e)
		}
		if k.rest == nil {
			return nil
		}
		return s.flushItems(emit, e.key, &k.rest.items)
	})
}

func (s *Windowed[A]) flushWindow(emit func(key, value []byte) error, key string, w *Window[A]) error {
	var err error
	s.value = binary.AppendVarint(s.value[:0], w.Latest-w.Start)
	s.value = binary.AppendUvarint(s.value, uint64(w.Records))
	s.value = binary.AppendVarint(s.value, w.Mark)
	if s.value, err = s.codec.Append(s.value, &s.context, w.Acc); err != nil {
		return fmt.Errorf("store %q: encode a window of key %s: %w", s.name, s.space.shown([]byte(key)), err)
	}
	s.row = appendOrdered(rowKey(s.row[:0], familyWindow, key), w.Start)
	if err := emit(s.row, s.value); err != nil {
		return err
	}
	if s.options.End != nil && (!w.stored || w.rowEnd != w.end) {
		if w.stored {
			if err := s.emitEnd(emit, w.rowEnd, key, w.Start, nil); err != nil {
				return err
			}
		}
		if err := s.emitEnd(emit, w.end, key, w.Start, []byte{}); err != nil {
			return err
		}
		w.rowEnd = w.end
		s.ends.flushed(endEntry{w.end, key, w.Start})
	}
	w.changed, w.stored = false, true
	return nil
}

// Committed implements [Store].
func (s *Windowed[A]) Committed() {
	s.ends.committed(func(endEntry) bool { return false })
	s.cache.committed()
}

// Discard implements [Store].
func (s *Windowed[A]) Discard() {
	s.current, s.unmeasured = nil, nil
	s.cache.discard()
	s.time, s.pace, s.definition, s.starts = watermark{}, watermark{family: familyPace}, storedDefinition{}, openStarts{}
	s.ends.reset()
}
