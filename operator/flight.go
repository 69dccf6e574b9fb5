package operator

import "github.com/weirstreams/weir/internal/background"

// Flight is a [Buffer] that holds records between two steps, because their calls run on other goroutines.
type Flight interface {
	Buffer
	// Arrived reports whether Settle may hand something on.
	Arrived() bool
}

// Calls runs the calls of asynchronous operators, and the writes of sinks beside the task, in place of goroutines: a simulation has its
// own order of them.
type Calls interface{ background.Runner }

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
