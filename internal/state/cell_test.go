package state_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
)

// countingCodec counts how often states are encoded and decoded.
type countingCodec struct {
	codec.Codec[int64]
	encoded, decoded int
}

func (c *countingCodec) Append(dst []byte, ctx *codec.Context, v int64) ([]byte, error) {
	c.encoded++
	return c.Codec.Append(dst, ctx, v)
}

func (c *countingCodec) Decode(ctx *codec.Context, data []byte) (int64, error) {
	c.decoded++
	return c.Codec.Decode(ctx, data)
}

// K-10, EX-49.
func TestAStateIsEncodedOncePerCheckpointHoweverOftenItChanges(t *testing.T) {
	counting := &countingCodec{Codec: codec.Int64()}
	backend := state.NewMemory()
	c := state.NewCell[int64]("c").WithCodec(counting).Open(state.Space{Name: "c", Backend: backend, Prefix: []byte{1}, CacheBytes: 1 << 20})
	cp := &checkpoint{backend: backend, prefix: "\x01"}
	for round := range int64(3) {
		for i := range int64(100) {
			if err := c.Place([]byte("k")); err != nil {
				t.Fatal(err)
			}
			c.Set(round*100 + i)
		}
		cp.flush(t, c)
		cp.commit(t, c)
	}
	if counting.encoded != 3 || counting.decoded != 0 {
		t.Errorf("encoded %d and decoded %d times, want 3 and 0", counting.encoded, counting.decoded)
	}
	cp.flush(t, c)
	if len(cp.changes) != 0 {
		t.Errorf("flushed %+v although nothing had changed", cp.changes)
	}
}

// A store with a small cache holds on to what it must, and gives up the rest at the checkpoint.
func TestTheCacheBoundsMemoryButKeepsChanges(t *testing.T) {
	backend := state.NewMemory()
	c := state.NewCell[int64]("c").Open(state.Space{Name: "c", Backend: backend, Prefix: []byte{1}, CacheBytes: 1000})
	cp := &checkpoint{backend: backend, prefix: "\x01"}
	for i := range int64(1000) {
		if err := c.Place(fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
		c.Set(i)
	}
	if n := c.DirtyBytes(); n < 1000*96 {
		t.Errorf("%d dirty bytes for a thousand keys", n)
	}
	cp.flush(t, c)
	cp.commit(t, c)
	for i := range int64(1000) {
		if err := c.Place(fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
		if got, ok := c.Get(); !ok || got != i {
			t.Fatalf("%d is %d, %v after its entry was evicted", i, got, ok)
		}
	}
}

// K-6.
func TestAFlushThatFailsReturnsTheErrorAndCanBeDiscarded(t *testing.T) {
	backend := state.NewMemory()
	c := state.NewCell[int64]("c").Open(state.Space{Name: "c", Backend: backend, Prefix: []byte{1}, CacheBytes: 1 << 20})
	for i := range int64(10) {
		if err := c.Place(fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
		c.Set(i)
	}
	full, emitted := errors.New("full"), 0
	err := c.Flush(func([]byte, []byte) error {
		if emitted++; emitted == 5 {
			return full
		}
		return nil
	})
	if !errors.Is(err, full) {
		t.Fatalf("flush: %v", err)
	}
	c.Discard()
	for i := range int64(10) {
		if err := c.Place(fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
		if got, ok := c.Get(); ok {
			t.Errorf("%d is %d after everything was discarded", i, got)
		}
	}
	if n := c.DirtyBytes(); n != 0 {
		t.Errorf("%d dirty bytes", n)
	}
}

func TestAStateThatDoesNotDecodeIsAnErrorThatNamesStoreAndKey(t *testing.T) {
	backend := state.NewMemory()
	commit(t, backend, false, "\x01sk", "\x00short")
	c := state.NewCell[int64]("count").WithCodec(codec.Int64()).Open(state.Space{Name: "count", Backend: backend, Prefix: []byte{1}})
	err := c.Place([]byte("k"))
	if err == nil || !strings.Contains(err.Error(), `store "count"`) || !strings.Contains(err.Error(), `key "k"`) {
		t.Errorf("error %v does not name store and key", err)
	}
}
