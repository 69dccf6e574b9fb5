package sim

import (
	"math/rand/v2"
	"time"
)

// random is where all decisions of a run come from.
type random struct{ *rand.Rand }

func newRandom(seed uint64) random { return random{rand.New(rand.NewPCG(seed, 0x77656972))} }

// oneIn is true once in n times on average, and never if n is 0.
func (r random) oneIn(n int) bool { return n > 0 && r.IntN(n) == 0 }

// between returns a number from low to high, both included.
func (r random) between(low, high int) int { return low + r.IntN(high-low+1) }

// upTo returns a duration below limit.
func (r random) upTo(limit time.Duration) time.Duration { return time.Duration(r.Int64N(int64(limit))) }

// pick returns one of several values.
func pick[T any](r random, values ...T) T { return values[r.IntN(len(values))] }
