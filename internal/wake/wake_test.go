package wake_test

import (
	"testing"

	"github.com/weirstreams/weir/internal/wake"
)

func TestNotesCountAsOneUntilTheyAreTaken(t *testing.T) {
	s := wake.New()
	taken := func() bool {
		select {
		case <-s:
			return true
		default:
			return false
		}
	}
	if taken() {
		t.Error("a new signal has a note")
	}
	for range 2 {
		s.Notify()
		s.Notify()
		if !taken() {
			t.Error("the note is lost")
		}
		if taken() {
			t.Error("two notes before a look count as two")
		}
	}
}
