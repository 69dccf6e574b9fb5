package gate

import (
	"errors"
	"time"

	"github.com/weirstreams/weir/operator"
)

// IsPressure reports whether a sink or a lookup has asked for time.
func IsPressure(err error) bool {
	_, ok := Pressure(err)
	return ok
}

// Pressure returns the time that a sink or a lookup has asked for.
func Pressure(err error) (wait time.Duration, ok bool) {
	if e, ok := errors.AsType[*operator.UnsettledError](err); ok {
		return e.Wait(), true
	}
	return 0, false
}
