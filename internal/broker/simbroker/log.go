package simbroker

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// partition is the log of one partition. Its records are its own: copied in, and copied out.
type partition struct {
	broker.TopicPartition
	topic *topic

	// start is the first offset that is retained, end the next one to be given.
	start, end int64
	// batches are in offset order. Compaction leaves holes in them and between them.
	batches []logBatch

	// leader is the leader epoch, and epochs says where each that has records began.
	leader int32
	epochs []epochStart

	// open holds the first offset of each open transaction, by producer id.
	open map[int64]int64
	// sources holds the last batch of each producer id, to tell a request that is repeated.
	sources map[int64]*lastBatch
}

// logBatch has the records of one request: Kafka's record batch.
type logBatch struct {
	// first and last are the offsets that the batch was given. Records with those may be gone.
	first, last int64
	records     []broker.Record

	source source
	// control marks the marker that ends a transaction, aborted the records of one that does not count.
	control, aborted bool

	// deleteHorizon is when the tombstones of the batch may go. It is set by the first compaction that retains them
	// (KIP-534), and zero before.
	deleteHorizon time.Time
}

// epochStart is the first offset of a leader epoch: a line of Kafka's leader-epoch-checkpoint.
type epochStart struct {
	epoch int32
	first int64
}

// source is the producer of a batch, and the sequence number of the batch's first record in this partition.
type source struct {
	producer int64
	epoch    int32
	sequence int32
}

// lastBatch is the last batch of a producer.
type lastBatch struct {
	source
	count int32
	last  int64
}

// unknownSource is that of batches without idempotence.
var unknownSource = source{producer: -1, epoch: -1, sequence: -1}

// append copies records to the end of the log and returns the offset of the last. There is at least one.
func (p *partition) append(records []broker.Record, from source, now time.Time) int64 {
	copied, _ := copyRecords(records)
	first := p.end
	for i := range copied {
		copied[i].Offset, copied[i].LeaderEpoch = p.end, p.leader
		if p.topic.logAppendTime() {
			copied[i].Millis = now.UnixMilli()
		}
		p.end++
	}
	p.batches = append(p.batches, logBatch{first: first, last: p.end - 1, records: copied, source: from})
	return p.end - 1
}

// appendInSequence appends records that are next in sequence. Those that are there already it does not append again.
func (p *partition) appendInSequence(records []broker.Record, from source, now time.Time) (last int64, err error) {
	previous := p.sources[from.producer]
	next := int32(0)
	switch {
	case previous == nil || from.epoch > previous.epoch:
	case from.epoch < previous.epoch:
		return 0, fmt.Errorf("epoch %d of producer %d is over: %w", from.epoch, from.producer, weir.ErrFenced)
	case from == previous.source:
		return previous.last, nil
	default:
		next = previous.sequence + previous.count
	}
	if from.sequence != next {
		return 0, fmt.Errorf("sequence %d of producer %d is out of order: %d is next", from.sequence, from.producer, next)
	}
	last = p.append(records, from, now)
	if p.sources == nil {
		p.sources = map[int64]*lastBatch{}
	}
	p.sources[from.producer] = &lastBatch{source: from, count: int32(len(records)), last: last}
	return last, nil
}

// beginTransaction notes that a transaction of a producer may have begun here.
func (p *partition) beginTransaction(producer, first int64) {
	if p.open == nil {
		p.open = map[int64]int64{}
	}
	if _, ok := p.open[producer]; !ok {
		p.open[producer] = first
	}
}

// mark appends the marker that ends the transaction of a producer.
func (p *partition) mark(producer int64, commit bool) {
	first := p.open[producer]
	delete(p.open, producer)
	if !commit {
		for i := range p.batches {
			if batch := &p.batches[i]; batch.source.producer == producer && batch.first >= first && !batch.control {
				batch.aborted = true
			}
		}
	}
	p.batches = append(p.batches, logBatch{first: p.end, last: p.end, control: true, source: source{producer: producer}})
	p.end++
}

// check says whether a broker would take records. One that it does not take keeps out all. max.message.bytes is that of each
// record, because clients split a batch that is too large.
func (p *partition) check(records []broker.Record, now time.Time) error {
	compacted, limit := p.topic.compacted(), p.topic.maxMessageBytes()
	earliest, latest := p.topic.timeLimits(now)
	for i := range records {
		r := &records[i]
		switch size := batchOverhead + recordBytes(r); {
		case compacted && r.Key == nil:
			return fmt.Errorf("%w: record %d of the batch has no key, which a compacted topic does not accept", broker.ErrRefused, i)
		case size > limit:
			return fmt.Errorf("%w: record %d of the batch makes it %d bytes, and max.message.bytes of the topic is %d", broker.ErrRefused, i, size, limit)
		case r.Millis < earliest || r.Millis > latest:
			return fmt.Errorf("%w: record %d of the batch has the timestamp %d, and the topic takes %d to %d", broker.ErrRefused, i, r.Millis, earliest, latest)
		}
	}
	return nil
}

// batchOverhead is the size of a batch without its records.
const batchOverhead = 61

// lastStable returns the offset at which a reader of committed records has to stop: the first of the transactions that
// are open, or the end of the log.
func (p *partition) lastStable() int64 {
	stable := p.end
	for _, first := range p.open {
		stable = min(stable, first)
	}
	return stable
}

