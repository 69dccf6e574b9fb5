package saramabroker

import (
	"time"

	"github.com/IBM/sarama"
)

// encoder turns records into the client's. It keeps a slab of them. The slab is in use while the client encodes a
// request, which is done when AsyncProduce returns; so one slab serves all batches of a sender.
type encoder struct {
	records  []sarama.Record
	pointers []*sarama.Record // to records
	used     int

	headers        []sarama.RecordHeader
	headerPointers []*sarama.RecordHeader
	names          []byte // keys of headers
}

// encode prepares batches for the client.
func (e *encoder) encode(batches []*batch, p *producer) {
	total := 0
	for _, b := range batches {
		if !b.ready {
			total += b.count
		}
	}
	e.reserve(total)
	for _, b := range batches {
		if !b.ready {
			e.fill(b)
		}
		b.encoded.Version = 2
		b.encoded.PartitionLeaderEpoch = -1
		b.encoded.Codec = p.codec
		b.encoded.CompressionLevel = sarama.CompressionLevelDefault
		b.encoded.IsTransactional = p.txn != nil
		b.encoded.ProducerID, b.encoded.ProducerEpoch, b.encoded.FirstSequence = p.id, b.epoch, b.sequence
		b.encoded.LastOffsetDelta = int32(b.count - 1)
	}
}

func (e *encoder) reserve(n int) {
	if n <= len(e.records) {
		return
	}
	e.records = make([]sarama.Record, n+n/4)
	e.pointers = make([]*sarama.Record, len(e.records))
	for i := range e.records {
		e.pointers[i] = &e.records[i]
	}
}

// fill describes the records of a batch in the slab. It copies no keys and values.
func (e *encoder) fill(b *batch) {
	if e.names == nil {
		e.names = []byte{} // brokers refuse an empty key that is nil
	}
	first := b.parts[0][0].Millis
	latest := first
	slab := e.records[e.used : e.used+b.count]
	b.encoded.Records = e.pointers[e.used : e.used+b.count : e.used+b.count]
	e.used += b.count
	i := 0
	for _, part := range b.parts {
		for j := range part {
			from, to := &part[j], &slab[i]
			latest = max(latest, from.Millis)
			to.Key, to.Value = from.Key, from.Value
			to.TimestampDelta = time.Duration(from.Millis-first) * time.Millisecond
			to.OffsetDelta = int64(i)
			if len(from.Headers) > 0 {
				begin := len(e.headerPointers)
				for _, h := range from.Headers {
					name := len(e.names)
					e.names = append(e.names, h.Key...)
					// Old arrays live on in the pointers when append moves to a new one.
					e.headers = append(e.headers, sarama.RecordHeader{Key: e.names[name:len(e.names):len(e.names)], Value: h.Value})
					e.headerPointers = append(e.headerPointers, &e.headers[len(e.headers)-1])
				}
				to.Headers = e.headerPointers[begin:len(e.headerPointers):len(e.headerPointers)]
			}
			i++
		}
	}
	b.encoded.FirstTimestamp, b.encoded.MaxTimestamp = time.UnixMilli(first), time.UnixMilli(latest)
}

// forget drops the caller's memory.
func (e *encoder) forget() {
	clear(e.records[:e.used])
	e.used = 0
	clear(e.headers)
	e.headers, e.headerPointers, e.names = e.headers[:0], e.headerPointers[:0], e.names[:0]
}

// placeholders returns n records that are not there.
func placeholders(n int) []*sarama.Record {
	if n <= len(noRecords) {
		return noRecords[:n:n]
	}
	return make([]*sarama.Record, n)
}

var noRecords [16 << 10]*sarama.Record
