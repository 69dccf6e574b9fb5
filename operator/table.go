package operator

import (
	"math"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
)

// Change is a change of a row of a table. Old is nil for a new row, New for a deleted one. Their targets are valid
// during the call.
type Change[V any] struct {
	Old, New *V
}

// View finds rows of a table. It is used by the task's goroutine.
type View[K, V any] interface {
	// Row returns the row that a key has at a time, and whether there is one. Tables that keep no former rows return the latest one.
	Row(key K, at int64) (V, bool, error)
}

// Latest is the time at which a view has its latest rows.
const Latest = math.MaxInt64

// Rows keeps the rows of a table.
type Rows[K, V any] struct {
	cell *state.Cell[V]
	keys keyEncoder[K]
	null nullRule[V]
}

// NewRows opens the store of a table in the task of env.
func NewRows[K, V any](env *Env, handle *state.CellHandle[V], key codec.Codec[K]) (*Rows[K, V], error) {
	cell, err := openStore(env, handle.Name(), showKeys(key, handle.Name()), handle.Open)
	if err != nil {
		return nil, err
	}
	return &Rows[K, V]{cell: cell, keys: newKeyEncoder(key, handle.Name()), null: typeNullRule[V]()}, nil
}

// Row implements [View].
func (t *Rows[K, V]) Row(key K, _ int64) (row V, ok bool, err error) {
	encoded, ok, err := t.keys.encode(key, false)
	if err != nil || !ok {
		return row, false, err
	}
	if err := t.cell.Place(encoded); err != nil {
		return row, false, Fatal(err)
	}
	row, ok = t.cell.Get()
	return row, ok, nil
}

// Table makes a table of a stream: the latest value of each key is its row, and a null deletes it. It emits the changes,
// with key, time and headers of the record.
type Table[K, V any] struct {
	Env  *Env
	Node int
	Rows *Rows[K, V]
	// Clone copies a value that may change while it is a row. It is nil if none does.
	Clone func(V) V
	Next  Receiver[K, Change[V]]

	old V
	row V
	out weir.Record[K, Change[V]]
}

// Receive implements [Receiver]. Records with a null key are skipped and counted.
func (t *Table[K, V]) Receive(r *weir.Record[K, V]) error {
	t.Env.Enter(t.Node)
	key, ok, err := t.Rows.keys.encode(r.Key, r.KeyNull)
	if err != nil {
		return err
	}
	if !ok {
		return t.Env.skipNullKey(t.Node)
	}
	cell := t.Rows.cell
	if err := cell.Place(key); err != nil {
		return Fatal(err)
	}
	derive(&t.out, r)
	t.out.Value = Change[V]{}
	old := cell.Find()
	if old != nil {
		t.old = *old
		t.out.Value.Old = &t.old
	}
	switch {
	case !r.ValueNull && !t.Rows.null.is(&r.Value):
		if t.Clone == nil {
			t.row = r.Value
		} else {
			t.row = t.Clone(r.Value)
		}
		cell.SetTo(&t.row)
		t.out.Value.New = &t.row
	case old != nil:
		cell.Delete()
	default:
		return nil
	}
	return t.Next.Receive(&t.out)
}

// Changes makes a stream of the changes of a table: the new row, or a null if it was deleted.
type Changes[K, V any] struct {
	Next Receiver[K, V]

	out weir.Record[K, V]
}

// Receive implements [Receiver].
func (c *Changes[K, V]) Receive(r *weir.Record[K, Change[V]]) error {
	derive(&c.out, r)
	var none V
	c.out.Value, c.out.ValueNull = none, true
	if row := r.Value.New; row != nil {
		c.out.Value, c.out.ValueNull = *row, false
	}
	return c.Next.Receive(&c.out)
}
