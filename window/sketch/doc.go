// Package sketch has aggregators that estimate: their state stays small, however many values a window has. It is a package of its own,
// so that only programs that use it link the libraries below it.
package sketch

import "errors"

// checkFunction returns an error if the function of an aggregator is nil.
func checkFunction(isNil bool) error {
	if isNil {
		return errors.New("a function of the aggregator is nil")
	}
	return nil
}
