package filesink

import (
	"context"

	"github.com/weirstreams/weir/sink"
)

// Plain makes a writer of one in two phases, which commits at once.
func Plain[K, V any](ctx context.Context, w sink.TwoPhaseWriter[K, V]) (sink.Writer[K, V], error) {
	// The least epoch: nothing of others is removed.
	if err := w.Recover(ctx, "", nil); err != nil {
		return nil, err
	}
	return &plain[K, V]{TwoPhaseWriter: w}, nil
}

type plain[K, V any] struct {
	sink.TwoPhaseWriter[K, V]
	// token is prepared and not committed.
	token []byte
}

func (p *plain[K, V]) Flush(ctx context.Context, c sink.Checkpoint) error {
	if p.token == nil {
		var err error
		if p.token, err = p.Prepare(ctx, c); err != nil || p.token == nil {
			return err
		}
	}
	if err := p.Commit(ctx, p.token); err != nil {
		return err
	}
	p.token = nil
	return nil
}
