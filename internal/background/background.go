// Package background runs functions beside their callers. A context may carry a [Runner] that does so in place of goroutines.
package background

import "context"

// Runner runs functions in place of goroutines: a simulation has its own order of them.
type Runner interface {
	// Start runs f later, and does not wait.
	Start(f func())
	// Wait returns when some function has run, or with the cause of the end of ctx.
	Wait(ctx context.Context) error
}

type runnerKey struct{}

// With returns a context with a runner: Go hands the functions of that context to it. A runner that is nil changes nothing.
func With(ctx context.Context, r Runner) context.Context {
	if r == nil || ctx.Value(runnerKey{}) == r {
		return ctx
	}
	return context.WithValue(ctx, runnerKey{}, r)
}

// Job is a function that runs beside its caller.
type Job struct {
	runner Runner // nil for a goroutine
	ended  chan struct{}
}

// Go begins to run f: by the runner of ctx, or on a goroutine. The caller waits for its end.
func Go(ctx context.Context, f func()) *Job {
	j := &Job{ended: make(chan struct{})}
	run := func() {
		defer close(j.ended)
		f()
	}
	if j.runner, _ = ctx.Value(runnerKey{}).(Runner); j.runner != nil {
		j.runner.Start(run)
	} else {
		go run()
	}
	return j
}

// Wait returns nil when the function has ended, or the cause of the end of ctx.
func (j *Job) Wait(ctx context.Context) error {
	for {
		select {
		case <-j.ended:
			return nil
		default:
		}
		if j.runner == nil {
			break
		}
		if err := j.runner.Wait(ctx); err != nil {
			return err
		}
	}
	select {
	case <-j.ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
