package operator

import (
	"context"

	"github.com/weirstreams/weir"
)

// Fold adds the values of one of several streams to the rows of a table that they make together. It emits the changes, with key, time and
// headers of the record. Null values are dropped; records with a null key are skipped and counted.
type Fold[K, V, A any] struct {
	Env  *Env
	Node int
	// Rows are the rows of all these streams.
	Rows *Rows[K, A]
	// F makes the next row of the former one, the zero value if there is none. A null deletes the row.
	F func(ctx context.Context, row A, r *weir.Record[K, V]) (A, error)
	// Clone copies a value that may change while it is a part of a row. It is nil if none does.
	Clone func(V) V
	Next  Receiver[K, Change[A]]

	null     *nullRule[V] // made with the first record
	old, row A
	copied   weir.Record[K, V]
	out      weir.Record[K, Change[A]]
}

// Receive implements [Receiver].
func (f *Fold[K, V, A]) Receive(r *weir.Record[K, V]) error {
	f.Env.Enter(f.Node)
	key, ok, err := f.Rows.keys.encode(r.Key, r.KeyNull)
	if err != nil {
		return err
	}
	if !ok {
		return f.Env.skipNullKey(f.Node)
	}
	if f.null == nil {
		null := typeNullRule[V]()
		f.null = &null
	}
	if r.ValueNull || f.null.is(&r.Value) {
		return nil
	}
	cell := f.Rows.cell
	if err := cell.Place(key); err != nil {
		return Fatal(err)
	}
	derive(&f.out, r)
	f.out.Value = Change[A]{}
	old := cell.Find()
	var former A
	if old != nil {
		former, f.old = *old, *old
		f.out.Value.Old = &f.old
	}
	if f.Clone != nil {
		f.copied = *r
		f.copied.Value = f.Clone(r.Value)
		r = &f.copied
	}
	if f.row, err = f.F(f.Env.Context, former, r); err != nil {
		return err
	}
	switch {
	case !f.Rows.null.is(&f.row):
		cell.SetTo(&f.row)
		f.out.Value.New = &f.row
	case old != nil:
		cell.Delete()
	default:
		return nil
	}
	return f.Next.Receive(&f.out)
}
