package operator

import (
	"context"
	"errors"

	"github.com/weirstreams/weir"
)

// ErrNoKey is returned by a function that derives a key when there is none: then there is no row either.
var ErrNoKey = errors.New("there is no key to look up")

// GlobalJoin joins each record of a stream with the row that a global table has, at that moment, for a key that is derived of
// the record. Results carry the key, time and headers of the record.
type GlobalJoin[K, V, K2, T, W any] struct {
	Env   *Env
	Node  int
	Table *GlobalView[K2, T]
	// Key derives the key. An error that is [ErrNoKey] says that there is none.
	Key func(ctx context.Context, r *weir.Record[K, V]) (K2, error)
	// Unmatched says whether Merge is called, with nil, if there is no row.
	Unmatched bool
	Merge     func(ctx context.Context, r *weir.Record[K, V], row *T) (W, error)
	Next      Receiver[K, W]

	row T
	out weir.Record[K, W]
}

// Receive implements [Receiver].
func (j *GlobalJoin[K, V, K2, T, W]) Receive(r *weir.Record[K, V]) error {
	j.Env.Enter(j.Node)
	key, err := j.Key(j.Env.Context, r)
	var row *T
	switch {
	case err == nil:
		if row, err = j.Table.row(key); err != nil {
			return err
		}
	case !errors.Is(err, ErrNoKey):
		return err
	}
	if row == nil && !j.Unmatched {
		return nil
	}
	if row != nil { // a copy, so that the function may change what it gets
		j.row = *row
		row = &j.row
	}
	derive(&j.out, r)
	if j.out.Value, err = j.Merge(j.Env.Context, r, row); err != nil {
		return err
	}
	return j.Next.Receive(&j.out)
}
