package runtime

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Until says when RunUntil stops. If both conditions are set, the first that holds ends the run.
type Until struct {
	// Outputs is how many outputs are enough: records that are written to topics of the topology or to sinks, and those
	// that come to an operator with nothing behind it. Internal topics do not count. The record that is being processed is finished,
	// so that there may be more outputs. 0 means any number.
	Outputs int64
	// Idle is how long no record may come. It counts from when the group has assigned partitions and state is restored,
	// and begins anew with each record, assignment and restore; the time that functions take does not count. 0 means for
	// ever.
	Idle time.Duration
}

// RunUntil is Run that also stops, without an error, when there is enough output or no more input: for programs that
// process what is there, for debugging and for tests.
func (a *App) RunUntil(ctx context.Context, until Until) error {
	if until.Outputs < 0 || until.Idle < 0 {
		return errors.New("run: Until.Outputs and Until.Idle must not be negative")
	}
	if until == (Until{}) {
		return a.Run(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	log := a.config.Logger
	if until.Outputs > 0 {
		var outputs atomic.Int64
		a.onOutputs = func(n int64) bool {
			enough := outputs.Add(n) >= until.Outputs
			if enough && ctx.Err() == nil {
				log.Info("stopping: enough outputs", "outputs", until.Outputs)
				cancel()
			}
			return enough
		}
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if until.Idle > 0 && a.idle(ctx, until.Idle) {
			log.Info("stopping: no more input", "idle", until.Idle)
			cancel()
		}
	}()
	err := a.Run(ctx)
	cancel()
	<-watched
	return err
}

// idle waits until no record has come for some time, or ctx ends, which it reports as false.
func (a *App) idle(ctx context.Context, limit time.Duration) bool {
	tick := time.NewTicker(max(time.Millisecond, min(limit/10, 100*time.Millisecond)))
	defer tick.Stop()
	last, since := activity{}, time.Now()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		now := a.activity()
		if now != last || now.busy || now.state != Running {
			last, since = now, time.Now()
		} else if time.Since(since) >= limit {
			return true
		}
	}
}

// activity is what tells that an App is not idle when it changes.
type activity struct {
	state     State
	tasks     int
	processed int64
	// busy is set while a record is processed or state is restored.
	busy bool
}

func (a *App) activity() activity {
	now := activity{state: State(a.state.Load())}
	workers := a.workers.Load()
	if workers == nil {
		return now
	}
	for _, w := range *workers {
		now.busy = now.busy || w.engine.Working()
		for _, t := range w.engine.Status() {
			now.tasks++
			now.processed += t.Processed
			now.busy = now.busy || t.Restoring
		}
	}
	return now
}
