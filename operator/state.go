package operator

import (
	"errors"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/store"
)

// keyEncoder turns keys into the bytes by which state is found.
type keyEncoder[K any] struct {
	codec   codec.Codec[K]
	null    nullRule[K]
	context codec.Context
	buffer  []byte
}

func newKeyEncoder[K any](c codec.Codec[K], storeName string) keyEncoder[K] {
	return keyEncoder[K]{codec: c, null: newNullRule(c), context: codec.Context{Topic: storeName, Part: codec.Key}}
}

// showKeys returns a function that returns the text of encoded keys of a store in errors: as their codec decodes them, or the bytes if it does not.
func showKeys[K any](c codec.Codec[K], storeName string) func(encoded []byte) string {
	context := codec.Context{Topic: storeName, Part: codec.Key}
	return func(encoded []byte) string {
		key, err := c.Decode(&context, slices.Clone(encoded))
		if err != nil {
			return state.Quote(encoded)
		}
		return state.Show(key)
	}
}

// encode returns the bytes of a record's key, valid until the next call, or false for a null key.
func (e *keyEncoder[K]) encode(key K, null bool) ([]byte, bool, error) {
	if null || e.null.any && e.isNull(key) {
		return nil, false, nil
	}
	var err error
	e.buffer, err = e.codec.Append(e.buffer[:0], &e.context, key)
	if err != nil {
		return nil, false, &weir.CodecError{Part: codec.Key.String(), Encoding: true, Err: err}
	}
	if e.null.any && e.null.encoded(&e.context, e.buffer) {
		return nil, false, nil
	}
	return e.buffer, true, nil
}

// isNull is apart so that keys of types without a null stay in registers.
//
//go:noinline
func (e *keyEncoder[K]) isNull(key K) bool { return e.null.is(&key) }

// states are the stores of a stateful operator. T is the argument of its function.
type states[K, T any] struct {
	env    *Env
	node   int
	stores T
	uses   []*state.Use
	errs   []interface{ Err() error } // of the stores that keep errors back
	keys   keyEncoder[K]
	at     int64
}

func openStates[K, T any](env *Env, node int, handle store.Handle[T], key codec.Codec[K]) (states[K, T], error) {
	opener := env.stores()
	opener.ShowKey = showKeys(key, "")
	stores, uses, err := state.OpenStores(opener, state.Declaration[T](handle))
	s := states[K, T]{env: env, node: node, stores: stores, uses: uses}
	if err != nil {
		return s, err
	}
	name := ""
	for _, u := range uses {
		name = u.Name
		if e, ok := u.Store.(interface{ Err() error }); ok {
			s.errs = append(s.errs, e)
		}
	}
	s.keys = newKeyEncoder(key, name)
	return s, nil
}

// enter puts the stores on the key of a record, or returns false if it has none, which is counted.
func (s *states[K, T]) enter(k K, null bool, millis int64) (bool, error) {
	s.env.Enter(s.node)
	key, ok, err := s.keys.encode(k, null)
	if err != nil {
		return false, err
	}
	if !ok {
		return false, s.env.skipNullKey(s.node)
	}
	s.at = millis
	return true, s.place(key)
}

func (s *states[K, T]) place(key []byte) error {
	for _, u := range s.uses {
		if err := u.Store.Enter(key, s.at); err != nil {
			return Fatal(err)
		}
	}
	return nil
}

// again puts the stores back on the key, after records were handed on: another operator may have moved them.
func (s *states[K, T]) again() error {
	s.env.Enter(s.node)
	for _, u := range s.uses {
		if u.Operators > 1 {
			if err := u.Store.Enter(s.keys.buffer, s.at); err != nil {
				return Fatal(err)
			}
		}
	}
	return nil
}

// err returns the pending error of the stores.
func (s *states[K, T]) err() error {
	if len(s.errs) == 0 {
		return nil
	}
	return s.firstErr()
}

func (s *states[K, T]) firstErr() error {
	for _, e := range s.errs {
		if err := e.Err(); err != nil {
			if errors.Is(err, state.ErrRead) {
				return Fatal(err)
			}
			return err
		}
	}
	return nil
}
