package runtime

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/internal/engine/offsets"
	"github.com/weirstreams/weir/internal/engine/outbox"
)

// Until says when RunUntil stops. If both conditions are set, the first that holds ends the run.
type Until struct {
	// Outputs is how many outputs are enough: records that are written to topics of the topology or to sinks, and those
	// that come to an operator with nothing behind it. Internal topics do not count. An output counts when a checkpoint
	// covers it, so that readers of committed records see it. The record that is being processed is finished, so that there
	// may be more outputs. 0 means any number.
	Outputs int64
	// Idle is how long no record may come. It counts from when the group has assigned partitions and state is restored,
	// and begins anew with each record, assignment and restore; the time that functions take does not count. The run then
	// ends if everything was read: Run makes a checkpoint and compares its positions with the ends of its partitions. If
	// there is more to read, above all of topics that the topology itself writes, the time begins anew. It does not pass while anything is paused
	// (App.Pause). 0 means for ever.
	Idle time.Duration
	// Sources ends the run when all sources outside of Kafka that this member reads have come to their ends, and their records are
	// processed: each has named its splits, all of them are read to their ends, a checkpoint covers that, and the tasks of this member
	// have read their partitions to the ends, and nothing is paused. Sources are shared among the members of the group: a member that reads none goes on. Sources
	// without an end never end it.
	Sources bool
}

// RunUntil is Run that also stops, without an error, when there is enough output or no more input: for programs that
// process existing records, for debugging and for tests. The errors are those of Run, and weir.ErrConfiguration if a limit is negative.
func (a *App) RunUntil(ctx context.Context, until Until) error {
	if until.Outputs < 0 || until.Idle < 0 {
		return fmt.Errorf("run: %w: Until.Outputs and Until.Idle must not be negative", weir.ErrConfiguration)
	}
	a.idleLimit, a.untilSources = until.Idle, until.Sources
	if until.Outputs > 0 {
		a.outputs = outbox.NewLimit(until.Outputs)
	}
	return a.Run(ctx)
}

// watchLimits calls stop when there is enough output or no more input. It returns then, or when ctx ends.
func (a *App) watchLimits(ctx, work context.Context, cluster broker.Cluster, workers []*worker, stop func()) {
	limit := a.idleLimit
	if limit == 0 && a.outputs == nil && !a.untilSources {
		return
	}
	interval := min(limit/10, 100*time.Millisecond)
	switch {
	case a.untilSources:
		interval = 50 * time.Millisecond
	case limit == 0:
		interval = time.Hour // there is nothing to look for
	}
	tick := time.NewTicker(max(time.Millisecond, interval))
	defer tick.Stop()
	last, since := activity{}, time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.outputs.Reached():
			a.config.Logger.Info("stopping: enough outputs")
			stop()
			return
		case <-tick.C:
		}
		if a.untilSources && len(a.pauses.all()) == 0 && a.sourcesDone() && a.everythingRead(ctx, work, cluster, workers) && a.sourcesDone() {
			a.config.Logger.Info("stopping: all sources are at their ends")
			stop()
			return
		}
		if limit == 0 {
			continue
		}
		if now := a.activity(); now != last || now.busy || now.state != Running {
			last, since = now, time.Now()
			continue
		}
		if time.Since(since) < limit {
			continue
		}
		if a.everythingRead(ctx, work, cluster, workers) && a.activity() == last {
			a.config.Logger.Info("stopping: no more input", "idle", limit)
			stop()
			return
		}
		since = time.Now()
	}
}

// everythingRead makes a checkpoint and reports whether the tasks of this process have read all records, also their
// own output: exactly once, that can be read only behind the checkpoint.
func (a *App) everythingRead(ctx, work context.Context, cluster broker.Cluster, workers []*worker) bool {
	settle := func(w *engine.Worker) error { return w.Settle(work) }
	if !a.onAll(ctx, workers, func(int) func(*engine.Worker) error { return settle }) {
		return false
	}
	positions := make([]engine.Positions, len(workers))
	if !a.onAll(ctx, workers, func(i int) func(*engine.Worker) error {
		return func(w *engine.Worker) error { positions[i] = w.Positions(); return nil }
	}) {
		return false
	}
	next := map[broker.TopicPartition]int64{}
	for _, p := range positions {
		if !p.Settled {
			return false
		}
		maps.Copy(next, p.Next)
	}
	unread, found, err := offsets.Unread(ctx, cluster, a.plan, next)
	switch {
	case err != nil:
		a.config.Logger.Debug("cannot tell whether everything was read", "error", err)
		return false
	case found:
		a.config.Logger.Debug("no record has come, and there are more to read", "partition", unread)
	}
	return !found
}

// onAll runs a job on each worker and reports whether all are done, without errors, before ctx ends.
func (a *App) onAll(ctx context.Context, workers []*worker, job func(i int) func(*engine.Worker) error) bool {
	jobs := make(map[int]func(*engine.Worker) error, len(workers))
	for i := range workers {
		jobs[i] = job(i)
	}
	done := make(chan error, 1)
	a.settling.Go(func() { done <- each(workers, jobs) }) // ends with the workers
	select {
	case err := <-done:
		return err == nil // one of a worker ends the run by itself
	case <-ctx.Done():
		return false
	}
}

// activity is a state that changes unless an App is idle.
type activity struct {
	state     State
	tasks     int
	processed int64
	// busy is set while a record is processed, state is restored, or something is paused.
	busy bool
}

func (a *App) activity() activity {
	now := activity{state: State(a.state.Load()), busy: len(a.pauses.all()) > 0}
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
