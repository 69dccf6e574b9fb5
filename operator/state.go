package operator

import (
	"context"
	"fmt"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
)

// keyEncoder turns keys into the bytes by which state is found.
type keyEncoder[K any] struct {
	codec   codec.Codec[K]
	isNull  func(K) bool
	context codec.Context
	buffer  []byte
}

func newKeyEncoder[K any](c codec.Codec[K], storeName string) keyEncoder[K] {
	return keyEncoder[K]{codec: c, isNull: isNull(c), context: codec.Context{Topic: storeName, Part: codec.Key}}
}

// encode returns the bytes of a record's key, valid until the next call, or false for a null key.
func (e *keyEncoder[K]) encode(key K, null bool) ([]byte, bool, error) {
	if null || e.isNull != nil && e.isNull(key) {
		return nil, false, nil
	}
	var err error
	e.buffer, err = e.codec.Append(e.buffer[:0], &e.context, key)
	if err != nil {
		return nil, false, &CodecError{Part: codec.Key, Encoding: true, Err: err}
	}
	return e.buffer, true, nil
}

// MapState is Map with a cell that belongs to the key of the record. Records with a null key are skipped and counted.
type MapState[K, V, S, W any] struct {
	env  *Env
	node int
	cell *store.Cell[S]
	keys keyEncoder[K]
	f    func(context.Context, *store.Cell[S], *Record[K, V]) (W, error)
	next Receiver[K, W]
	out  Record[K, W]
}

// NewMapState opens the cell in the task of env and returns the operator.
func NewMapState[K, V, S, W any](
	env *Env, node int, handle *store.CellHandle[S], key codec.Codec[K],
	f func(context.Context, *store.Cell[S], *Record[K, V]) (W, error), next Receiver[K, W],
) (*MapState[K, V, S, W], error) {
	space, err := env.Space(handle.Name())
	if err != nil {
		return nil, fmt.Errorf("open store %q: %w", handle.Name(), err)
	}
	cell := handle.Open(space)
	env.Stores = append(env.Stores, cell)
	return &MapState[K, V, S, W]{
		env: env, node: node, cell: cell, keys: newKeyEncoder(key, handle.Name()), f: f, next: next,
	}, nil
}

// Receive implements [Receiver].
func (m *MapState[K, V, S, W]) Receive(r *Record[K, V]) error {
	m.env.Enter(m.node)
	key, ok, err := m.keys.encode(r.Key, r.KeyNull)
	if err != nil {
		return err
	}
	if !ok {
		m.env.skipNullKey(m.node)
		return nil
	}
	if err := m.cell.Place(key); err != nil {
		return Fatal(err)
	}
	derive(&m.out, r)
	if m.out.Value, err = m.f(m.env.Context, m.cell, r); err != nil {
		return err
	}
	return m.next.Receive(&m.out)
}
