// Package backoff computes how long to wait before an operation is tried again.
//
// The waits grow from Policy.Base to Policy.Max, doubled with each failure in a row. The user of the package counts the failures,
// and resets the count after a success. Nothing here starts a goroutine or keeps a state, so a Policy may be a package variable.
package backoff

import (
	"context"
	"math/bits"
	"math/rand/v2"
	"time"
)

// Policy describes the waits.
type Policy struct {
	// Base is the wait after the first failure, and Max the longest wait. A Max below Base counts as Base.
	Base, Max time.Duration
	// Jitter is the share of a wait that is random, between 0 (none, the default) and 1 (all of it). It keeps programs that have
	// failed together from trying again together.
	Jitter float64
	// Random returns a number in [0, 1) for the jitter. The default is that of math/rand/v2.
	Random func() float64
}

// Clock tells the time. clock.Clock implements it.
type Clock interface{ Now() time.Time }

// Again returns the wait for as long again as the failures have lasted, within the bounds of Wait. It doubles too, and counts the time
// that the tries took.
func (p Policy) Again(lasted time.Duration) time.Duration {
	base := max(p.Base, 0)
	return p.jittered(min(max(lasted, base), max(p.Max, base)))
}

// Wait returns the wait after a number of failures in a row, counted from 1; a number below 1 counts as 1. It lies between
// (1-Jitter) times the doubled Base, and that, and is never negative.
func (p Policy) Wait(failures int) time.Duration {
	base := max(p.Base, 0)
	most := max(p.Max, base)
	wait := most
	if n := max(failures, 1) - 1; n < bits.LeadingZeros64(uint64(base)) { // else the shift would overflow
		wait = min(base<<n, most)
	}
	return p.jittered(wait)
}

// jittered takes the random share off a wait.
func (p Policy) jittered(wait time.Duration) time.Duration {
	if p.Jitter <= 0 {
		return wait
	}
	random := p.Random
	if random == nil {
		random = rand.Float64
	}
	return wait - time.Duration(min(p.Jitter, 1)*random()*float64(wait))
}

// At returns the time of the next try after a number of failures in a row, on a clock.
func (p Policy) At(clock Clock, failures int) time.Time { return clock.Now().Add(p.Wait(failures)) }

// Sleep waits as long as Wait says, or until ctx ends, and then returns the error of ctx.
func (p Policy) Sleep(ctx context.Context, failures int) error { return Sleep(ctx, p.Wait(failures)) }

// Sleep waits for d, or until ctx ends, and then returns the error of ctx.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
