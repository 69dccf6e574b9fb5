package operator

import (
	"github.com/weirstreams/weir"
)

// A Receiver takes the records that an operator emits.
//
// The record belongs to the caller: it is valid until Receive returns, and a receiver must not change it. After an
// error the caller stops working on its input record and returns the error as it is.
type Receiver[K, V any] interface {
	Receive(r *weir.Record[K, V]) error
}

// FanOut returns a receiver that hands every record to each of next, in order. With none it drops the record.
func FanOut[K, V any](next []Receiver[K, V]) Receiver[K, V] {
	if len(next) == 1 {
		return next[0]
	}
	return fanOut[K, V](next)
}

type fanOut[K, V any] []Receiver[K, V]

func (f fanOut[K, V]) Receive(r *weir.Record[K, V]) error {
	for _, next := range f {
		if err := next.Receive(r); err != nil {
			return err
		}
	}
	return nil
}
