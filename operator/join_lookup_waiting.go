package operator

import (
	"encoding/binary"
	"errors"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
)

// waiter is a record that waits for the row of a lookup.
type waiter[V any] struct {
	Held[V]
	// Number is how many records of the key wait, this one included. It counts only in the last record of a key.
	Number int
	// Millis is the event time of the record.
	Millis int64
	// Topic, Offset, Size and LeaderEpoch are those of the input record.
	Topic                     string
	Offset, Size, LeaderEpoch int64
}

// waiterCodec writes numbers and topic, then what heldCodec writes.
type waiterCodec[V any] struct{ held heldCodec[V] }

var errWaiter = errors.New("a record that waits for a lookup is cut off")

func (c waiterCodec[V]) Append(dst []byte, ctx *codec.Context, w waiter[V]) ([]byte, error) {
	dst = binary.AppendUvarint(dst, uint64(w.Number))
	dst = binary.AppendVarint(dst, w.Millis)
	dst = binary.AppendVarint(dst, w.Offset)
	dst = binary.AppendVarint(dst, w.Size)
	dst = binary.AppendVarint(dst, w.LeaderEpoch)
	dst = binary.AppendUvarint(dst, uint64(len(w.Topic)))
	dst = append(dst, w.Topic...)
	return c.held.Append(dst, ctx, w.Held)
}

func (c waiterCodec[V]) Decode(ctx *codec.Context, data []byte) (w waiter[V], err error) {
	number, n := binary.Uvarint(data)
	if n <= 0 {
		return w, errWaiter
	}
	w.Number, data = int(number), data[n:]
	for _, to := range []*int64{&w.Millis, &w.Offset, &w.Size, &w.LeaderEpoch} {
		if *to, n = binary.Varint(data); n <= 0 {
			return w, errWaiter
		}
		data = data[n:]
	}
	length, n := binary.Uvarint(data)
	if n <= 0 || length > uint64(len(data)-n) {
		return w, errWaiter
	}
	w.Topic, data = string(data[n:n+int(length)]), data[n+int(length):]
	w.Held, err = c.held.Decode(ctx, data)
	return w, err
}

// from sets where the input record lay.
func (w *waiter[V]) from(o *weir.Origin) {
	w.Topic, w.Offset, w.Size, w.LeaderEpoch = o.Topic, o.Offset, int64(o.Size), int64(o.LeaderEpoch)
}

// origin returns where the input record lay, in a partition.
func (w *waiter[V]) origin(partition int32) weir.Origin {
	return weir.Origin{Topic: w.Topic, Partition: partition, Offset: w.Offset, Size: int(w.Size), LeaderEpoch: int32(w.LeaderEpoch)}
}

// nothing is the codec of rows that have no value.
type nothing struct{}

func (nothing) Append(dst []byte, _ *codec.Context, _ struct{}) ([]byte, error) { return dst, nil }

func (nothing) Decode(*codec.Context, []byte) (struct{}, error) { return struct{}{}, nil }
