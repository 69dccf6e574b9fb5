package operator

import (
	"context"

	"github.com/weirstreams/weir"
)

// TableJoin joins each record of a stream with the row that a table has for its key at that moment, or, with former rows, at its time. Results carry the key,
// time and headers of the record.
type TableJoin[K, V, T, W any] struct {
	Env   *Env
	Node  int
	Table View[K, T]
	// Unmatched says whether Merge is called, with nil, if there is no row.
	Unmatched bool
	Merge     func(ctx context.Context, r *weir.Record[K, V], row *T) (W, error)
	Next      Receiver[K, W]

	row T
	out weir.Record[K, W]
}

// Receive implements [Receiver]. Records with a null key are skipped and counted.
func (j *TableJoin[K, V, T, W]) Receive(r *weir.Record[K, V]) (err error) {
	j.Env.Enter(j.Node)
	if r.KeyNull {
		return j.Env.skipNullKey(j.Node)
	}
	var ok bool
	if j.row, ok, err = j.Table.Row(r.Key, r.Millis); err != nil {
		return err
	}
	derive(&j.out, r)
	switch {
	case ok:
		j.out.Value, err = j.Merge(j.Env.Context, r, &j.row)
	case j.Unmatched:
		j.out.Value, err = j.Merge(j.Env.Context, r, nil)
	default:
		return nil
	}
	if err != nil {
		return err
	}
	return j.Next.Receive(&j.out)
}

// Tables joins two tables to one. A row of the result is made of those of both sides that have its key; it is not stored,
// but made again when it is asked for. Left and Right receive the changes of the sides.
type Tables[K, V, R, W any] struct {
	Env   *Env
	Node  int
	Sides TablesView[K, V, R, W]
	Next  Receiver[K, Change[W]]

	old, row W
	out      weir.Record[K, Change[W]]
	// Here, not on the stack: arguments of functions escape.
	left  V
	right R
}

// TablesView is the result of joining two tables.
type TablesView[K, V, R, W any] struct {
	Left  View[K, V]
	Right View[K, R]
	// UnmatchedLeft and UnmatchedRight say whether there is a row of one side alone.
	UnmatchedLeft, UnmatchedRight bool
	// Merge must give the same result for the same rows.
	Merge func(left *V, right *R) W

	left  V
	right R
	null  *nullRule[W] // made when it is first needed
}

// Row implements [View].
func (j *TablesView[K, V, R, W]) Row(key K, at int64) (row W, ok bool, err error) {
	var l *V
	var r *R
	if j.left, ok, err = j.Left.Row(key, at); err != nil {
		return row, false, err
	} else if ok {
		l = &j.left
	}
	if j.right, ok, err = j.Right.Row(key, at); err != nil {
		return row, false, err
	} else if ok {
		r = &j.right
	}
	row, ok = j.merge(l, r)
	return row, ok, nil
}

func (j *TablesView[K, V, R, W]) merge(l *V, r *R) (row W, ok bool) {
	if l == nil && r == nil || l == nil && !j.UnmatchedRight || r == nil && !j.UnmatchedLeft {
		return row, false
	}
	if j.null == nil {
		null := typeNullRule[W]()
		j.null = &null
	}
	row = j.Merge(l, r)
	return row, !j.null.is(&row)
}

// Left returns the receiver of the changes of the left table.
func (j *Tables[K, V, R, W]) Left() Receiver[K, Change[V]] { return (*tablesLeft[K, V, R, W])(j) }

// Right returns the receiver of the changes of the right table.
func (j *Tables[K, V, R, W]) Right() Receiver[K, Change[R]] { return (*tablesRight[K, V, R, W])(j) }

type (
	tablesLeft[K, V, R, W any]  Tables[K, V, R, W]
	tablesRight[K, V, R, W any] Tables[K, V, R, W]
)

// Receive implements [Receiver].
func (l *tablesLeft[K, V, R, W]) Receive(r *weir.Record[K, Change[V]]) error {
	j := (*Tables[K, V, R, W])(l)
	j.Env.Enter(j.Node)
	var other *R
	var ok bool
	var err error
	if j.right, ok, err = j.Sides.Right.Row(r.Key, Latest); err != nil {
		return err
	}
	if ok {
		other = &j.right
	}
	derive(&j.out, r)
	return j.emit(
		func() (W, bool) { return j.Sides.merge(r.Value.Old, other) },
		func() (W, bool) { return j.Sides.merge(r.Value.New, other) })
}

// Receive implements [Receiver].
func (l *tablesRight[K, V, R, W]) Receive(r *weir.Record[K, Change[R]]) error {
	j := (*Tables[K, V, R, W])(l)
	j.Env.Enter(j.Node)
	var other *V
	var ok bool
	var err error
	if j.left, ok, err = j.Sides.Left.Row(r.Key, Latest); err != nil {
		return err
	}
	if ok {
		other = &j.left
	}
	derive(&j.out, r)
	return j.emit(
		func() (W, bool) { return j.Sides.merge(other, r.Value.Old) },
		func() (W, bool) { return j.Sides.merge(other, r.Value.New) })
}

// emit emits a change from the old row to the new one, unless both are missing.
func (j *Tables[K, V, R, W]) emit(was, is func() (W, bool)) error {
	j.out.Value = Change[W]{}
	var ok bool
	if j.old, ok = was(); ok {
		j.out.Value.Old = &j.old
	}
	if j.row, ok = is(); ok {
		j.out.Value.New = &j.row
	}
	if j.out.Value.Old == nil && j.out.Value.New == nil {
		return nil
	}
	return j.Next.Receive(&j.out)
}
