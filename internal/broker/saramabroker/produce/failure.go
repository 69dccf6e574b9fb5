package produce

import (
	"errors"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
)

// failure returns why nothing can be sent, or nil. p.mu is held.
func (p *producer) failure() error {
	if p.err == nil && p.txn != nil {
		return p.txn.err
	}
	return p.err
}

// giveUp ends the transaction after the failure of a batch, or the producer if there is none. p.mu is held.
func (p *producer) giveUp(tp broker.TopicPartition, err error) {
	if p.ctx.Err() == nil { // else it was closed
		p.report(tp, err, false)
	}
	if p.txn == nil || errors.Is(fault.Translate(err), weir.ErrFenced) {
		p.fail(tp, err)
		return
	}
	p.txn.doom(&broker.DeliveryError{TopicPartition: tp, Err: fmt.Errorf("%w: %w", broker.ErrAborted, fault.Translate(err))})
}

// report tells of an error of a partition. p.mu is held.
func (p *producer) report(tp broker.TopicPartition, err error, retrying bool) {
	if p.onError != nil {
		p.onError(broker.PartitionError{TopicPartition: tp, Offset: -1, Err: fault.Translate(err), Retrying: retrying})
	}
}

// worthReporting is the number of failures in a row that is reported.
const worthReporting = 5

// failed counts an error that is not final. p.mu is held.
func (p *producer) failed(q *queue, err error) {
	q.failures++
	q.lastErr = err
	if q.failures == worthReporting {
		p.report(q.tp, err, true)
	}
}

// fail ends the producer because a batch cannot be delivered. p.mu is held.
func (p *producer) fail(tp broker.TopicPartition, err error) {
	p.end(&broker.DeliveryError{TopicPartition: tp, Err: fault.Translate(err)})
}

// end makes err the result of every later call, unless there is such an error, and makes all requests on their way
// fail. p.mu is held.
func (p *producer) end(err error) {
	if p.err == nil {
		p.err = err
		p.shut()
	}
}

// shut makes all requests fail, those on their way too. p.mu is held.
func (p *producer) shut() {
	p.cancel()
	p.network.close()
	if p.txn != nil {
		p.txn.coordinator.Shut()
	}
	p.announce()
}
