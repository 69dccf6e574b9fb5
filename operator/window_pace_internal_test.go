package operator

import (
	"strconv"
	"testing"
)

// The list of keys that wait for the pace is given up when it is full: all keys are looked at then. The least time of the keys stays
// known, also of those that come later.
func TestAFullListOfWaitingKeysIsGivenUp(t *testing.T) {
	p := windowPace{from: 1 << 40}
	for i := range maxWaiting {
		p.wait([]byte(strconv.Itoa(i)), 1000)
		p.wait([]byte("0"), 1000) // is there already
	}
	if len(p.waiting) != maxWaiting || p.unlisted || p.from != 1000 {
		t.Fatalf("%d keys are listed, given up %v, from %d", len(p.waiting), p.unlisted, p.from)
	}
	p.wait([]byte("one more"), 900)
	if p.waiting != nil || !p.unlisted || p.from != 900 {
		t.Errorf("%d keys are listed, given up %v, from %d, want all to be looked at from 900", len(p.waiting), p.unlisted, p.from)
	}
	p.wait([]byte("and another"), 800)
	if p.waiting != nil || p.from != 800 {
		t.Errorf("%d keys are listed, from %d, want none from 800", len(p.waiting), p.from)
	}
}
