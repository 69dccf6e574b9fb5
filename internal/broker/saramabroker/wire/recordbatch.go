// Package wire reads and writes record batches, past the client: the records of fetches are taken out of responses as the bytes
// that they are (Tap) and decoded where they lie (Decoder), and records to be sent are described to the client without a copy
// (Encoder). It knows nothing of clusters, leaders and retries.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/IBM/sarama"
)

// batchHeader is the header of a batch of message format 2, the only one that brokers of Kafka 0.11
// and later write. See "Record Batch" in the documentation of Kafka's implementation.
type batchHeader struct {
	first         int64 // offset
	leaderEpoch   int32
	lastDelta     int32
	attributes    int16
	baseTimestamp int64
	maxTimestamp  int64
	producerID    int64
	count         int32
}

// Sizes and places in a batch of any format. The size of a batch counts the bytes behind the size.
const (
	sizeAt      = 8
	afterSize   = 12
	epochAt     = 12 // in format 2
	magicAt     = 16
	checksumAt  = 17
	checkedFrom = 21 // in format 2
	headerSize  = 61 // in format 2
)

// Attributes of a batch.
const (
	codecMask     = 0x07
	logAppendTime = 0x08
	transactional = 0x10
	control       = 0x20
)

var checksums = crc32.MakeTable(crc32.Castagnoli)

// ErrCorrupt says that no broker would send such bytes.
var ErrCorrupt = errors.New("corrupt")

// parseBatch checks a whole batch of format 2 and reads its header.
func parseBatch(b []byte) (h batchHeader, err error) {
	if len(b) < headerSize {
		return h, fmt.Errorf("%w: it has %d bytes, too few for a header", ErrCorrupt, len(b))
	}
	if got, want := crc32.Checksum(b[checkedFrom:], checksums), binary.BigEndian.Uint32(b[checksumAt:]); got != want {
		return h, fmt.Errorf("%w: its checksum is %08x and should be %08x", ErrCorrupt, got, want)
	}
	h = batchHeader{
		first:         int64(binary.BigEndian.Uint64(b)),
		leaderEpoch:   int32(binary.BigEndian.Uint32(b[epochAt:])),
		attributes:    int16(binary.BigEndian.Uint16(b[21:])),
		lastDelta:     int32(binary.BigEndian.Uint32(b[23:])),
		baseTimestamp: int64(binary.BigEndian.Uint64(b[27:])),
		maxTimestamp:  int64(binary.BigEndian.Uint64(b[35:])),
		producerID:    int64(binary.BigEndian.Uint64(b[43:])),
		// producer epoch and sequence are for brokers
		count: int32(binary.BigEndian.Uint32(b[57:])),
	}
	if h.count < 0 || h.lastDelta < 0 {
		return h, fmt.Errorf("%w: it says that it has %d records up to offset %d+%d", ErrCorrupt, h.count, h.first, h.lastDelta)
	}
	return h, nil
}

func (h *batchHeader) last() int64 { return h.first + int64(h.lastDelta) }
func (h *batchHeader) codec() sarama.CompressionCodec {
	return sarama.CompressionCodec(h.attributes & codecMask)
}
func (h *batchHeader) has(attribute int16) bool { return h.attributes&attribute != 0 }

// minRecord is the size of a record without key, value and headers.
const minRecord = 7

// isAbort says that a control batch ends a transaction by aborting it. The key of its record is a version int16 and a
// type int16; type 0 is abort.
func isAbort(records []byte) bool {
	r := recordReader{b: records}
	r.varint() // size
	r.skip(1)  // attributes
	r.varint() // timestamp
	r.varint() // offset
	key := r.bytes()
	return r.ok() && len(key) >= 4 && key[2] == 0 && key[3] == 0
}

// recordReader reads the fields of records. Once something does not fit, nothing does any more.
type recordReader struct {
	b []byte
	i int // negative after an error
}

func (r *recordReader) ok() bool { return r.i >= 0 }

func (r *recordReader) skip(n int) {
	if r.i >= 0 {
		if r.i += n; r.i > len(r.b) {
			r.i = -1
		}
	}
}

// varint reads a zigzag number.
func (r *recordReader) varint() int64 {
	if i := r.i; uint(i) < uint(len(r.b)) && r.b[i] < 0x80 {
		r.i = i + 1
		return int64(r.b[i]>>1) ^ -int64(r.b[i]&1)
	}
	return r.longVarint()
}

func (r *recordReader) longVarint() int64 {
	if r.i < 0 {
		return 0
	}
	v, n := binary.Varint(r.b[r.i:])
	if n <= 0 {
		r.i = -1
		return 0
	}
	r.i += n
	return v
}

// bytes reads a length, which is -1 for null, and as many bytes.
func (r *recordReader) bytes() []byte {
	n := r.varint()
	if r.i < 0 || n < 0 {
		if n < -1 {
			r.i = -1
		}
		return nil
	}
	if n > int64(len(r.b)-r.i) {
		r.i = -1
		return nil
	}
	begin := r.i
	r.i += int(n)
	return r.b[begin:r.i:r.i]
}
