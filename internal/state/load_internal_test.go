package state

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/weirstreams/weir/internal/longtest"
)

func TestEntriesComeInTheOrderOfTheirKeysWithTheLastChangeOfEach(t *testing.T) {
	for seed := range uint64(longtest.Cases(60, 150)) {
		random := rand.New(rand.NewPCG(seed, 1))
		// Keys that are the same in many bytes, end within others, and hold zeros.
		prefixes := []string{"", "\x00", "user-000000000", "user-000000000\x00\x00", "user-00000000000000000000000000000001", strings.Repeat("x", 40)}
		key := func() []byte {
			k := prefixes[random.IntN(len(prefixes))]
			switch random.IntN(4) {
			case 0:
				k += fmt.Sprintf("%0*d", random.IntN(20), random.IntN(200))
			case 1:
				k += strings.Repeat("\x00", random.IntN(12))
			case 2:
				k += fmt.Sprint(random.IntN(3))
			}
			return []byte(k)
		}
		var e Entries
		model := map[string]string{}
		const deleted = "deleted"
		for i := range random.IntN(3000) {
			k := key()
			switch random.IntN(50) {
			case 0:
				e.Delete(k)
				model[string(k)] = deleted
			case 1: // larger than a chunk, and about as large
				v := bytes.Repeat([]byte{byte(i)}, chunkBytes-20+random.IntN(40)+random.IntN(2)*2*chunkBytes)
				if random.IntN(20) > 0 {
					v = v[:random.IntN(2)]
				}
				e.Set(k, v)
				model[string(k)] = string(v)
			default:
				v := fmt.Sprint(i)
				e.Set(k, []byte(v))
				model[string(k)] = v
			}
		}
		var keys []string
		err := e.sorted(func(key, value []byte) error {
			keys = append(keys, string(key))
			want, ok := model[string(key)]
			if got := string(value); !ok || value == nil && want != deleted || value != nil && got != want {
				t.Fatalf("seed %d: key %q has a value of %d bytes, want %d", seed, key, len(value), len(want))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.IsSorted(keys) || len(keys) != len(model) {
			t.Fatalf("seed %d: %d keys of %d, sorted: %t", seed, len(keys), len(model), slices.IsSorted(keys))
		}
		e.Reset()
	}
}

// BenchmarkEntries sorts changes: 300,000 of keys of which the first bytes are at random, or the last ones.
func BenchmarkEntries(b *testing.B) {
	for _, format := range []string{"\x01%016x", "\x01customer-%016d"} {
		b.Run(strings.TrimLeft(format, "\x01"), func(b *testing.B) {
			const n = 300_000
			var e Entries
			random := rand.New(rand.NewPCG(1, 1))
			value := make([]byte, 100)
			keys := make([][]byte, n)
			for i := range keys {
				k := random.Uint64()
				if strings.HasSuffix(format, "d") {
					k %= 1_000_000
				}
				keys[i] = fmt.Appendf(nil, format, k)
			}
			b.ReportAllocs()
			for b.Loop() {
				for _, k := range keys {
					e.Set(k, value)
				}
				if err := e.sorted(func(_, _ []byte) error { return nil }); err != nil {
					b.Fatal(err)
				}
				e.Reset()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/change")
		})
	}
}
