package engine

import (
	"math"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/operator"
)

// aligned reads the inputs of a task that has several in the order of their timestamps: the next record is the one with
// the smallest timestamp among the first ones that are buffered. If several have it, the right side of a join comes before
// the left one, see graph.SubTopology.ReadOrder. The next record is not known as long as an input has nothing buffered although
// there is more to read of it. Within an input the order stays that of the offsets.
//
// Batches stay as they were fetched until they are used up: runs of records are chosen, not single ones.
type aligned struct {
	inputs []*alignedInput // in the order in which records of equal timestamps are read
	// stalled is since when records are buffered and none is next; zero if it is not so. asked is when the cluster was
	// asked about that last, and warned whether the log says so.
	stalled, asked time.Time
	warned         bool
}

// alignedInput is one partition and its buffered batches.
type alignedInput struct {
	broker.TopicPartition
	operator operator.Input
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
	// lost is the error that the fetcher reported for what comes behind the held batches: a *broker.OffsetOutOfRangeError or a
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

func newAligned(t *task) *aligned {
	a := &aligned{}
	for _, n := range t.part.ReadOrder() {
		topic := t.plan.Topic(n)
		if op := t.inputs[topic]; op != nil {
			tp := broker.TopicPartition{Topic: topic, Partition: t.id.Partition}
			a.inputs = append(a.inputs, &alignedInput{TopicPartition: tp, operator: op})
		}
	}
	return a
}

func (a *aligned) input(topic string) *alignedInput {
	for _, in := range a.inputs {
		if in.Topic == topic {
			return in
		}
	}
	return nil
}

// start drops the held batches: the input is read from position on. Its known end stays.
func (in *alignedInput) start(position int64) {
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
func (in *alignedInput) buffer(b *broker.Batch) bool {
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
func (in *alignedInput) idle() bool { return (in.next >= in.end || in.gone) && in.lost == nil }

// head returns the timestamp of the first record that is held.
func (in *alignedInput) head() int64 { return in.buffered[0].Records[in.from].Millis }

// choose returns the input with the next record, and the timestamp up to which its records come next. It returns nil if that
// is not known, or there is no record. stale says whether an input counts as read to its end although the fetcher was not asked since.
func (a *aligned) choose(stale bool) (next *alignedInput, until int64) {
	first, second := int64(math.MaxInt64), int64(math.MaxInt64)
	for _, in := range a.inputs {
		if len(in.buffered) == 0 {
			if !in.fresh && !stale || !in.idle() {
				return nil, 0
			}
			continue
		}
		switch head := in.head(); {
		case next == nil:
			next, first = in, head
		case head < first:
			next, first, second = in, head, first-1 // the input before it comes first if the timestamps are equal
		default:
			second = min(second, head)
		}
	}
	return next, second
}

// run returns the records of the first batch that are next, at most limit of them.
func (in *alignedInput) run(until int64, limit int) []broker.Record {
	records := in.buffered[0].Records[in.from:]
	n := 1
	for limit = min(limit, len(records)); n < limit && records[n].Millis <= until; n++ {
	}
	return records[:n]
}

// done notes that n records of the first batch were processed, and returns the offset of the next.
func (in *alignedInput) done(n int) int64 {
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

// merge processes records of a task with several inputs, at most limit, until it is not known which is next. It returns
// how many were processed.
func (w *Worker) merge(t *task, limit int) (processed int, err error) {
	w.limitDirty(t)
	for processed < limit && !t.overLimit && !w.halted() {
		in, until := t.aligned.choose(false)
		if in == nil || !w.takes(t, in.Topic) {
			break
		}
		records := in.run(until, limit-processed)
		t.flying = in.Topic
		n, failure := t.processRecords(in.operator, in.Topic, records, w.onError)
		if w.config.OnMerge != nil {
			w.config.OnMerge(in.TopicPartition, records[:n])
		}
		processed += n
		w.uncommitted += n
		if n > 0 {
			w.narrowing.last = place{in.TopicPartition, records[n-1].Offset}
		}
		if failure != nil && !isBackpressure(failure) {
			w.countFailed(failure, in.TopicPartition, records[n:])
			return processed, failure
		}
		t.positions[in.Topic] = in.done(n)
		in.since = w.polls
		w.flow(in)
		if failure != nil {
			return processed, failure
		}
		if n < len(records) {
			break // enough for now
		}
	}
	return processed, nil
}

// flow holds an input back that has much buffered, and lets it go on when half of that is processed.
func (w *Worker) flow(in *alignedInput) {
	records, bytes := w.config.MaxBufferedRecords, w.config.MaxBufferedBytes
	switch {
	case !in.paused && (in.records >= records || in.bytes >= bytes):
		in.paused = true
		w.fetcher.Pause(in.TopicPartition)
	case in.paused && in.records <= records/2 && in.bytes <= bytes/2:
		in.paused = false
		w.fetcher.Resume(in.TopicPartition)
	}
}

// buffer keeps a batch until its records are next.
func (w *Worker) buffer(t *task, b *broker.Batch) {
	in := t.aligned.input(b.Topic)
	t.ends[b.Topic] = b.EndOffset
	if in.buffer(b) && in.next != t.positions[in.Topic] {
		t.positions[in.Topic], t.changed = in.next, true
	}
	w.flow(in)
}
