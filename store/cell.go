package store

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/weirstreams/weir/codec"
)

// CellHandle declares a [Cell]. It is immutable and may be used by several topologies.
type CellHandle[S any] struct {
	name  string
	codec codec.Codec[S]
}

// CellOption changes a CellHandle while it is made.
type CellOption[S any] func(*CellHandle[S])

// WithCodec sets how the states of a cell are encoded. The default is codec.For.
func WithCodec[S any](c codec.Codec[S]) CellOption[S] {
	return func(h *CellHandle[S]) { h.codec = c }
}

// NewCell declares a store that keeps one S for each message key. The name is part of the changelog topic's: renaming
// a store starts it empty.
func NewCell[S any](name string, options ...CellOption[S]) *CellHandle[S] {
	h := &CellHandle[S]{name: name}
	for _, o := range options {
		o(h)
	}
	if h.codec == nil {
		h.codec = codec.For[S]()
	}
	return h
}

// Name returns the name of the store.
func (h *CellHandle[S]) Name() string { return h.name }

// Open returns the store of a task. Operators call it.
func (h *CellHandle[S]) Open(space Space) *Cell[S] {
	return &Cell[S]{
		name: h.name, codec: h.codec, space: space, cache: newCache[cell[S]](space.CacheBytes),
		context: codec.Context{Topic: h.name, Part: codec.State},
	}
}

// Cell keeps one S for each message key.
//
// The operator that gives a Cell to a function has placed it on the key of the current record. It must not be kept.
type Cell[S any] struct {
	name    string
	codec   codec.Codec[S]
	space   Space
	cache   cache[cell[S]]
	context codec.Context
	current *entry[cell[S]]
	key     []byte // scratch: prefix and key
	value   []byte // scratch: encoded state
}

// cell is the state of one key.
type cell[S any] struct {
	state   S
	present bool
}

// Get returns the state of the current key, and whether there is one.
//
// The state is the one that the store holds, not a copy: what it points to may be changed only if Set is called
// afterwards, else the change is lost with the next restart.
func (c *Cell[S]) Get() (S, bool) {
	e := c.current
	return e.value.state, e.value.present
}

// Set sets the state of the current key.
func (c *Cell[S]) Set(state S) {
	e := c.current
	e.value.state, e.value.present = state, true
	c.cache.touch(e)
}

// Delete removes the state of the current key.
func (c *Cell[S]) Delete() {
	e := c.current
	e.value = cell[S]{}
	c.cache.touch(e)
}

// Name implements [Store].
func (c *Cell[S]) Name() string { return c.name }

// Place puts the store on a key. Operators call it. The key is not kept.
func (c *Cell[S]) Place(key []byte) error {
	e := c.cache.get(key)
	if e == nil {
		var err error
		if e, err = c.load(key); err != nil {
			return err
		}
	}
	c.current = e
	return nil
}

func (c *Cell[S]) load(key []byte) (*entry[cell[S]], error) {
	c.key = append(append(c.key[:0], c.space.Prefix...), key...)
	var err error
	c.value, err = c.space.Backend.Get(c.value[:0], c.key)
	if errors.Is(err, ErrNotFound) {
		return c.cache.add(key, cell[S]{}, int(unsafe.Sizeof(cell[S]{}))), nil
	}
	if err != nil {
		return nil, fmt.Errorf("store %q: read: %w", c.name, err)
	}
	state, err := c.codec.Decode(&c.context, c.value)
	if err != nil {
		return nil, fmt.Errorf("store %q: decode the state of key %q: %w", c.name, key, err)
	}
	return c.cache.add(key, cell[S]{state, true}, len(c.value)+int(unsafe.Sizeof(state))), nil
}

// DirtyBytes implements [Store].
func (c *Cell[S]) DirtyBytes() int64 { return c.cache.dirtyBytes }

// Flush implements [Store].
func (c *Cell[S]) Flush(emit func(key, value []byte) error) error {
	return c.cache.flush(func(e *entry[cell[S]]) error {
		c.key = append(c.key[:0], e.key...)
		if !e.value.present {
			return emit(c.key, nil)
		}
		var err error
		if c.value, err = c.codec.Append(c.value[:0], &c.context, e.value.state); err != nil {
			return fmt.Errorf("store %q: encode the state of key %q: %w", c.name, e.key, err)
		}
		c.cache.resize(e, len(c.value)+int(unsafe.Sizeof(e.value)))
		return emit(c.key, nonNil(c.value))
	})
}

// Committed implements [Store].
func (c *Cell[S]) Committed() { c.cache.committed() }

// Discard implements [Store].
func (c *Cell[S]) Discard() {
	c.current = nil
	c.cache.discard()
}

// nonNil keeps an empty encoding apart from a deletion.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
