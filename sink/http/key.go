package http

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
)

// name is a hash of a request and of the input that its first record comes from.
type name [sha256.Size]byte

// name returns the name of the next request. It depends on no checkpoint, so that another process gives the request the same name after a crash. A record
// may come from input that the checkpoint does not cover, if a timer has made it, and the next one may be equal: then the checkpoint counts too.
func (w *writer[K, V]) name(body []byte) (n name) {
	h := sha256.New()
	text := func(s string) {
		_ = binary.Write(h, binary.BigEndian, int64(len(s))) // a hash takes everything
		h.Write([]byte(s))
	}
	number := func(n int64) { _ = binary.Write(h, binary.BigEndian, n) }
	text(w.sink.options.Method)
	text(w.sink.address.String()) // a service may know keys of all its addresses
	text(w.task.Application)
	text(w.task.SubTopology)
	text(w.task.Sink)
	number(int64(w.task.Partition))
	origin := &w.origins[w.written]
	text(origin.Topic)
	number(int64(origin.Partition))
	number(origin.Offset)
	if !covers(w.covered, origin) {
		text(w.first.Epoch)
		number(w.first.ID)
	}
	number(int64(len(body)))
	h.Write(body)
	h.Sum(n[:0])
	return n
}

// key returns the idempotency key of the next request, 32 hexadecimal digits. A repetition of the request has the same key: after a failure, and by
// another process after a crash, if it has the same records again. Two other requests never have one key: equal results of
// one input record are counted.
func (w *writer[K, V]) key(request name) string {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(request[:], uint64(w.taken[request])))
	return hex.EncodeToString(sum[:16])
}

// count notes that a request was successful.
func (w *writer[K, V]) count(request name) {
	if w.sink.options.IdempotencyHeader == noKeyHeader {
		return
	}
	if w.taken == nil {
		w.taken = map[name]int{}
	}
	w.taken[request]++
}

// covers reports whether a record comes from some input.
func covers(input []sink.Position, origin *weir.Origin) bool {
	return slices.ContainsFunc(input, func(p sink.Position) bool {
		return p.Topic == origin.Topic && p.Partition == origin.Partition && p.From <= origin.Offset && origin.Offset < p.To
	})
}

// sameInput reports whether two checkpoints cover input with the same beginning: the former was not completed after its flush.
func sameInput(a, b []sink.Position) bool {
	return slices.EqualFunc(a, b, func(a, b sink.Position) bool {
		return a.Topic == b.Topic && a.Partition == b.Partition && a.From == b.From
	}) &&
		slices.ContainsFunc(a, func(p sink.Position) bool { return p.To > p.From })
}
