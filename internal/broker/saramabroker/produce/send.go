package produce

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
	"github.com/weirstreams/weir/internal/broker/saramabroker/wire"
)

// Send implements broker.Producer. Nothing of records is sent when one of them is refused, and nothing may be sent
// after that.
func (p *producer) Send(ctx context.Context, tp broker.TopicPartition, records []broker.Record) error {
	if len(records) == 0 {
		return nil
	}
	q, err := p.queueOf(ctx, tp)
	if err != nil {
		return err
	}
	bytes, err := p.check(records)
	if err != nil {
		return p.refuse(tp, err)
	}
	all := records
	for len(records) > 0 {
		n, size := len(records), bytes
		if size > batchBytes {
			n, size = prefix(records, batchBytes)
		}
		var lent []broker.Record
		if n == len(records) {
			lent = all
		}
		if err := p.wait(ctx, func() bool { return p.enqueue(q, records[:n], lent, size) }); err != nil {
			return err
		}
		records, bytes = records[n:], bytes-size
	}
	runtime.Gosched() // the sender finds the records in the processor's cache, even if there is no other processor for it
	return nil
}

// prefix returns the number of records that fit into limit bytes, at least 1, and their size.
func prefix(records []broker.Record, limit int) (n, bytes int) {
	for i := range records {
		size := wire.RecordSize(&records[i])
		if bytes+size > limit && i > 0 {
			return i, bytes
		}
		bytes += size
	}
	return len(records), bytes
}

// sizeOf returns the number of partitions of a topic. It waits for brokers that are away for as long as a delivery may take.
func (p *producer) sizeOf(ctx context.Context, topic string) (partitions int32, err error) {
	begun := time.Now()
	for failures := 1; ; failures++ {
		partitions, err = p.network.topicSize(ctx, topic)
		if err == nil || !fault.IsRetriable(err) || time.Since(begun) >= p.timeout || fault.Backoff.Sleep(ctx, failures) != nil {
			return partitions, err
		}
	}
}

// queueOf returns the queue of a partition. The first time it asks whether there is such a partition.
func (p *producer) queueOf(ctx context.Context, tp broker.TopicPartition) (*queue, error) {
	p.mu.Lock()
	q, err := p.queues[tp], p.failure()
	p.mu.Unlock()
	if q != nil || err != nil {
		return q, err
	}
	partitions, known := p.topics[tp.Topic]
	if !known {
		partitions, err = p.sizeOf(ctx, tp.Topic)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("send to %q: %w", tp.Topic, ctx.Err())
		}
		if err != nil {
			return nil, p.refuse(tp, err)
		}
		p.topics[tp.Topic] = partitions
	}
	if tp.Partition < 0 || tp.Partition >= partitions {
		return nil, p.refuse(tp, fmt.Errorf("%w: the topic has %d partitions", weir.ErrUnknownTopic, partitions))
	}
	p.begin()
	p.mu.Lock()
	defer p.mu.Unlock()
	q = &queue{tp: tp, leader: noLeader, limit: batchBytes, epoch: p.identity.Epoch, last: -1}
	p.queues[tp] = q
	p.leaderless.Notify()
	return q, nil
}

// check returns the size of records, or why they cannot be sent.
func (p *producer) check(records []broker.Record) (bytes int, err error) {
	for i := range records {
		r := &records[i]
		size := wire.RecordSize(r)
		if size > p.maxRecord {
			return 0, fmt.Errorf("%w: its %d bytes exceed the limit of %d (MaxRecordBytes)", broker.ErrRefused, size, p.maxRecord)
		}
		if uint64(r.Millis) > uint64(wire.LatestMillis) {
			return 0, fmt.Errorf("%w: its timestamp %d lies before 1970 or after 2262", broker.ErrRefused, r.Millis)
		}
		bytes += size
	}
	return bytes, nil
}

// refuse fails because of records that cannot be sent.
func (p *producer) refuse(tp broker.TopicPartition, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.giveUp(tp, err)
	return p.failure()
}

// Flush implements broker.Producer. If ctx ends before, records may still be on their way, and their memory belongs to
// the producer until another Flush or Close returns.
func (p *producer) Flush(ctx context.Context) error {
	p.mu.Lock()
	p.flushing = true
	for _, s := range p.senders {
		s.kick.Notify()
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.flushing = false
		p.mu.Unlock()
	}()
	return p.wait(ctx, func() bool { return p.pending == 0 && (p.txn == nil || p.identified) })
}

// wait waits until ok returns true, which is called with p.mu held, or for a failure. Then no memory of the caller is
// in use any more.
func (p *producer) wait(ctx context.Context, ok func() bool) error {
	for {
		p.mu.Lock()
		if err := p.failure(); err != nil && p.busy == 0 {
			p.mu.Unlock()
			return err
		} else if err == nil && ok() {
			p.mu.Unlock()
			return nil
		}
		p.waiting = true
		p.mu.Unlock()
		select {
		case <-p.changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for deliveries: %w", ctx.Err())
		}
	}
}

// announce wakes the caller if it waits. p.mu is held.
func (p *producer) announce() {
	if p.waiting {
		p.waiting = false
		p.changed.Notify()
	}
}
