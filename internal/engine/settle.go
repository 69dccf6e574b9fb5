package engine

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/weirstreams/weir/operator"
)

// settle lets the operators hand on what they hold back: at the end of each run of records, so that records of other inputs
// do not overtake it. Records that fail are skipped if the policy says so. After an error that isBackpressure the rest is
// held still.
func (t *task) settle(onError func(*operator.ProcessingError) Action) error {
	if t.env.Settled() {
		return nil
	}
	origin := t.env.Origin
	defer func() { t.env.Origin = origin }()
	for {
		failure := t.settleOnce()
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

// settleOnce settles until a record fails.
func (t *task) settleOnce() (failure *operator.ProcessingError) {
	defer func() {
		if p := recover(); p != nil {
			err, ok := p.(error)
			if !ok {
				err = fmt.Errorf("%v", p)
			}
			failure = t.processingError(err)
			failure.Stack = debug.Stack()
		}
	}()
	if err := t.env.Settle(); err != nil {
		return t.processingError(err)
	}
	return nil
}
