// Package gate says whether the input of a worker is held back: a sink takes no more, a lookup is unavailable, or a codec cannot reach a
// system that it needs.
package gate

import (
	"log/slog"
	"time"

	"github.com/weirstreams/weir/internal/clock"
)

// Gate knows until when input is held back, and tells the log about it. It stops nothing by itself: the worker calls it
// before it pauses and resumes the fetcher, and asks it before it processes input or makes a checkpoint. Only the goroutine of the
// worker calls its methods.
//
// It promises that the log says that input is held back once, and every warningInterval while that lasts, and says once that it goes on:
// after a checkpoint, with no record left that waits for a codec.
type Gate struct {
	clock  clock.Clock
	logger *slog.Logger
	// until is the time of the next try, zero while the gate is open.
	until time.Time
	// since is when input was held back first, zero after a checkpoint. warned is when the log said so last.
	since, warned time.Time
	outages       outages
}

// warningInterval is how often the log says that input is held back.
const warningInterval = time.Minute

// New returns an open gate.
func New(clock clock.Clock, logger *slog.Logger) *Gate { return &Gate{clock: clock, logger: logger} }

// Hold closes the gate for a time.
func (g *Gate) Hold(wait time.Duration, cause error) {
	now := g.clock.Now()
	if g.since.IsZero() {
		g.since, g.warned = now, now.Add(-warningInterval)
	}
	if now.Sub(g.warned) >= warningInterval {
		g.warned = now
		g.logger.Warn("input is held back", "wait", wait, "since", g.since, "cause", cause)
	}
	g.until = now.Add(wait)
}

// Held reports whether the gate is closed.
func (g *Gate) Held() bool { return !g.until.IsZero() }

// Since returns when input was held back first, and zero if nothing waits.
func (g *Gate) Since() time.Time { return g.since }

// Idle reports whether input is not held back, and nothing has waited since the last checkpoint.
func (g *Gate) Idle() bool { return !g.Held() && g.since.IsZero() && len(g.outages) == 0 }

// Due reports whether it is time to try again.
func (g *Gate) Due() bool { return !g.clock.Now().Before(g.until) }

// Open opens the gate, and reports whether it was closed.
func (g *Gate) Open() (was bool) {
	was = g.Held()
	g.until = time.Time{}
	return was
}

// UntilDue cuts a waiting time so that the next try is not late.
func (g *Gate) UntilDue(wait time.Duration) time.Duration {
	if g.Held() {
		wait = min(wait, g.until.Sub(g.clock.Now()))
	}
	return wait
}

// Forget begins anew after tasks have gone: the log says again that input is held back.
func (g *Gate) Forget() { g.since = time.Time{} }

// Checkpointed notes that there is a checkpoint: nothing waits any more but records that wait for a codec.
func (g *Gate) Checkpointed() {
	if g.since.IsZero() || len(g.outages) > 0 {
		return
	}
	g.logger.Info("input goes on", "after", g.clock.Now().Sub(g.since).Round(time.Millisecond))
	g.since = time.Time{}
}
