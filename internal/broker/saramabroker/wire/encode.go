package wire

import (
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
)

// Encoder turns records into the client's. It keeps a slab of them. The slab is in use while the client encodes a
// request, which is done when AsyncProduce returns; so one slab serves all batches of a sender.
type Encoder struct {
	records  []sarama.Record
	pointers []*sarama.Record // to records
	used     int

	headers        []sarama.RecordHeader
	headerPointers []*sarama.RecordHeader
	names          []byte // keys of headers
}

// Reserve makes room for the records of a request. It comes before Describe.
func (e *Encoder) Reserve(n int) {
	if n <= len(e.records) {
		return
	}
	e.records = make([]sarama.Record, n+n/4)
	e.pointers = make([]*sarama.Record, len(e.records))
	for i := range e.records {
		e.pointers[i] = &e.records[i]
	}
}

// Describe puts the count records of parts and their timestamps into a batch. It copies no keys and values.
func (e *Encoder) Describe(batch *sarama.RecordBatch, parts [][]broker.Record, count int) {
	if e.names == nil {
		e.names = []byte{} // brokers refuse an empty key that is nil
	}
	first := parts[0][0].Millis
	latest := first
	slab := e.records[e.used : e.used+count]
	batch.Records = e.pointers[e.used : e.used+count : e.used+count]
	e.used += count
	i := 0
	for _, part := range parts {
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
	batch.FirstTimestamp, batch.MaxTimestamp = time.UnixMilli(first), time.UnixMilli(latest)
}

// Forget drops the caller's memory.
func (e *Encoder) Forget() {
	clear(e.records[:e.used])
	e.used = 0
	clear(e.headers)
	e.headers, e.headerPointers, e.names = e.headers[:0], e.headerPointers[:0], e.names[:0]
}

// Placeholders returns n records that are not there.
func Placeholders(n int) []*sarama.Record {
	if n <= len(noRecords) {
		return noRecords[:n:n]
	}
	return make([]*sarama.Record, n)
}

var noRecords [16 << 10]*sarama.Record

// LatestMillis is the latest timestamp that the client library can write (April 2262).
const LatestMillis = int64(^uint64(0)>>1) / int64(time.Millisecond)

// RecordSize is the greatest size of a record in a batch.
func RecordSize(r *broker.Record) int {
	size := 36 + len(r.Key) + len(r.Value)
	for i := range r.Headers {
		size += 10 + len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return size
}
