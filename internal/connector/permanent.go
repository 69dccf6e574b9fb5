package connector

// Permanent is an error that no other attempt mends: weir.Retry stops at it.
type Permanent struct{ Err error }

// Error returns the text of the error.
func (p Permanent) Error() string { return p.Err.Error() }

// Unwrap returns the error.
func (p Permanent) Unwrap() error { return p.Err }

// Permanent returns true.
func (Permanent) Permanent() bool { return true }
