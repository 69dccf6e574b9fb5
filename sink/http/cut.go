package http

import (
	"math/bits"

	"github.com/weirstreams/weir"
)

// A process that goes on after a crash has other checkpoints than the process before it, and so its requests begin at other records. The ends of
// requests follow from the positions of the records in the input, so that both processes soon cut at the same places again: the
// positions are in blocks of Options.MaxRecords offsets, and a request ends at the end of the greatest group of blocks (of 1, 2, 4, 8, ...) that ends
// within it. If no block ends within it, as the records have many results or are large, blocks are cut in the same way.

// fitting returns the number of items of the next request: at least one.
func (w *writer[K, V]) fitting() int {
	n := w.most()
	if w.limit > 0 {
		return min(n, w.limit)
	}
	left := w.origins[w.written:]
	cut, greatest, blocks := n, 0, 0
	for i := 1; i <= n && i < len(left); i++ {
		b := boundary(&left[i-1], &left[i], int64(w.sink.options.MaxRecords))
		if b > withinBlock {
			blocks++
		}
		if b > 0 && b >= greatest {
			cut, greatest = i, b
		}
	}
	if n == len(left) && blocks != 1 { // the last items of a checkpoint: smaller requests are of little use if they are of many blocks
		return n
	}
	return cut
}

// most returns how many items the next request may have at most, at least one.
func (w *writer[K, V]) most() int {
	o := &w.sink.options
	left := w.items[w.written:min(len(w.items), w.written+o.MaxRecords)]
	bytes := 0
	for i, item := range left {
		if bytes += len(item); i > 0 && bytes > o.MaxBytes {
			return i
		}
	}
	return len(left)
}

// withinBlock is more than each boundary within a block.
const withinBlock = 64

// boundary returns the rank of the boundary between two records. It is 0 within the results of one input record.
func boundary(a, b *weir.Origin, block int64) int {
	if x := uint64(a.Offset/block) ^ uint64(b.Offset/block); x != 0 {
		return withinBlock + bits.Len64(x)
	}
	return bits.Len64(uint64(a.Offset%block) ^ uint64(b.Offset%block))
}
