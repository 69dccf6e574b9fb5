// Package longtest says how much random tests try. By default it is little, so that `go test ./...` is quick; with
// WEIR_TEST_LONG in the environment, as in CI, it is a lot.
package longtest

import "os"

// Cases returns how many cases a random test tries: few by default, many with WEIR_TEST_LONG.
func Cases(few, many int) int {
	if os.Getenv("WEIR_TEST_LONG") != "" {
		return many
	}
	return few
}
