package produce

import (
	"context"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
)

// Abort implements broker.Producer. If ctx ends before it is done, Abort must be called again.
func (p *producer) Abort(ctx context.Context) error {
	t := p.txn
	if t == nil {
		return nil
	}
	p.mu.Lock()
	if p.err != nil || t.err == nil && len(t.members) == 0 && !t.started {
		defer p.mu.Unlock()
		return p.err
	}
	t.doom(errAborting)
	p.mu.Unlock()

	if err := t.settle(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	t.drop()
	started, known := t.started, t.known
	identity := p.identity
	p.mu.Unlock()
	if started {
		_, err := t.finish(ctx, false)
		if code, _ := fault.CodeOf(err); code == sarama.ErrInvalidTxnState && !known {
			err = nil // the coordinator was never reached, so there is nothing to abort
		}
		if err != nil {
			return t.cannotAbort(err)
		}
	}
	p.mu.Lock()
	anew := t.anew // to be asked for again if Abort is
	p.mu.Unlock()
	if anew {
		if err := t.register(ctx, identity); err != nil {
			return t.cannotAbort(err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t.reset()
	return nil
}

func (t *openTransaction) cannotAbort(err error) error {
	p := t.producer
	p.mu.Lock()
	defer p.mu.Unlock()
	final := !fault.IsUnanswered(err)
	err = fmt.Errorf("abort transaction %q: %w", t.id, fault.Translate(err))
	if final {
		p.end(err)
	}
	return err
}

// settle waits until nothing of the transaction is on its way any more.
func (t *openTransaction) settle(ctx context.Context) error {
	p := t.producer
	patience := time.NewTimer(abortPatience)
	defer patience.Stop()
	for {
		p.mu.Lock()
		idle := t.adding == nil && p.busy == 0
		for _, q := range p.queues {
			idle = idle && q.inFlight == 0
		}
		err := p.err
		p.waiting = true
		p.mu.Unlock()
		if idle || err != nil {
			return err
		}
		select {
		case <-p.changed:
		case <-patience.C:
			p.network.interrupt()
			t.coordinator.Interrupt()
		case <-ctx.Done():
			return fmt.Errorf("abort transaction %q: %w", t.id, ctx.Err())
		}
	}
}

// drop forgets unacknowledged batches. p.mu is held, and nothing is on its way.
func (t *openTransaction) drop() {
	p := t.producer
	for _, q := range p.queues {
		for _, b := range q.batches {
			if b.state != done {
				t.anew = t.anew || b.sequenced
				p.pending--
				p.bytes -= b.bytes
			}
			p.release(b)
			p.recycle(b)
		}
		clear(q.batches)
		q.batches = q.batches[:0]
		q.held, q.anew = false, false
	}
}

// abandon aborts an open transaction if that can be done soon.
func (t *openTransaction) abandon() {
	p := t.producer
	p.mu.Lock()
	idle := p.err != nil || !t.started
	p.mu.Unlock()
	if idle {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	if err := p.Abort(ctx); err != nil {
		p.network.log.Warn("cannot abort a transaction on closing, the cluster will when it times out",
			"transactional id", t.id, "error", err)
	}
}
