package engine

import (
	"context"

	"github.com/weirstreams/weir"
)

// settle lets the operators hand on held-back records: at the end of each run of records, so that records of other inputs
// do not overtake it. Records that fail are skipped if the policy says so. After an error that isBackpressure the rest is
// held still.
func (t *task) settle(onError func(*weir.ProcessingError) Action) error {
	if t.env.Settled() {
		return nil
	}
	origin := t.env.Origin
	defer func() { t.env.Origin = origin }()
	for {
		failure := t.guard(t.env.Settle)
		if failure == nil {
			return nil
		}
		if isBackpressure(failure) {
			return failure
		}
		if ctx := t.env.StepContext(); ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := t.judge(failure, onError); err != nil {
			return err
		}
	}
}
