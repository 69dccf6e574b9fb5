package aligned

import (
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/operator"
)

// Input is one partition and its buffered batches.
//
// Batches stay as they were fetched until they are used up: runs of records are chosen, not single ones.
type Input struct {
	broker.TopicPartition
	// Operator processes the records.
	Operator operator.Input
	// Outside is set if the application does not write the topic by itself alone: it is neither a repartition topic nor that of a source.
	Outside bool

	buffered []bufferedBatch
	from     int // the next record of the first batch
	records  int // that are held and not processed
	bytes    int64
	// next is the offset behind everything that was fetched, end the end of the partition as last seen.
	next, end int64
	// fresh is set if the fetcher had a chance to bring more since the last record was used up, with call number since.
	fresh bool
	since int
	// paused is set while the fetcher was told to hold the partition back.
	paused bool
	// gone is set if the topic does not exist any more.
	gone bool
	// lost is the error that the fetcher reported for the records behind the held batches: a *broker.OffsetOutOfRangeError or a
	// *broker.TopicReplacedError.
	lost error
}

// bufferedBatch is a batch with records.
type bufferedBatch struct {
	*broker.Batch
	bytes int64
	// next is the position when the batch is used up.
	next int64
}

// start drops the held batches: the input is read from position on. Its known end stays.
func (in *Input) start(position int64) {
	for _, b := range in.buffered {
		b.Release()
	}
	clear(in.buffered)
	in.buffered = in.buffered[:0]
	in.from, in.records, in.bytes = 0, 0, 0
	in.next = position
	in.fresh, in.lost = false, nil
}

// buffer takes a batch. It reports whether that moves the position of the task by itself: nothing is held, and the batch
// has no records.
func (in *Input) buffer(b *broker.Batch) bool {
	in.next, in.end, in.gone = b.NextOffset, b.EndOffset, false
	if len(b.Records) > 0 {
		var bytes int64
		for i := range b.Records {
			bytes += int64(len(b.Records[i].Key) + len(b.Records[i].Value))
		}
		in.buffered = append(in.buffered, bufferedBatch{b, bytes, b.NextOffset})
		in.records += len(b.Records)
		in.bytes += bytes
		return false
	}
	b.Release()
	if n := len(in.buffered); n > 0 {
		in.buffered[n-1].next = in.next
		return false
	}
	return true
}

// idle reports whether no older record than those of other inputs can come, as far as known.
func (in *Input) idle() bool { return (in.next >= in.end || in.gone) && in.lost == nil }

// head returns the timestamp of the first record that is held.
func (in *Input) head() int64 { return in.buffered[0].Records[in.from].Millis }

// Run returns the records of the first batch that are next, up to a timestamp, at most limit of them. The batch owns their memory until
// they are done.
func (in *Input) Run(until int64, limit int) []broker.Record {
	records := in.buffered[0].Records[in.from:]
	n := 1
	for limit = min(limit, len(records)); n < limit && records[n].Millis <= until; n++ {
	}
	return records[:n]
}

// done notes that n records of the first batch were processed, and returns the offset of the next.
func (in *Input) done(n int) int64 {
	first := &in.buffered[0]
	in.from += n
	in.records -= n
	if in.from < len(first.Records) {
		return first.Records[in.from].Offset
	}
	position := first.next
	in.bytes -= first.bytes
	first.Release()
	copy(in.buffered, in.buffered[1:])
	in.buffered[len(in.buffered)-1] = bufferedBatch{}
	in.buffered = in.buffered[:len(in.buffered)-1]
	in.from = 0
	in.fresh = len(in.buffered) > 0
	return position
}
