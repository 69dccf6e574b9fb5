// Package guard turns panics of the program's functions into errors.
package guard

import (
	"fmt"
	"runtime/debug"

	"github.com/weirstreams/weir"
)

// Panicked makes an error, by at, of the value of a panic. It is called where that is recovered from.
func Panicked(p any, at func(error) *weir.ProcessingError) *weir.ProcessingError {
	err, ok := p.(error)
	if !ok {
		err = fmt.Errorf("%v", p)
	}
	failure := at(err)
	failure.Stack = debug.Stack()
	return failure
}
