package produce

import (
	"context"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
)

// Commit implements broker.Producer.
func (p *producer) Commit(
	ctx context.Context, member broker.GroupMember, offsets map[broker.TopicPartition]int64, details broker.CommitDetails,
) error {
	t := p.txn
	if t == nil {
		return errNotTransactional
	}
	if err := p.Flush(ctx); err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.failure() == nil { // ctx has ended
			t.doom(fmt.Errorf("commit transaction %q: %w: %w", t.id, broker.ErrAborted, err))
		}
		return p.failure()
	}
	p.mu.Lock()
	empty := len(t.members) == 0 && len(offsets) == 0
	p.mu.Unlock()
	if empty {
		return nil
	}
	if len(offsets) > 0 {
		if err := t.commitOffsets(ctx, member, offsets, details); err != nil {
			return t.spoil("commit offsets", err)
		}
	}
	lost, err := t.finish(ctx, true)
	if err == nil {
		t.succeed(ctx)
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case lost: // whatever was said later, nobody knows what became of the first request
		p.end(fmt.Errorf("commit transaction %q: %w: %v", t.id, broker.ErrUndecided, err)) //nolint:errorlint // must not be ErrFenced
	case fault.IsUnanswered(err):
		t.doom(fmt.Errorf("commit transaction %q: %w: %w", t.id, broker.ErrAborted, fault.Translate(err)))
	default:
		p.end(fmt.Errorf("commit transaction %q: %w", t.id, fault.Translate(err)))
	}
	return p.failure()
}

// succeed makes ready for the next transaction after a commit. If that cannot be done the producer is of no more use, which
// is no error of the commit.
func (t *openTransaction) succeed(ctx context.Context) {
	p := t.producer
	var err error
	if t.takeAnew() {
		err = t.register(ctx, p.identity)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t.reset()
	if err != nil {
		p.end(fmt.Errorf("new epoch for transactional id %q, after requests without an answer: %w: %w", t.id, weir.ErrFenced, fault.Translate(err)))
	}
}

// commitOffsets adds offsets of a group to the transaction.
func (t *openTransaction) commitOffsets(
	ctx context.Context, member broker.GroupMember, offsets map[broker.TopicPartition]int64, details broker.CommitDetails,
) error {
	p := t.producer
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	p.mu.Lock()
	t.started = true
	p.mu.Unlock()
	return t.coordinator.CommitOffsets(ctx, p.identity, member, offsets, details, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		t.known = true
	})
}

// finish ends the transaction at the coordinator. It returns true if the fate of a sent request is not known.
func (t *openTransaction) finish(ctx context.Context, commit bool) (lost bool, err error) {
	return t.coordinator.End(ctx, t.producer.identity, commit)
}
