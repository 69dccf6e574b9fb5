//go:build !unix

package operator_test

import "time"

// cpuTime is not known here.
func cpuTime() time.Duration { return 0 }
