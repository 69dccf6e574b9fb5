package wire

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"slices"

	"github.com/IBM/sarama"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy/xerial"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// setWriter writes sets of records as brokers store them, with an encoder that has nothing to do with what reads them.
type setWriter struct {
	set     []byte
	offset  int64   // next
	ends    []int64 // offsets after batches
	aborted []kmsg.FetchResponseTopicPartitionAbortedTransaction
}

const baseMillis = 1_700_000_000_000

// batch appends a batch of format 2 with n records, which may be none.
func (w *setWriter) batch(random *rand.Rand, n int, codec sarama.CompressionCodec, attributes int16, producer int64) {
	var records []byte
	delta := int32(0)
	for i := range n {
		if i > 0 {
			delta += 1 + int32(random.IntN(8)/7) // compaction leaves holes
		}
		r := kmsg.Record{
			TimestampDelta64: random.Int64N(2000) - 1000, OffsetDelta: delta,
			Key: randomBytes(random, 200), Value: randomBytes(random, 2000),
		}
		for range random.IntN(4) * random.IntN(2) {
			r.Headers = append(r.Headers, kmsg.Header{Key: string(randomBytes(random, 5)), Value: randomBytes(random, 20)})
		}
		// What is appended begins with the size, 0, in one byte.
		r.Length = int32(len(r.AppendTo(nil)) - 1)
		records = r.AppendTo(records)
	}
	w.raw(records, n, delta+int32(random.IntN(3)), codec, attributes, producer)
}

// control appends the marker that ends a transaction.
func (w *setWriter) control(commit bool, producer int64) {
	key := []byte{0, 0, 0, 0}
	if commit {
		key[3] = 1
	}
	r := kmsg.Record{Key: key, Value: []byte{0, 0, 0, 0, 0, 0}}
	r.Length = int32(len(r.AppendTo(nil)) - 1)
	w.raw(r.AppendTo(nil), 1, 0, sarama.CompressionNone, control|transactional, producer)
}

func (w *setWriter) raw(records []byte, n int, lastDelta int32, codec sarama.CompressionCodec, attributes int16, producer int64) {
	b := kmsg.RecordBatch{
		FirstOffset: w.offset, Magic: 2, Attributes: attributes | int16(codec), LastOffsetDelta: lastDelta,
		FirstTimestamp: baseMillis, MaxTimestamp: baseMillis + 1000, ProducerID: producer, NumRecords: int32(n), PartitionLeaderEpoch: int32(w.offset % 97),
		Records: pack(codec, records),
	}
	b.Length = int32(headerSize - afterSize + len(b.Records))
	w.add(b.AppendTo(nil), w.offset+int64(lastDelta)+1)
}

// message appends a message of format 0 or 1, which holds n others if there is a codec.
func (w *setWriter) message(random *rand.Rand, magic int8, n int, codec sarama.CompressionCodec, appendTime bool) {
	attributes := int8(0)
	if appendTime && magic == 1 {
		attributes = logAppendTime
	}
	if codec == sarama.CompressionNone {
		w.add(oldBytes(magic, attributes, w.offset, baseMillis+random.Int64N(1000), randomBytes(random, 20), randomBytes(random, 200)), w.offset+1)
		return
	}
	var inner []byte
	last := int64(0)
	for i := range n {
		if i > 0 {
			last += 1 + int64(random.IntN(8)/7)
		}
		offset := last
		if magic == 0 {
			offset += w.offset
		}
		inner = append(inner, fixSums(oldBytes(magic, 0, offset, baseMillis+random.Int64N(1000), randomBytes(random, 20), randomBytes(random, 200)))...)
	}
	last += w.offset
	w.add(oldBytes(magic, attributes|int8(codec), last, baseMillis+2000, nil, pack(codec, inner)), last+1)
}

func oldBytes(magic, attributes int8, offset, millis int64, key, value []byte) []byte {
	if magic == 0 {
		m := kmsg.MessageV0{Offset: offset, Attributes: attributes, Key: key, Value: value}
		return m.AppendTo(nil)
	}
	m := kmsg.MessageV1{Offset: offset, Magic: 1, Attributes: attributes, Timestamp: millis, Key: key, Value: value}
	return m.AppendTo(nil)
}

func (w *setWriter) add(b []byte, next int64) {
	w.set = append(w.set, fixSums(b)...)
	w.offset = next
	w.ends = append(w.ends, next)
}

