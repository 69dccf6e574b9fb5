// Package panics makes errors of panics in code of the program, where nothing else recovers from them.
package panics

import (
	"fmt"
	"runtime/debug"
)

// Call calls f, and returns its error or panic. The error of a panic has the stack, and wraps the value if that is an error.
func Call(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = Error(p)
		}
	}()
	return f()
}

// Error returns the error of a value that recover has returned. It is called by the function that has recovered.
func Error(p any) error {
	if err, ok := p.(error); ok {
		return fmt.Errorf("panic: %w\n%s", err, debug.Stack())
	}
	return fmt.Errorf("panic: %v\n%s", p, debug.Stack())
}
