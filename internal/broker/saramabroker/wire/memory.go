package wire

import (
	"math/bits"
	"sync"
	"unsafe"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// Memory is the memory of a batch of records. Releasing the batch gives it back, to be used for another one.
type Memory struct {
	Records []broker.Record
	headers []weir.Header // of all records, one after the other, or the last of them
	buffers [][]byte      // of keys and values
}

const (
	recordBytes = int(unsafe.Sizeof(broker.Record{}))
	headerBytes = int(unsafe.Sizeof(weir.Header{}))
)

// Bytes is how much it is.
func (m *Memory) Bytes() int {
	n := recordBytes*cap(m.Records) + headerBytes*cap(m.headers)
	for _, buffer := range m.buffers {
		n += cap(buffer)
	}
	return n
}

// Free gives the memory back. The records are invalid afterwards.
func (m *Memory) Free() {
	if cap(m.Records) > 0 {
		clear(m.Records)
		records := m.Records[:0]
		recordPool.Put(&records)
	}
	if cap(m.headers) > 0 {
		clear(m.headers)
		headers := m.headers[:0]
		headerPool.Put(&headers)
	}
	for _, buffer := range m.buffers {
		freeBuffer(buffer)
	}
	*m = Memory{}
}

// Pools of memory that was given back. Records and headers hold no references any more.
var (
	recordPool  sync.Pool // of *[]broker.Record
	headerPool  sync.Pool // of *[]weir.Header
	bufferPools [maxBufferBits + 1]sync.Pool
)

// Buffers come in powers of two. Larger ones, which only large batches need, are left to the garbage collector.
const (
	minBufferBits = 10
	maxBufferBits = 24
)

func newRecords(n int) []broker.Record {
	if pooled, ok := recordPool.Get().(*[]broker.Record); ok && cap(*pooled) >= n {
		return *pooled
	}
	return make([]broker.Record, 0, n)
}

func newHeaders(n int) []weir.Header {
	if pooled, ok := headerPool.Get().(*[]weir.Header); ok && cap(*pooled) >= n {
		return *pooled
	}
	return make([]weir.Header, 0, n)
}

// newBuffer returns n bytes of any content.
func newBuffer(n int) []byte {
	class := max(bits.Len(uint(max(n, 1)-1)), minBufferBits)
	if class > maxBufferBits {
		return make([]byte, n)
	}
	if pooled, ok := bufferPools[class].Get().(*[]byte); ok {
		return (*pooled)[:n]
	}
	return make([]byte, n, 1<<class)
}

// freeBuffer takes back a buffer of newBuffer, also after it was cut. It must not be read any more.
func freeBuffer(buffer []byte) {
	buffer = buffer[:cap(buffer)]
	poison(buffer)
	class := bits.Len(uint(cap(buffer))) - 1
	if class < minBufferBits || class > maxBufferBits || cap(buffer) != 1<<class {
		return
	}
	bufferPools[class].Put(&buffer)
}
