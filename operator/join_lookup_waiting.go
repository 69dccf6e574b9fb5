package operator

import (
	"encoding/binary"
	"errors"

	"github.com/weirstreams/weir/codec"
)

// waiter is a record that waits for the row of a lookup.
type waiter[V any] struct {
	Held[V]
	// Number is how many records of the key wait, this one included. It counts only in the last record of a key.
	Number int
	// Millis is the event time of the record.
	Millis int64
	heldOrigin
}

// waiterCodec writes numbers and topic, then what heldCodec writes.
type waiterCodec[V any] struct{ held heldCodec[V] }

var errWaiter = errors.New("a record that waits for a lookup is cut off")

func (c waiterCodec[V]) Append(dst []byte, ctx *codec.Context, w waiter[V]) ([]byte, error) {
	dst = binary.AppendUvarint(dst, uint64(w.Number))
	dst = binary.AppendVarint(dst, w.Millis)
	dst = w.heldOrigin.append(dst)
	return c.held.Append(dst, ctx, w.Held)
}

func (c waiterCodec[V]) Decode(ctx *codec.Context, data []byte) (w waiter[V], err error) {
	number, n := binary.Uvarint(data)
	if n <= 0 {
		return w, errWaiter
	}
	w.Number, data = int(number), data[n:]
	if w.Millis, n = binary.Varint(data); n <= 0 {
		return w, errWaiter
	}
	if data, err = w.decode(data[n:]); err != nil {
		return w, err
	}
	w.Held, err = c.held.Decode(ctx, data)
	return w, err
}

// nothing is the codec of rows that have no value.
type nothing struct{}

func (nothing) Append(dst []byte, _ *codec.Context, _ struct{}) ([]byte, error) { return dst, nil }

func (nothing) Decode(*codec.Context, []byte) (struct{}, error) { return struct{}{}, nil }
