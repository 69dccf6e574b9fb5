package state_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
)

// BenchmarkCellGetSet is what a stateful operator costs per record beside the user's function. Compare with a Go map of
// the same keys, which is the floor.
func BenchmarkCellGetSet(b *testing.B) {
	for _, n := range []int{1, 1000, 1_000_000} {
		keys := make([][]byte, n)
		for i := range keys {
			keys[i] = binary.BigEndian.AppendUint64(nil, uint64(i)*0x9e3779b97f4a7c15)
		}
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			c := state.NewCell[int64]("c").Open(state.Space{Name: "c", Backend: state.NewMemory(), Prefix: []byte{1}, CacheBytes: 1 << 30})
			for _, k := range keys {
				if err := c.Place(k); err != nil {
					b.Fatal(err)
				}
				c.Set(0)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if err := c.Place(keys[i]); err != nil {
					b.Fatal(err)
				}
				v, _ := c.Get()
				c.Set(v + 1)
				if i++; i == n {
					i = 0
				}
			}
		})
		b.Run(fmt.Sprintf("map/keys=%d", n), func(b *testing.B) {
			m := make(map[string]*int64, n)
			for _, k := range keys {
				m[string(k)] = new(int64)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				*m[string(keys[i])]++
				if i++; i == n {
					i = 0
				}
			}
		})
	}
}

// BenchmarkWindowedUpdate adds to the newest of a few open windows of a key.
func BenchmarkWindowedUpdate(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			s := state.OpenWindowed(state.Space{Name: "w", Backend: state.NewMemory(), Prefix: []byte{1}, CacheBytes: 1 << 30}, codec.Int64())
			keys := make([][]byte, n)
			for i := range keys {
				keys[i] = binary.BigEndian.AppendUint64(nil, uint64(i)*0x9e3779b97f4a7c15)
				if _, err := s.Place(keys[i]); err != nil {
					b.Fatal(err)
				}
				for start := range int64(3) {
					s.Update(start*10, start*10)
				}
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := s.Place(keys[i]); err != nil {
					b.Fatal(err)
				}
				w, _ := s.Update(20, 25)
				w.Acc++
				if i++; i == n {
					i = 0
				}
			}
		})
	}
}
