package state_test

import (
	"testing"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
)

// Values that are put one after the other cost no allocation each, however they are counted.
func TestPuttingAValueAllocatesNothing(t *testing.T) {
	p := newPebble(t, state.PebbleConfig{MaxTasks: 1})
	space := state.Space{Name: "times", Backend: openBackend(t, p, t.TempDir()), Prefix: []byte{1}, CacheBytes: 1 << 20}
	s := state.OpenTimestamped(space, codec.Bytes(), state.TimestampedOptions{Grace: 10})
	key, value := []byte("k"), make([]byte, 8)
	at := int64(0)
	put := func() {
		for range 1000 {
			at++
			if err := s.Place(key); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Put(at, &value); err != nil {
				t.Fatal(err)
			}
		}
	}
	put()
	if n := testing.AllocsPerRun(5, put); n >= 100 {
		t.Errorf("%v allocations for 1,000 values", n)
	}
}
