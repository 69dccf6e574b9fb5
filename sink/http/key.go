package http

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// key returns the idempotency key of the next request, 32 hexadecimal digits. A repetition of the request has the same key: after a failure, and by
// another process after a crash, if it has the same records again. Two other requests never have one key: the positions grow with each
// checkpoint, or the checkpoint's own name counts.
func (w *writer[K, V]) key(body []byte) string {
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
	moved := false
	for _, p := range w.first.Positions {
		text(p.Topic)
		number(int64(p.Partition))
		number(p.From)
		moved = moved || p.To > p.From
	}
	if !moved { // records of timers: the next ones may be equal
		text(w.first.Epoch)
		number(w.first.ID)
	}
	number(int64(w.request))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// compress returns the gzip form of a body.
func (w *writer[K, V]) compress(body []byte) ([]byte, error) {
	var out bytes.Buffer
	if w.gzip == nil {
		w.gzip = gzip.NewWriter(&out) // has large tables
	} else {
		w.gzip.Reset(&out)
	}
	if _, err := w.gzip.Write(body); err != nil {
		return nil, err
	}
	err := w.gzip.Close()
	return out.Bytes(), err
}
