package sim_test

import "testing"

func TestTmpLoop(t *testing.T) {
	n := byName("global table")
	for seed := uint64(1); seed <= 400; seed++ {
		if err := simulation(n).Run(seed).Err(); err != nil {
			t.Fatal(err)
		}
	}
}
