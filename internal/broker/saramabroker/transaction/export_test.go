package transaction

import "testing"

// SetUnknownTries sets, for the time of a test that runs alone, how often a transaction asks again about a topic that is new.
func SetUnknownTries(t testing.TB, n int) {
	before := unknownTries
	unknownTries = n
	t.Cleanup(func() { unknownTries = before })
}
