// Package mutation switches deliberate bugs on, to show that the simulation finds them.
//
// Nothing imports it but sources that testkit/sim/mutate has put bugs into, and the test that looks for these: the
// sources of the library know nothing of it. One goroutine uses it.
package mutation

// On is the name of the bug that is switched on; none if it is empty.
var On string

// Is reports whether a bug is switched on.
func Is(name string) bool { return On == name }
