package main

import (
	"syscall"
	"time"
)

// processCPU returns the CPU time that this process has used, in user and system mode, or 0 if it cannot be told.
func processCPU() time.Duration {
	process, err := syscall.GetCurrentProcess()
	if err != nil {
		return 0
	}
	var created, exited, kernel, user syscall.Filetime
	if err := syscall.GetProcessTimes(process, &created, &exited, &kernel, &user); err != nil {
		return 0
	}
	return ticks(kernel) + ticks(user)
}

// ticks turns a duration in units of 100 ns into one of Go. Filetime.Nanoseconds would take it for a time since 1601.
func ticks(t syscall.Filetime) time.Duration {
	return time.Duration(int64(t.HighDateTime)<<32|int64(t.LowDateTime)) * 100
}
