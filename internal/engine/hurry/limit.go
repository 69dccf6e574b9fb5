// Package hurry bounds the work of a worker while tasks wait to be given away.
package hurry

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errHurried ends the waiting of a step.
var errHurried = errors.New("tasks were to go, and the cluster did not answer in time")

// Limit lets other goroutines end the waiting of a step, and bounds the checkpoint before tasks go. The worker tells it of the beginning and
// the end of each step, and uses its contexts. Hurry may be called by any goroutine, the other methods by that of the worker.
//
// It promises that a step that was hurried fails when the timeout is over, and that End says that this is the reason.
type Limit struct {
	timeout   time.Duration
	afterFunc func(d time.Duration, f func()) (stop func())
	// current is the context of the call of the worker that is under way.
	current context.Context

	mu     sync.Mutex // guards the fields below
	parent context.Context
	// step is the context of the steps with this parent: made once, and again after it was used.
	step    context.Context
	cancel  context.CancelCauseFunc
	running bool // a step is under way
}

// NewLimit returns a limit of a timeout. afterFunc calls f when d is over, unless stop is called before; nil means that of package time.
func NewLimit(timeout time.Duration, afterFunc func(d time.Duration, f func()) (stop func())) *Limit {
	return &Limit{timeout: timeout, afterFunc: afterFunc}
}

// Hurry bounds the step that is under way: if it still waits when the timeout is over its context is cancelled. The returned function is
// called when the step has ended.
func (l *Limit) Hurry() (ended func()) {
	if l.afterFunc != nil {
		return l.afterFunc(l.timeout, l.hurry)
	}
	timer := time.AfterFunc(l.timeout, l.hurry)
	return func() { timer.Stop() }
}

func (l *Limit) hurry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running {
		l.cancel(errHurried)
	}
}

// Bound returns a context for a checkpoint before tasks go. It ends when the timeout is over, with context.DeadlineExceeded as its cause.
func (l *Limit) Bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if l.afterFunc == nil {
		return context.WithTimeout(ctx, l.timeout)
	}
	bounded, cancel := context.WithCancelCause(ctx)
	stop := l.afterFunc(l.timeout, func() { cancel(context.DeadlineExceeded) })
	return bounded, func() {
		stop()
		cancel(nil)
	}
}

// Enter notes the context of a call that is no step.
func (l *Limit) Enter(ctx context.Context) { l.current = ctx }

// Current returns the context of the call of the worker that is under way. Operators and outputs ask for it: a call of theirs comes in the
// middle of one of the worker's, and has no context of its own.
func (l *Limit) Current() context.Context { return l.current }

// Begin returns the context of a step, and enters it.
func (l *Limit) Begin(parent context.Context) context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.parent != parent || l.step.Err() != nil {
		if l.cancel != nil {
			l.cancel(nil)
		}
		l.parent = parent
		l.step, l.cancel = context.WithCancelCause(parent)
	}
	l.running, l.current = true, l.step
	return l.step
}

// End notes the end of the step, and reports whether err comes of Hurry.
func (l *Limit) End(err error) (hurried bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = false
	return errors.Is(context.Cause(l.step), errHurried) && (errors.Is(err, context.Canceled) || errors.Is(err, errHurried))
}

// Close releases the parent context.
func (l *Limit) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel != nil {
		l.cancel(nil)
	}
}
