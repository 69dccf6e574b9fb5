package sink

import (
	"fmt"
	"time"
)

// BackpressureError says that a target cannot take more for a while. Returned, wrapped or not, by [Writer].Flush, it makes the
// worker stop reading input, keep its records, and flush again after the time. No record is processed twice for it. Other
// workers go on, and so do rebalances; partitions that are given up meanwhile are processed again by their next owner, from
// the checkpoint before.
type BackpressureError struct {
	// RetryAfter is how long to wait, as the target has asked for where it says so. 0 means 1 s.
	RetryAfter time.Duration
	// Err is the answer of the target. It may be nil.
	Err error
}

// Error names the time and the answer of the target.
func (e *BackpressureError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("the sink takes no more for %v", e.Wait())
	}
	return fmt.Sprintf("the sink takes no more for %v: %v", e.Wait(), e.Err)
}

// Unwrap returns Err.
func (e *BackpressureError) Unwrap() error { return e.Err }

// Wait returns RetryAfter, or its default.
func (e *BackpressureError) Wait() time.Duration {
	if e.RetryAfter <= 0 {
		return time.Second
	}
	return e.RetryAfter
}
