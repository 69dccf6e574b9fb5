package operator

import "context"

// Flight is a [Buffer] that holds records between two steps, because their calls run on other goroutines.
type Flight interface {
	Buffer
	// Arrived reports whether Settle may hand something on.
	Arrived() bool
}

// Calls runs the calls of asynchronous operators in place of goroutines: a simulation has its own order of them.
type Calls interface {
	// Start runs f later, and does not wait.
	Start(f func())
	// Wait returns when some function has run, or with the cause of the end of ctx.
	Wait(ctx context.Context) error
}

// InFlight reports whether records wait for calls on other goroutines.
func (e *Env) InFlight() bool {
	for _, f := range e.Flights {
		if f.Held() > 0 {
			return true
		}
	}
	return false
}

// Arrived reports whether Settle has results of calls to hand on.
func (e *Env) Arrived() bool {
	for _, f := range e.Flights {
		if f.Arrived() {
			return true
		}
	}
	return false
}

// Blocked reports whether a buffer holds records that it could not hand on when it was settled last. Records in flight do not count.
func (e *Env) Blocked() bool {
	for _, b := range e.Buffers {
		if _, flight := b.(Flight); !flight && b.Held() > 0 {
			return true
		}
	}
	return false
}
