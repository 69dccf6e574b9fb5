package operator

import "github.com/weirstreams/weir"

// MappedView makes rows of those of another table. They are not stored.
type MappedView[K, V, W any] struct {
	Of View[K, V]
	// F returns the row that is made of another, or false if there is none. It must give the same result for the same row.
	F func(key K, row *V) (W, bool)

	row V
}

// MapRow returns a function for a MappedView that leaves out results that are null by codec.For.
func MapRow[K, V, W any](f func(K, V) W) func(key K, row *V) (W, bool) {
	null := typeNullRule[W]()
	return func(key K, row *V) (W, bool) {
		w := f(key, *row)
		return w, !null.is(&w)
	}
}

// Row implements [View].
func (v *MappedView[K, V, W]) Row(key K, at int64) (row W, ok bool, err error) {
	if v.row, ok, err = v.Of.Row(key, at); err != nil || !ok {
		return row, false, err
	}
	row, ok = v.F(key, &v.row)
	return row, ok, nil
}

// MapTable makes changes of the rows of a view out of those of the table below it.
type MapTable[K, V, W any] struct {
	Env  *Env
	Node int
	View *MappedView[K, V, W]
	Next Receiver[K, Change[W]]

	old, row W
	out      weir.Record[K, Change[W]]
}

// Receive implements [Receiver].
func (m *MapTable[K, V, W]) Receive(r *weir.Record[K, Change[V]]) error {
	m.Env.Enter(m.Node)
	derive(&m.out, r)
	m.out.Value = Change[W]{}
	var ok bool
	if r.Value.Old != nil {
		if m.old, ok = m.View.F(r.Key, r.Value.Old); ok {
			m.out.Value.Old = &m.old
		}
	}
	if r.Value.New != nil {
		if m.row, ok = m.View.F(r.Key, r.Value.New); ok {
			m.out.Value.New = &m.row
		}
	}
	if m.out.Value.Old == nil && m.out.Value.New == nil {
		return nil
	}
	return m.Next.Receive(&m.out)
}
