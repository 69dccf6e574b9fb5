package outbox

import "testing"

// The first bytes that a run copies may be empty ones, when it has no memory yet.
func TestCopiesOfEmptyBytesAreNotNil(t *testing.T) {
	var b run
	for range 2 {
		if got := b.copy([]byte{}); got == nil || len(got) != 0 {
			t.Errorf("got %#v of empty bytes", got)
		}
		if got := b.copy(nil); got != nil {
			t.Errorf("got %#v of nil", got)
		}
		b.copy([]byte("x"))
	}
}
