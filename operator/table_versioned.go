package operator

import (
	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/store"
)

// VersionedRows keeps the rows of a table, and former ones by their times.
type VersionedRows[K, V any] struct {
	states   states[K, *store.Versioned[V]]
	versions *state.Versioned[V]
	keys     keyEncoder[K] // of rows that others look up
	null     nullRule[V]
}

// NewVersionedRows opens the store in the task of env, for the node of the table.
func NewVersionedRows[K, V any](env *Env, node int, versions *store.VersionedHandle[V], key codec.Codec[K]) (*VersionedRows[K, V], error) {
	s, err := openStates(env, node, versions, key)
	if err != nil {
		return nil, err
	}
	return &VersionedRows[K, V]{
		states: s, versions: s.uses[0].Store.(*state.Versioned[V]), keys: newKeyEncoder(key, versions.Name()), null: typeNullRule[V](),
	}, nil
}

// Row implements [View].
func (t *VersionedRows[K, V]) Row(key K, at int64) (row V, ok bool, err error) {
	encoded, ok, err := t.keys.encode(key, false)
	if err != nil || !ok {
		return row, false, err
	}
	if err := t.versions.Look(encoded); err != nil {
		return row, false, Fatal(err)
	}
	row, ok = t.versions.AsOf(at)
	return row, ok, t.states.err()
}

// VersionedTable makes a table of a stream: a value is the row of its key from the time of the record on, and a null deletes the row from then on. It emits
// the changes of the latest rows, with key, time and headers of the record: a record in front of the latest row changes the past only.
type VersionedTable[K, V any] struct {
	Rows *VersionedRows[K, V]
	// Clone copies a value that may change while it is a row. It is nil if none does.
	Clone func(V) V
	Next  Receiver[K, Change[V]]

	old, row V
	out      weir.Record[K, Change[V]]
}

// Receive implements [Receiver]. Records with a null key are skipped and counted, and so are those that are older than the retention.
func (t *VersionedTable[K, V]) Receive(r *weir.Record[K, V]) error {
	rows, v := t.Rows, t.Rows.versions
	ok, err := rows.states.enter(r.Key, r.KeyNull, r.Millis)
	if err != nil || !ok {
		return err
	}
	derive(&t.out, r)
	t.out.Value = Change[V]{}
	var newest int64
	if t.old, newest, ok = v.Newest(); ok {
		t.out.Value.Old = &t.old
	}
	if r.ValueNull || rows.null.is(&r.Value) {
		ok = v.Delete(r.Millis)
	} else {
		t.row = r.Value
		if t.Clone != nil {
			t.row = t.Clone(r.Value)
		}
		ok = v.Put(r.Millis, t.row)
	}
	if err := rows.states.err(); err != nil {
		return err
	}
	if !ok {
		return skipLate(rows.states.env, rows.states.node, v.Name(), "it is older than the retention of versions, or too far ahead of the clock", r)
	}
	if r.Millis < newest {
		return nil
	}
	if t.row, ok = v.AsOf(r.Millis); ok {
		t.out.Value.New = &t.row
	}
	if err := rows.states.err(); err != nil {
		return err
	}
	if t.out.Value.Old == nil && t.out.Value.New == nil {
		return nil
	}
	return t.Next.Receive(&t.out)
}
