package saramabroker

import (
	"errors"
	"reflect"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
)

// decoded is what a response holds of a partition.
type decoded struct {
	records   []broker.Record
	bytes     int   // of memory
	next, end int64 // position afterwards, last stable offset
	// partial says that not even one batch fit.
	partial bool

	err   error
	final bool // err ends the partition
}

// decoder turns the client's batches into records. The client never uses a response buffer twice, so keys, values and
// header values are left where they are.
type decoder struct {
	interned map[string]string // header keys
	aborted  map[int64]bool    // producers whose open transaction was aborted
}

// block reads the records from an offset on, committed ones only. See "Reading transactional messages" in KIP-98.
func (d *decoder) block(block *sarama.FetchResponseBlock, from int64) decoded {
	result := decoded{next: from, end: block.LastStableOffset, partial: block.Partial}
	if result.end < 0 {
		result.end = block.HighWaterMarkOffset
	}
	count := 0
	for _, set := range block.RecordsSet {
		if set.RecordBatch == nil {
			result.err = errors.New("the topic holds messages in a format older than Kafka 0.11, which is not supported")
			result.final = true
			return result
		}
		count += len(set.RecordBatch.Records)
	}
	if count > 0 {
		result.records = newRecords(count)
	}
	clear(d.aborted)
	pending := block.AbortedTransactions
	slices.SortFunc(pending, func(a, b *sarama.AbortedTransaction) int { return int(a.FirstOffset - b.FirstOffset) })

	for i, set := range block.RecordsSet {
		batch := set.RecordBatch
		if batch.PartialTrailingRecord {
			result.partial = i == 0
			break
		}
		last := batch.LastOffset()
		result.next = max(result.next, last+1)
		for len(pending) > 0 && pending[0].FirstOffset <= last {
			if d.aborted == nil {
				d.aborted = make(map[int64]bool)
			}
			d.aborted[pending[0].ProducerID] = true
			pending = pending[1:]
		}
		switch {
		case batch.Control:
			if isAbort(batch) {
				delete(d.aborted, batch.ProducerID)
			}
		case batch.IsTransactional && d.aborted[batch.ProducerID]:
		default:
			d.records(&result, batch, from)
		}
	}
	if len(block.RecordsSet) == 0 && !block.Partial {
		result.next = max(result.next, afterEmptyBatches(block))
	}
	if len(result.records) == 0 && result.records != nil {
		freeRecords(result.records)
		result.records = nil
	}
	return result
}

// isAbort says that a control batch ends a transaction by aborting it: key = version int16, type int16 (0 is abort).
func isAbort(batch *sarama.RecordBatch) bool {
	if len(batch.Records) == 0 {
		return false
	}
	key := batch.Records[0].Key
	return len(key) >= 4 && key[2] == 0 && key[3] == 0
}

const recordBytes = int(unsafe.Sizeof(broker.Record{}))

// records appends the records of a batch from an offset on. A batch may begin before it.
func (d *decoder) records(result *decoded, batch *sarama.RecordBatch, from int64) {
	base := millis(batch.FirstTimestamp)
	fixed := batch.LogAppendTime
	if fixed {
		base = millis(batch.MaxTimestamp)
	}
	headers := d.headers(batch)
	for _, r := range batch.Records {
		own := headers[:len(r.Headers):len(r.Headers)]
		headers = headers[len(r.Headers):]
		offset := batch.FirstOffset + r.OffsetDelta
		if offset < from {
			continue
		}
		result.records = append(result.records, broker.Record{Key: r.Key, Value: r.Value, Millis: base, Offset: offset})
		record := &result.records[len(result.records)-1]
		if !fixed {
			record.Millis += int64(r.TimestampDelta / time.Millisecond)
		}
		if len(own) > 0 {
			record.Headers = own
		}
		result.bytes += recordBytes + len(r.Key) + len(r.Value)
		for _, h := range own {
			result.bytes += int(unsafe.Sizeof(h)) + len(h.Value)
		}
	}
}

// headers returns the headers of all records of a batch, one after the other.
func (d *decoder) headers(batch *sarama.RecordBatch) []codec.Header {
	count := 0
	for _, r := range batch.Records {
		count += len(r.Headers)
	}
	if count == 0 {
		return nil
	}
	headers := make([]codec.Header, 0, count)
	for _, r := range batch.Records {
		for _, h := range r.Headers {
			headers = append(headers, codec.Header{Key: d.intern(h.Key), Value: h.Value})
		}
	}
	return headers
}

// intern returns one string for equal keys, of which there are few as a rule.
func (d *decoder) intern(key []byte) string {
	if s, ok := d.interned[string(key)]; ok {
		return s
	}
	if len(d.interned) >= 1024 {
		clear(d.interned)
	}
	s := string(key)
	d.interned[s] = s
	return s
}

// millis is the opposite of what the client makes of a timestamp; it turns "none" into the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return -1
	}
	return t.UnixMilli()
}

// recordPool holds slices whose batches were released. They hold no references.
var recordPool sync.Pool

func newRecords(n int) []broker.Record {
	if pooled, ok := recordPool.Get().(*[]broker.Record); ok && cap(*pooled) >= n {
		return (*pooled)[:0]
	}
	return make([]broker.Record, 0, n)
}

func freeRecords(records []broker.Record) {
	if cap(records) == 0 {
		return
	}
	clear(records)
	records = records[:0]
	recordPool.Put(&records)
}

// The client drops batches that compaction has emptied from a response, and keeps the position after them to itself.
// Without it, a partition whose next batch is empty could not be read any further. So it is read by reflection; if a
// later version of the client names it differently, NewFetcher refuses to work.
var canSkipEmptyBatches = func() bool {
	field, ok := reflect.TypeFor[sarama.FetchResponseBlock]().FieldByName("recordsNextOffset")
	return ok && field.Type == reflect.TypeFor[*int64]()
}()

// afterEmptyBatches returns the position after batches without records, or -1 if the block holds no batch.
func afterEmptyBatches(block *sarama.FetchResponseBlock) int64 {
	next := reflect.ValueOf(block).Elem().FieldByName("recordsNextOffset")
	if next.IsNil() {
		return -1
	}
	return next.Elem().Int()
}
