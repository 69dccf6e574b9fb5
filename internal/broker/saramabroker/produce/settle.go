package produce

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
)

// outcome is the fate of a batch that was to be sent.
type outcome struct {
	err      error // nil if it was appended
	unsent   bool  // it was not even sent
	offset   int64 // of its first record, or -1
	logStart int64 // first offset of the partition, or -1
}

// settle decides about a batch, by the rules of the Java client (TransactionManager.canRetry and
// KIP-360) where they do not give a batch that may have been appended a second place. p.mu is held.
func (p *producer) settle(b *batch, o outcome) {
	q := b.queue
	q.inFlight--
	b.state = queued
	switch code, _ := fault.CodeOf(o.err); {
	case o.err == nil, code == sarama.ErrDuplicateSequenceNumber:
		p.acknowledge(b, o.offset)
	case p.failure() != nil: // nothing matters any more, but whether it may have been appended
		b.uncertain = b.uncertain || mayBeAppended(code, o.unsent)
	case code == sarama.ErrOutOfOrderSequenceNumber && q.front() != b:
		// Batches in front of it were not appended, and are sent again before it.
		q.held = true
	case code == sarama.ErrOutOfOrderSequenceNumber, code == sarama.ErrUnknownProducerID:
		p.settleGap(b, o, code)
	case code == sarama.ErrMessageSizeTooLarge, code == sarama.ErrMessageSetSizeTooLarge:
		if b.count == 1 {
			p.giveUp(q.tp, fmt.Errorf("a record of %d bytes before compression exceeds max.message.bytes of the topic: %w", b.bytes, o.err))
			break
		}
		q.held = true
		p.split(q, b)
	case isRetriableAppend(o.err):
		b.uncertain = b.uncertain || mayBeAppended(code, o.unsent)
		p.retry(q, o.err)
	default:
		p.giveUp(q.tp, o.err)
	}
	if q.inFlight == 0 {
		p.resume(q)
	}
}

// acknowledge notes that a batch was appended.
func (p *producer) acknowledge(b *batch, offset int64) {
	q := b.queue
	b.state = done
	if p.onAcknowledged != nil {
		p.onAcknowledged(q.tp, b.parts[0][0].Millis)
	}
	if offset >= 0 { // it is not known of a duplicate that the broker has half forgotten
		q.last = max(q.last, offset+int64(b.count)-1)
	}
	q.proven = b.epoch == q.epoch
	q.failures, q.lastErr = 0, nil
	p.pending--
	p.bytes -= b.bytes
	p.trim(q)
	p.announce()
}

// settleGap handles a batch at the front with a sequence that does not follow the broker's, although all batches before it
// were acknowledged: the broker has lost records, or has forgotten the producer because all its records have expired.
func (p *producer) settleGap(b *batch, o outcome, code sarama.KError) {
	q := b.queue
	switch {
	case p.txn != nil: // the transaction may have lost records; Abort begins a new epoch
		p.giveUp(q.tp, o.err)
	case code == sarama.ErrUnknownProducerID && o.logStart < 0:
		p.retry(q, o.err) // the partition is moving; later it is known where the log begins
	case code == sarama.ErrOutOfOrderSequenceNumber && b.uncertain:
		p.giveUp(q.tp, fmt.Errorf("the broker has lost records, and may have appended these: %w", o.err))
	case q.epoch == math.MaxInt16:
		p.giveUp(q.tp, fmt.Errorf("no epoch is left: %w", o.err))
	default:
		if code == sarama.ErrOutOfOrderSequenceNumber {
			p.network.log.Error("the broker has lost records that it had acknowledged",
				"topic", q.tp.Topic, "partition", q.tp.Partition, "last", q.last)
		}
		q.held, q.anew = true, true
	}
}

// retry has the batches of a queue sent again, perhaps to another leader, when all are back.
func (p *producer) retry(q *queue, err error) {
	q.held, q.relead = true, true
	p.failed(q, err)
}

// resume lets a queue without requests on their way go on.
func (p *producer) resume(q *queue) {
	q.held = false
	if q.anew && p.failure() == nil {
		// The epoch counts for this partition only; brokers take the next one without being told.
		q.anew = false
		q.epoch, q.next, q.proven = q.epoch+1, 0, false
		for _, b := range q.batches {
			b.sequenced = false
		}
	}
	if q.relead {
		q.relead, q.proven = false, false
		p.unlead(q)
		q.notBefore = time.Now().Add(fault.Backoff.Wait(q.failures))
		p.leaderless.Notify()
	}
	p.announce()
}

// mayBeAppended says whether a batch may be in the log although it was not acknowledged. Codes that are known to come
// before anything is appended are the exceptions.
func mayBeAppended(code sarama.KError, unsent bool) bool {
	if unsent {
		return false
	}
	switch code {
	case sarama.ErrNotEnoughReplicas, sarama.ErrUnknownTopicOrPartition, sarama.ErrInvalidMessage,
		sarama.ErrOutOfOrderSequenceNumber, sarama.ErrUnknownProducerID, sarama.ErrMessageSizeTooLarge,
		sarama.ErrMessageSetSizeTooLarge, sarama.ErrTopicAuthorizationFailed, sarama.ErrInvalidRecord,
		sarama.ErrInvalidTimestamp, sarama.ErrInvalidProducerEpoch, sarama.ErrConcurrentTransactions:
		return false
	}
	return true
}

// isRetriableAppend says that the same batch may be appended later, perhaps by another leader.
func isRetriableAppend(err error) bool {
	if fault.IsRetriable(err) {
		return true
	}
	code, _ := fault.CodeOf(err)
	switch code {
	case sarama.ErrUnknownTopicOrPartition, // a new leader that has not heard of its partition
		sarama.ErrNotEnoughReplicas, sarama.ErrNotEnoughReplicasAfterAppend, sarama.ErrInvalidMessage,
		sarama.ErrConcurrentTransactions, sarama.ErrThrottlingQuotaExceeded, sarama.ErrUnknownLeaderEpoch:
		return true
	}
	return false
}

// expire gives up for a batch that was not acknowledged in time. p.mu is held.
func (p *producer) expire(q *queue) {
	err := fmt.Errorf("%w: not acknowledged within %s", weir.ErrUnavailable, p.timeout)
	switch {
	case errors.Is(fault.Translate(q.lastErr), weir.ErrUnknownTopic):
		err = fmt.Errorf("not acknowledged within %s: %w: %w", p.timeout, broker.ErrHopeless, fault.Translate(q.lastErr))
	case q.lastErr != nil:
		err = fmt.Errorf("%w: %w", err, q.lastErr)
	case !p.identified && p.lastErr != nil:
		err = fmt.Errorf("%w: no producer ID: %w", err, p.lastErr)
	}
	p.giveUp(q.tp, err)
}
