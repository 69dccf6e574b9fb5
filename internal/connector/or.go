package connector

import "time"

// Or returns v if it is positive, and the default of an option otherwise.
func Or[T int | int64 | time.Duration](v, standard T) T {
	if v <= 0 {
		return standard
	}
	return v
}
