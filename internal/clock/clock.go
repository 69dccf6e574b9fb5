// Package clock tells the time, so that tests and simulations can set it.
package clock

import (
	"sync/atomic"
	"time"
)

// Clock tells the time. It may be used by several goroutines at once.
type Clock interface {
	Now() time.Time
}

// System is the clock of the machine.
var System Clock = system{}

type system struct{}

func (system) Now() time.Time { return time.Now() }

// Virtual is a clock that moves only when it is told to. The zero value stands at the Unix epoch. It may be used by
// several goroutines at once, and must not be copied.
type Virtual struct {
	// nanos counts from the Unix epoch.
	nanos atomic.Int64
}

// NewVirtual returns a clock that stands at start, which lies between the years 1678 and 2262.
func NewVirtual(start time.Time) *Virtual {
	c := new(Virtual)
	c.Set(start)
	return c
}

// Now returns the time at which the clock stands, in UTC.
func (c *Virtual) Now() time.Time { return time.Unix(0, c.nanos.Load()).UTC() }

// Advance moves the clock by d; a negative d moves it back.
func (c *Virtual) Advance(d time.Duration) { c.nanos.Add(int64(d)) }

// Set moves the clock to t, which may lie before Now.
func (c *Virtual) Set(t time.Time) { c.nanos.Store(t.UnixNano()) }
