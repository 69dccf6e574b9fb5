package weir

import "time"

// Retry says how often, and after which waits, a failed call to an outside system is made again. The zero value makes 5
// attempts, with waits of about 100 ms, 200 ms, 400 ms and 800 ms in between.
type Retry struct {
	// Attempts is how many times the call is made at most. 0 means 5, and 1 means that it is not made again. A negative number
	// means that it is made until it succeeds.
	Attempts int
	// FirstWait is the wait after the first failure. 0 means 100 ms. Each further wait is twice as long, up to MaxWait (0 means 10 s). A
	// random part of up to half is taken off each wait, so that many callers do not come back at once.
	FirstWait, MaxWait time.Duration
	// If reports whether another attempt can help after err. nil means after every error but the end of the context
	// and permanent errors: those with a method Permanent() bool that returns true, such as sink.RecordErrors.
	If func(err error) bool
}
