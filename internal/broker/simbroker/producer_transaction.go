package simbroker

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// errNotTransactional is the error of Commit and Abort without a TransactionalID.
var errNotTransactional = errors.New("the producer has no TransactionalID")

// Commit implements [broker.Producer]. It is made of OpProduce, OpAddOffsets and OpEndTransaction.
func (p *producer) Commit(
	ctx context.Context, member broker.GroupMember, offsets map[broker.TopicPartition]int64, details broker.CommitDetails,
) error {
	if p.transactional == nil {
		return fmt.Errorf("commit transaction: %w", errNotTransactional)
	}
	if err := p.usable(); err != nil {
		return err
	}
	p.checkUnchanged()
	if !p.begun && len(offsets) == 0 {
		return nil
	}
	p.begun = true
	err := p.broker.around(ctx, Op{Kind: OpCommitTransaction, Client: p.name, Group: member.Group}, func() error {
		return p.commit(ctx, member, offsets, details)
	})
	switch {
	case err == nil || p.err != nil:
	case p.begun: // ctx or a hook ended it before the last request
		p.err = fmt.Errorf("%w: %w", broker.ErrAborted, err)
	default:
		p.err = err
	}
	if p.err != nil {
		err = p.err
	}
	if err != nil {
		return fmt.Errorf("commit transaction of %q: %w", p.cfg.TransactionalID, err)
	}
	return nil
}

func (p *producer) commit(
	ctx context.Context, member broker.GroupMember, offsets map[broker.TopicPartition]int64, details broker.CommitDetails,
) error {
	if err := p.deliverAll(ctx); err != nil {
		return err
	}
	if len(offsets) > 0 {
		p.reached = true
		epoch := p.epoch
		err := p.broker.call(ctx, Op{Kind: OpAddOffsets, Client: p.name, Group: member.Group}, func() error {
			return p.transactional.addOffsets(epoch, member, commits(offsets, details))
		})
		switch {
		case err == nil:
		case errors.Is(err, weir.ErrFenced), errors.Is(err, errNotOwned):
			p.err = err
			return err
		default:
			p.err = fmt.Errorf("%w: %w", broker.ErrAborted, err)
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// From here on nobody can tell without an answer.
	if p.err = p.endTransaction(context.WithoutCancel(ctx), true); p.err == nil {
		p.begun = false
	}
	return p.err
}

// Abort implements [broker.Producer]. Sent records that were not appended never are.
func (p *producer) Abort(ctx context.Context) error {
	if p.transactional == nil {
		return fmt.Errorf("abort transaction: %w", errNotTransactional)
	}
	if err := p.usable(); err != nil && !errors.Is(err, broker.ErrAborted) {
		return err
	}
	if p.closed.Load() {
		return fmt.Errorf("%s: %w", p.name, errClosed)
	}
	err := p.broker.around(ctx, Op{Kind: OpAbortTransaction, Client: p.name}, func() error {
		p.drop()
		if p.reached {
			if err := p.endTransaction(context.WithoutCancel(ctx), false); err != nil {
				p.err = err
				return err
			}
		}
		p.begun, p.err = false, nil
		return nil
	})
	if err != nil {
		return fmt.Errorf("abort transaction of %q: %w", p.cfg.TransactionalID, err)
	}
	return nil
}

// endTransaction asks the cluster to end the transaction. If that was to commit it, and a request was left without an answer,
// its fate is unknown, and a later answer does not change that.
func (p *producer) endTransaction(ctx context.Context, commit bool) error {
	epoch, next := p.epoch, p.epoch
	var answer error
	lost, err := p.broker.request(ctx, Op{Kind: OpEndTransaction, Client: p.name}, func() error {
		next, answer = p.transactional.finish(epoch, commit)
		return answer
	})
	switch {
	case err == nil:
		p.epoch, p.reached = next, false
		clear(p.sequences)
		return nil
	case !commit, !lost && answer != nil:
		return err
	case errors.Is(err, weir.ErrFenced):
		return fmt.Errorf("%w: %v", broker.ErrUndecided, err) //nolint:errorlint // what it wraps would say that it was not committed
	default:
		return fmt.Errorf("%w: %w", broker.ErrUndecided, err)
	}
}
