package engine

import (
	"context"
	"fmt"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/eventtime"
	"github.com/weirstreams/weir/internal/engine/gate"
	"github.com/weirstreams/weir/operator"
)

// beforeCheckpoint lets the operators emit held-back results.
func (t *task) beforeCheckpoint() error {
	return t.call(func() error {
		for i := len(t.env.BeforeCheckpoint) - 1; i >= 0; i-- {
			if err := t.env.BeforeCheckpoint[i](); err != nil {
				return err
			}
			if err := t.env.Settle(); err != nil {
				return err
			}
		}
		return nil
	})
}

// call runs code of operators outside of the processing of a record. No policy can skip an error there.
func (t *task) call(f func() error) error {
	t.outside = true
	defer func() { t.outside = false }()
	if failure := t.guard(func() error { return operator.Fatal(f()) }); failure != nil {
		return failure
	}
	return nil
}

// takeOutWatermarks takes the watermark records out of a batch of a task's input.
func (t *task) takeOutWatermarks(b *broker.Batch) error {
	u, internal := t.upstreams[b.Topic]
	if !internal {
		return nil
	}
	lower, err := u.TakeOut(b, t.time != nil)
	if err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	if lower {
		return t.call(t.time.PassPace)
	}
	return nil
}

// forgetTime is called when the task goes back to its last checkpoint.
func (t *task) forgetTime() {
	for _, u := range t.upstreams {
		u.Forget()
	}
	for _, o := range t.promised {
		o.Forget()
	}
	if t.time != nil {
		t.time.Forget()
		t.env.LeastMillis = eventtime.Absent
	}
}

// settle lets the operators hand on held-back records: at the end of each run of records, so that records of other inputs
// do not overtake it. Records that fail are skipped if the policy says so. After an error that gate.IsPressure the rest is
// held still.
func (t *task) settle() error {
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
		if gate.IsPressure(failure) {
			return failure
		}
		if ctx := t.env.StepContext(); ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := t.judge(failure); err != nil {
			return err
		}
	}
}