// fixSums sets the size of one batch or message and the checksums of a set.
func fixSums(set []byte) []byte {
	if len(set) > magicAt && set[magicAt] < 2 {
		binary.BigEndian.PutUint32(set[sizeAt:], uint32(len(set)-afterSize))
	}
	return fixChecksums(set)
}

// fixChecksums makes the checksums of a set right, as far as batches can be told apart.
func fixChecksums(set []byte) []byte {
	for rest := set; len(rest) > magicAt; {
		size := int64(int32(binary.BigEndian.Uint32(rest[sizeAt:]))) + afterSize
		if size <= magicAt || size > int64(len(rest)) {
			break
		}
		b := rest[:size]
		rest = rest[size:]
		if b[magicAt] < 2 {
			binary.BigEndian.PutUint32(b[afterSize:], crc32.ChecksumIEEE(b[magicAt:]))
		} else if len(b) >= checkedFrom {
			binary.BigEndian.PutUint32(b[checksumAt:], crc32.Checksum(b[checkedFrom:], checksums))
		}
	}
	return set
}

// pack compresses as Kafka's producers do.
func pack(codec sarama.CompressionCodec, b []byte) []byte {
	var out bytes.Buffer
	switch codec {
	case sarama.CompressionGZIP:
		w := gzip.NewWriter(&out)
		w.Write(b)
		w.Close()
	case sarama.CompressionSnappy:
		return xerial.Encode(nil, b)
	case sarama.CompressionLZ4:
		w := lz4.NewWriter(&out)
		w.Write(b)
		w.Close()
	case sarama.CompressionZSTD:
		w, _ := zstd.NewWriter(&out) // streams, without the size of the content
		w.Write(b)
		w.Close()
	default:
		return b
	}
	return out.Bytes()
}

// randomBytes returns nil, empty or some bytes of which many are the same.
func randomBytes(random *rand.Rand, limit int) []byte {
	switch random.IntN(6) {
	case 0:
		return nil
	case 1:
		return []byte{}
	}
	b := make([]byte, random.IntN(limit))
	for i := range b {
		b[i] = 'a' + byte(random.IntN(3))
	}
	return b
}

// randomSet writes batches and messages of every kind, with transactions of three producers between each other.
func randomSet(random *rand.Rand) *setWriter {
	w := &setWriter{offset: random.Int64N(1000)}
	open := map[int64]int64{} // first offsets of transactions, by producer
	for range 1 + random.IntN(12) {
		codec := sarama.CompressionCodec(random.IntN(5))
		attributes := int16(0)
		if random.IntN(4) == 0 {
			attributes = logAppendTime
		}
		producer := int64(1 + random.IntN(3))
		switch n := random.IntN(10); {
		case n == 0:
			w.batch(random, 0, sarama.CompressionNone, attributes, -1) // emptied
		case n < 3:
			// Not packed with the time of appending, of which the other client takes no notice.
			w.message(random, int8(random.IntN(2)), 1+random.IntN(5), codec%3, attributes != 0 && codec%3 == 0)
		case n < 6:
			if _, ok := open[producer]; !ok {
				open[producer] = w.offset
			}
			w.batch(random, 1+random.IntN(20), codec, attributes|transactional, producer)
		case n < 8:
			first, ok := open[producer]
			if !ok {
				continue
			}
			commit := random.IntN(2) == 0
			if !commit {
				w.aborted = append(w.aborted, kmsg.FetchResponseTopicPartitionAbortedTransaction{ProducerID: producer, FirstOffset: first})
			}
			delete(open, producer)
			w.control(commit, producer)
		default:
			w.batch(random, 1+random.IntN(50), codec, attributes, -1)
		}
	}
	w.batch(random, 3, sarama.CompressionNone, 0, -1) // so that there is one
	for producer, first := range open {               // as they turn out later
		if random.IntN(2) == 0 {
			w.aborted = append(w.aborted, kmsg.FetchResponseTopicPartitionAbortedTransaction{ProducerID: producer, FirstOffset: first})
		}
	}
	slices.SortFunc(w.aborted, func(a, b kmsg.FetchResponseTopicPartitionAbortedTransaction) int {
		return cmp.Or(cmp.Compare(a.ProducerID, b.ProducerID), cmp.Compare(b.FirstOffset, a.FirstOffset)) // in no useful order
	})
	return w
}
