//go:build unix

package benchtest_test

import (
	"syscall"
	"time"
)

// cpuTime returns what the process has used so far, of its garbage collector too.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
