package operator

import (
	"iter"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
)

// GlobalTable is a global table without its types.
type GlobalTable interface {
	// Input returns the input for the records of the topic of this name. It counts in env.
	Input(env *Env, node int, topic string) Input
	// Len returns the number of rows. Any goroutine may call it.
	Len() int
	// Rows returns the encoded keys and the values of all rows, in no order.
	Rows() iter.Seq2[string, any]
}

// GlobalRows are all rows of a global table. One goroutine writes them; the tasks of all workers
// look them up at the same time. Values are decoded once, when they come, and shared by all lookups.
type GlobalRows[K, V any] struct {
	key   codec.Codec[K]
	value codec.Codec[V]
	rows  *sharedRows[V]
}

// NewGlobalRows returns an empty table of a topic with these codecs.
func NewGlobalRows[K, V any](key codec.Codec[K], value codec.Codec[V]) *GlobalRows[K, V] {
	return &GlobalRows[K, V]{key: key, value: value, rows: newSharedRows[V]()}
}

// Len implements [GlobalTable].
func (t *GlobalRows[K, V]) Len() int { return int(t.rows.count.Load()) }

// Rows implements [GlobalTable].
func (t *GlobalRows[K, V]) Rows() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for key, row := range t.rows.all() {
			if !yield(key, row) {
				return
			}
		}
	}
}

// Input implements [GlobalTable].
func (t *GlobalRows[K, V]) Input(env *Env, node int, topic string) Input {
	w := &globalWriter[K, V]{env: env, node: node, rows: t.rows, keys: newKeyEncoder(t.key, topic)}
	return NewSource(env, node, topic, t.key, t.value, nil, w)
}

// View returns the view of one task on the rows. topic is the name of the table's topic, for the codec of keys.
func (t *GlobalRows[K, V]) View(topic string) *GlobalView[K, V] {
	return &GlobalView[K, V]{rows: t.rows, keys: newKeyEncoder(t.key, topic)}
}

// globalWriter makes rows of records: the latest value of a key is its row, and a null deletes it. A key is found by the bytes
// of its codec, and not by its bytes on the topic.
type globalWriter[K, V any] struct {
	env  *Env
	node int
	rows *sharedRows[V]
	keys keyEncoder[K]
}

// Receive implements [Receiver]. Records with a null key are skipped and counted.
func (w *globalWriter[K, V]) Receive(r *weir.Record[K, V]) error {
	key, ok, err := w.keys.encode(r.Key, r.KeyNull)
	switch {
	case err != nil:
		return err
	case !ok:
		w.env.NullKeys++
		if w.env.NullKeys == 1 {
			w.env.Logger.Warn("record with a null key skipped by a global table; further ones are only counted",
				"topic", w.env.Origin.Topic, "partition", w.env.Origin.Partition, "offset", w.env.Origin.Offset)
		}
		return w.env.drop(w.node, weir.DropNullKey, "", nil)
	case r.ValueNull:
		w.rows.delete(key)
	default:
		w.rows.set(key, r.Value)
	}
	return nil
}

// GlobalView looks rows of a global table up, for one task.
type GlobalView[K, V any] struct {
	rows *sharedRows[V]
	keys keyEncoder[K]
}

// row returns the row of a key, which is shared with others, or nil.
func (v *GlobalView[K, V]) row(key K) (*V, error) {
	encoded, ok, err := v.keys.encode(key, false)
	if err != nil || !ok {
		return nil, err
	}
	return v.rows.get(encoded), nil
}