// read returns at most limit records from offset on, and the offset at which to go on. The records belong to the log.
func (p *partition) read(offset int64, limit int) (records []broker.Record, next int64) {
	stable := p.lastStable()
	from := sort.Search(len(p.batches), func(i int) bool { return p.batches[i].last >= offset })
	for _, batch := range p.batches[from:] {
		if batch.control || batch.aborted {
			continue
		}
		for _, record := range batch.records {
			switch {
			case record.Offset < offset:
				continue
			case record.Offset >= stable:
				return records, stable
			}
			if records = append(records, record); len(records) == limit {
				return records, record.Offset + 1
			}
		}
	}
	return records, max(stable, offset)
}

// since returns the offset of the first record with a time of millis or later, or false.
func (p *partition) since(millis int64) (offset int64, ok bool) {
	for _, batch := range p.batches {
		if batch.control {
			continue
		}
		for _, record := range batch.records {
			if record.Offset >= p.start && record.Millis >= millis {
				return record.Offset, true
			}
		}
	}
	return 0, false
}

// deleteBefore moves the start of the log to offset; -1 stands for the end.
func (p *partition) deleteBefore(offset int64) error {
	if offset == -1 {
		offset = p.lastStable()
	}
	if offset < 0 || offset > p.lastStable() {
		return fmt.Errorf("offset %d is out of range: the partition holds %d to %d", offset, p.start, p.lastStable())
	}
	if offset <= p.start {
		return nil
	}
	p.start = offset
	p.batches = slices.DeleteFunc(p.batches, func(batch logBatch) bool { return batch.last < offset })
	if len(p.batches) > 0 {
		first := &p.batches[0]
		first.records = slices.DeleteFunc(first.records, func(r broker.Record) bool { return r.Offset < offset })
	}
	return nil
}

// truncate makes end the end of the log, and forgets the producers of records that go.
func (p *partition) truncate(end int64) error {
	if end < p.start || end > p.lastStable() {
		return fmt.Errorf("offset %d is out of range: the partition holds %d to %d", end, p.start, p.lastStable())
	}
	p.end = end
	p.elect()
	p.batches = slices.DeleteFunc(p.batches, func(batch logBatch) bool { return batch.first >= end })
	if n := len(p.batches); n > 0 && p.batches[n-1].last >= end {
		last := &p.batches[n-1]
		last.last = end - 1
		last.records = slices.DeleteFunc(last.records, func(r broker.Record) bool { return r.Offset >= end })
	}
	maps.DeleteFunc(p.sources, func(_ int64, last *lastBatch) bool { return last.last >= end })
	return nil
}

// elect begins the next leader epoch at the end of the log.
func (p *partition) elect() {
	p.leader++
	p.epochs = slices.DeleteFunc(p.epochs, func(e epochStart) bool { return e.first >= p.end })
	p.epochs = append(p.epochs, epochStart{p.leader, p.end})
}

// epochBefore returns the leader epoch of the log before an offset.
func (p *partition) epochBefore(offset int64) int32 {
	epoch := int32(0)
	for _, e := range p.epochs {
		if e.first < offset {
			epoch = e.epoch
		}
	}
	return epoch
}

// epochEnd returns the offset where the log of a leader epoch ends: that of the next epoch's first record, or the end of the log. ok is
// false if the epoch is later than that of the leader.
func (p *partition) epochEnd(epoch int32) (end int64, ok bool) {
	for _, e := range p.epochs {
		if e.epoch > epoch {
			return max(e.first, p.start), true // retention moves the starts of epochs
		}
	}
	return p.end, epoch <= p.leader
}

// compact keeps the last record of each key, and of tombstones those that are not old. Offsets do not change. Records from
// the first one on that is younger than min.compaction.lag.ms are left alone, and hide none before them.
func (p *partition) compact(now time.Time) {
	stable := min(p.lastStable(), p.firstYoung(now))
	latest := map[string]int64{}
	for _, batch := range p.batches {
		if batch.control || batch.aborted || batch.last >= stable {
			continue
		}
		for _, record := range batch.records {
			latest[string(record.Key)] = record.Offset
		}
	}
	for i := range p.batches {
		batch := &p.batches[i]
		if batch.control || batch.last >= stable {
			continue
		}
		dropTombstones := !batch.deleteHorizon.IsZero() && !now.Before(batch.deleteHorizon)
		batch.records = slices.DeleteFunc(batch.records, func(record broker.Record) bool {
			return batch.aborted || record.Key == nil || latest[string(record.Key)] != record.Offset || record.Value == nil && dropTombstones
		})
		tombstones := slices.ContainsFunc(batch.records, func(record broker.Record) bool { return record.Value == nil })
		if tombstones && batch.deleteHorizon.IsZero() {
			batch.deleteHorizon = now.Add(p.topic.deleteRetention())
		}
	}
	p.batches = slices.DeleteFunc(p.batches, func(batch logBatch) bool { return len(batch.records) == 0 && !batch.control })
}

// firstYoung returns the offset of the first batch that is too young to be compacted.
func (p *partition) firstYoung(now time.Time) int64 {
	lag := p.topic.compactionLag()
	for i := range p.batches {
		for _, record := range p.batches[i].records {
			if record.Millis > now.Add(-lag).UnixMilli() {
				return p.batches[i].first
			}
		}
	}
	return p.end
}
