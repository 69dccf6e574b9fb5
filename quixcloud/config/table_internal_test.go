package config

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// L-35, EX-46: number@valid_from, and which version counts when.
func TestWhichVersionCounts(t *testing.T) {
	for _, test := range []struct {
		versions [][2]int64 // number, valid from
		want     [][2]int64 // time, number; 0 is none
	}{
		{[][2]int64{{1, 1000}, {2, 2000}, {3, 3000}}, [][2]int64{{500, 0}, {1000, 1}, {1999, 1}, {2500, 2}, {9999, 3}}},
		{[][2]int64{{1, 1000}, {2, 0}, {3, 3000}}, [][2]int64{{0, 2}, {1500, 2}, {2999, 2}, {3000, 3}}},
		{[][2]int64{{1, 1000}, {2, 500}}, [][2]int64{{499, 0}, {500, 2}, {5000, 2}}},
		{[][2]int64{{1, 0}, {2, 5000}, {3, 3000}}, [][2]int64{{2999, 1}, {3500, 3}, {6000, 3}}},
		{[][2]int64{{1, always}}, [][2]int64{{always, 1}, {0, 1}}},
	} {
		c := &configuration{versions: map[int64]*version{}}
		for _, v := range test.versions {
			c.put(&version{number: v[0], validFrom: v[1]})
		}
		for _, w := range test.want {
			if got := numberAt(c, w[0]); got != w[1] {
				t.Errorf("%v at %d: version %d, want %d", test.versions, w[0], got, w[1])
			}
		}
	}
}

func numberAt(c *configuration, nanos int64) int64 {
	if v := c.at(nanos); v != nil {
		return v.number
	}
	return 0
}

// Whatever is put, replaced and removed, the version that counts is the one that a search through all finds.
func TestVersionsAgreeWithASearch(t *testing.T) {
	for seed := range uint64(3000) {
		random := rand.New(rand.NewPCG(seed, 0))
		c := &configuration{versions: map[int64]*version{}}
		for range random.IntN(30) {
			number := 1 + random.Int64N(8)
			if c.versions[number] != nil && random.IntN(3) == 0 {
				c.remove(number)
			} else {
				c.put(&version{number: number, validFrom: random.Int64N(12)})
			}
			for at := int64(-1); at < 13; at++ {
				want := int64(0)
				for _, v := range c.versions {
					if v.validFrom <= at && v.number > want {
						want = v.number
					}
				}
				if got := numberAt(c, at); got != want {
					t.Fatalf("seed %d: at %d: version %d, want %d of %v", seed, at, got, want, fmt.Sprint(c.versions))
				}
			}
		}
	}
}
