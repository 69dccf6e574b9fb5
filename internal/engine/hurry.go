package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/weirstreams/weir/internal/broker"
)

// errHurried ends the waiting of a step.
var errHurried = errors.New("tasks were to go, and the cluster did not answer in time")

// haste lets other goroutines end the waiting of a step. Its context is made once, and again after it was used.
type haste struct {
	mu      sync.Mutex // guards what follows
	parent  context.Context
	context context.Context
	cancel  context.CancelCauseFunc
	running bool // a step is under way
}

// Hurry bounds the step that is under way, for a job that waits for its end: if the step still waits for the cluster when
// RevokeTimeout is over it gives up and goes back to the last checkpoint. The returned function is called when the step has
// ended. Any goroutine may call Hurry.
func (w *Worker) Hurry() (ended func()) {
	if w.config.AfterFunc != nil {
		return w.config.AfterFunc(w.config.RevokeTimeout, w.haste.hurry)
	}
	timer := time.AfterFunc(w.config.RevokeTimeout, w.haste.hurry)
	return func() { timer.Stop() }
}

// withRevokeTimeout returns a context for a checkpoint before tasks go.
func (w *Worker) withRevokeTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if w.config.AfterFunc == nil {
		return context.WithTimeout(ctx, w.config.RevokeTimeout)
	}
	bounded, cancel := context.WithCancelCause(ctx)
	stop := w.config.AfterFunc(w.config.RevokeTimeout, func() { cancel(context.DeadlineExceeded) })
	return bounded, func() {
		stop()
		cancel(nil)
	}
}

func (h *haste) hurry() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running {
		h.cancel(errHurried)
	}
}

// begin returns the context of a step.
func (h *haste) begin(parent context.Context) context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.parent != parent || h.context.Err() != nil {
		if h.cancel != nil {
			h.cancel(nil)
		}
		h.parent = parent
		h.context, h.cancel = context.WithCancelCause(parent)
	}
	h.running = true
	return h.context
}

// end notes the end of the step, and reports whether err comes of hurry.
func (h *haste) end(err error) (hurried bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running = false
	return errors.Is(context.Cause(h.context), errHurried) && (errors.Is(err, context.Canceled) || errors.Is(err, errHurried))
}

// close lets go of the parent.
func (h *haste) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cancel != nil {
		h.cancel(nil)
	}
}

// giveUp goes back to the last checkpoint after one that took too long. It does not do so for a transaction of unknown
// fate.
func (w *Worker) giveUp(ctx context.Context, cause error) error {
	if errors.Is(cause, broker.ErrUndecided) {
		return w.startOver(ctx, cause)
	}
	if !w.config.ExactlyOnce {
		// Records in the producer, changelog records among them, must not follow when the tasks belong to another member.
		if err := w.replaceProducer(); err != nil {
			return fmt.Errorf("%w (after: %w)", err, cause)
		}
	}
	return w.rewind(ctx, cause)
}
