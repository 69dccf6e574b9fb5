package produce

import (
	"slices"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
)

const (
	noLeader = -1
	// batchBytes is how large a batch grows, unless a single record is larger. Brokers accept 1 MiB by default; smaller
	// batches stay in the processor's cache while they are encoded and written.
	batchBytes = 256 << 10
	// window is how many batches of a partition can be unacknowledged at once: that many the broker remembers, and
	// recognises when they come again.
	window = 5
)

// queue holds the batches of a partition that are not acknowledged, in the order of their records. It is guarded by
// producer.mu.
//
// The batches of a partition travel over one connection at a time. When one of them fails, nothing is sent until the
// outcome of all that are on their way is known (held); then those that are left are sent again from the front, over
// another connection perhaps. So the order stays, and a batch keeps the sequence that it was given first.
type queue struct {
	tp        broker.TopicPartition
	leader    int32 // noLeader while it is not known
	notBefore time.Time
	gone      bool  // the cluster does not know the topic, and the log says so
	failures  int   // in a row
	lastErr   error // of them

	batches  []*batch
	inFlight int
	held     bool // nothing is sent until inFlight is 0
	relead   bool // then the leader is looked up
	anew     bool // then a new epoch begins
	// proven says that the leader has acknowledged a batch of the epoch. A broker that knows nothing of a producer takes
	// any sequence; until it does know, a second batch must not be on its way, which it might take if it failed with the
	// first.
	proven bool
	limit  int   // how large a batch may be
	epoch  int16 // of next
	next   int32 // sequence of the next batch that has none
	last   int64 // offset of the last acknowledged record, or -1
	joined joined
}

// joined says whether a partition belongs to the transaction, as it must before something is appended in it.
type joined int8

const (
	outside joined = iota
	joining        // the coordinator is to be told
	inside
)

// batch is a run of records that is appended as a whole.
type batch struct {
	queue *queue
	parts [][]broker.Record
	// lent are slices of Send that are released with the batch: no other batch has records of them any more.
	lent     [][]broker.Record
	count    int
	bytes    int // at most, and without compression
	deadline time.Time

	state     batchState
	sequenced bool // epoch and sequence are set, for good but for a new epoch
	epoch     int16
	sequence  int32
	uncertain bool // it was sent, and may have been appended although nobody said so

	// encoded is the batch as the client writes it. The client encodes the records with the first try and keeps the
	// result for others; from then on (ready) it wants nothing of Records but their number.
	encoded sarama.RecordBatch
	ready   bool
}

type batchState int8

const (
	queued batchState = iota
	sent
	done // but one in front of it is not
)

// addSequence adds n to a sequence, which begins again at 0 after the greatest number.
func addSequence(sequence int32, n int) int32 {
	return int32((int64(sequence) + int64(n)) & 0x7fffffff)
}

// enqueue adds records to a queue, unless the buffer is full. A run that is larger than the buffer waits until there is
// nothing else in it. lent is the slice of Send if these are its last records, else nil. p.mu is held.
func (p *producer) enqueue(q *queue, records, lent []broker.Record, bytes int) bool {
	if p.bytes > 0 && p.bytes+bytes > p.bufferBytes {
		return false
	}
	p.bytes += bytes
	b := q.open(bytes)
	if b == nil {
		b = p.newBatch(q)
		b.deadline = time.Now().Add(p.timeout)
		q.batches = append(q.batches, b)
		p.pending++
	}
	b.parts = append(b.parts, records)
	if lent != nil && p.released != nil {
		b.lent = append(b.lent, lent)
	}
	b.count += len(records)
	b.bytes += bytes
	if p.txn != nil {
		p.txn.include(q)
	}
	if s := p.senders[q.leader]; s != nil {
		s.offer(bytes)
	} else {
		p.leaderless.Notify()
	}
	return true
}

// open returns the last batch of the queue if there is room in it, or nil.
func (q *queue) open(bytes int) *batch {
	if len(q.batches) == 0 {
		return nil
	}
	b := q.batches[len(q.batches)-1]
	if b.state != queued || b.sequenced || b.bytes+bytes > q.limit {
		return nil
	}
	return b
}

// newBatch returns an empty batch. p.mu is held.
func (p *producer) newBatch(q *queue) *batch {
	b := &batch{}
	if n := len(p.free); n > 0 {
		b, p.free = p.free[n-1], p.free[:n-1]
	}
	b.queue = q
	return b
}

// release gives the memory of a batch that is acknowledged or dropped back to the caller of Send. p.mu is held.
func (p *producer) release(b *batch) {
	for _, records := range b.lent {
		p.released(records)
	}
}

// recycle keeps a batch for use again. p.mu is held.
func (p *producer) recycle(b *batch) {
	clear(b.parts)
	clear(b.lent)
	*b = batch{parts: b.parts[:0], lent: b.lent[:0]}
	if len(p.free) < 64 {
		p.free = append(p.free, b)
	}
}

// sendable returns the batch that is to be sent next, or nil.
func (q *queue) sendable() *batch {
	if q.held || !q.proven && q.inFlight > 0 {
		return nil
	}
	for i, b := range q.batches {
		if i >= window {
			return nil
		}
		if b.state == queued {
			return b
		}
	}
	return nil
}

// front returns the first batch that is not acknowledged, or nil.
func (q *queue) front() *batch {
	if len(q.batches) == 0 {
		return nil
	}
	return q.batches[0]
}

// sequence gives a batch that is about to be sent its place in the partition.
func (q *queue) sequence(b *batch) {
	if b.sequenced {
		return
	}
	b.sequenced, b.epoch, b.sequence = true, q.epoch, q.next
	q.next = addSequence(q.next, b.count)
}

// trim removes acknowledged batches from the front. p.mu is held.
func (p *producer) trim(q *queue) {
	n := 0
	for n < len(q.batches) && q.batches[n].state == done {
		p.release(q.batches[n])
		p.recycle(q.batches[n])
		n++
	}
	q.batches = slices.Delete(q.batches, 0, n)
}

// split puts two halves in the place of a batch. They have its sequences, so that nothing changes for those behind it, and
// the broker refuses them if it has the whole after all. p.mu is held.
func (p *producer) split(q *queue, b *batch) {
	records := slices.Concat(b.parts...)
	half := len(records) / 2
	first, second := p.newBatch(q), p.newBatch(q)
	for _, part := range []struct {
		*batch
		records []broker.Record
		skip    int
	}{{first, records[:half], 0}, {second, records[half:], half}} {
		part.parts = append(part.parts, part.records)
		part.count = len(part.records)
		_, part.bytes = prefix(part.records, int(^uint(0)>>1))
		part.deadline = b.deadline
		part.uncertain = b.uncertain
		part.sequenced, part.epoch, part.sequence = true, b.epoch, addSequence(b.sequence, part.skip)
	}
	second.lent = append(second.lent, b.lent...) // batches leave the queue in its order
	q.limit = max(min(q.limit, b.bytes/2), 1)
	i := slices.Index(q.batches, b)
	q.batches = slices.Replace(q.batches, i, i+1, first, second)
	p.pending++
	p.bytes += first.bytes + second.bytes - b.bytes
	p.recycle(b)
}
