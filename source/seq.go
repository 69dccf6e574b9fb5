package source

import (
	"context"
	"fmt"
	"iter"
	"strconv"

	"github.com/weirstreams/weir"
)

// FromSeq returns a source of the records of a sequence, which has to be the same each time: the position is the number of records that
// were read, and a restart passes over as many. The source is at its end when the sequence is.
//
// A sequence that waits does not hear of the end of the run. Func gets a context.
func FromSeq[K, V any](seq iter.Seq[weir.Record[K, V]]) Source[K, V] {
	if seq == nil {
		return Func[K, V](nil)
	}
	return FromSeq2(func(yield func(weir.Record[K, V], error) bool) {
		for r := range seq {
			if !yield(r, nil) {
				return
			}
		}
	})
}

// FromSeq2 is FromSeq for a sequence that can fail: the first error ends it. It begins from the start then, as the retry policy says, and
// passes over the records that were read.
func FromSeq2[K, V any](seq iter.Seq2[weir.Record[K, V], error]) Source[K, V] {
	if seq == nil {
		return Func[K, V](nil)
	}
	return Func(func(_ context.Context, position []byte, emit Emit[K, V]) error {
		var skip, n int64
		if position != nil {
			var err error
			if skip, err = strconv.ParseInt(string(position), 10, 64); err != nil {
				return fmt.Errorf("position %q is no number of records: %w", position, err)
			}
		}
		for r, err := range seq {
			if err != nil {
				return fmt.Errorf("record %d of the sequence: %w", n, err)
			}
			if n++; n <= skip {
				continue
			}
			if err := emit(r, strconv.AppendInt(nil, n, 10)); err != nil {
				return err
			}
		}
		if n < skip {
			return fmt.Errorf("the sequence has %d records, and %d were read before: it has to be the same each time", n, skip)
		}
		return nil
	})
}
