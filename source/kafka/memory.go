package kafka

import (
	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// memory holds copies of the bytes of a batch in one piece.
type memory struct {
	free   []byte
	unused []weir.Header
}

func memoryFor(records []broker.Record) memory {
	bytes, headers := 0, 0
	for i := range records {
		bytes += len(records[i].Key) + len(records[i].Value)
		headers += len(records[i].Headers)
		for _, h := range records[i].Headers {
			bytes += len(h.Value)
		}
	}
	return memory{make([]byte, bytes), make([]weir.Header, headers)}
}

// copy returns a copy of data. It is nil if data is.
func (m *memory) copy(data []byte) []byte {
	if data == nil {
		return nil
	}
	n := copy(m.free, data)
	out := m.free[:n:n]
	m.free = m.free[n:]
	return out
}

// headers returns a copy of headers.
func (m *memory) headers(from []weir.Header) []weir.Header {
	n := copy(m.unused, from)
	out := m.unused[:n:n]
	m.unused = m.unused[n:]
	for i := range out {
		out[i].Value = m.copy(out[i].Value)
	}
	return out
}
