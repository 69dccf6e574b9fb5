package longtest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

const (
	// SeedVariable names the environment variable with the only seed that random tests try.
	SeedVariable = "WEIR_TEST_SEED"
	// SeedsVariable names the environment variable with the number of seeds that random tests try.
	SeedsVariable = "WEIR_TEST_SEEDS"
)

// Seed returns a random seed and logs it, or the seed in [SeedVariable], which repeats a test.
func Seed(t testing.TB) uint64 {
	t.Helper()
	seed, given := givenSeed(t)
	if !given {
		seed = rand.Uint64()
	}
	t.Logf("%s=%d repeats this", SeedVariable, seed)
	return seed
}

// Seeds runs a random test with as many seeds as there are cases, from a random one on, until a seed fails. It logs the variable
// that repeats a failure: with [SeedVariable] in the environment it runs that seed alone. [SeedsVariable] is another number of
// cases.
func Seeds(t *testing.T, cases int, run func(t *testing.T, seed uint64)) {
	t.Helper()
	if seed, given := givenSeed(t); given {
		run(t, seed)
		return
	}
	if text := os.Getenv(SeedsVariable); text != "" {
		var err error
		if cases, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s is no number of seeds: %v", SeedsVariable, err)
		}
	}
	seed := rand.Uint64()
	t.Logf("%d seeds from %d", cases, seed)
	defer func() { // a failed seed may end the goroutine
		if t.Failed() {
			t.Logf("%s=%d repeats this", SeedVariable, seed)
		}
	}()
	for range cases {
		run(t, seed)
		if t.Failed() {
			return
		}
		seed++
	}
}

// Repeats tells whether there is a seed in [SeedVariable]: tests may log more then.
func Repeats() bool { return os.Getenv(SeedVariable) != "" }

func givenSeed(t testing.TB) (seed uint64, given bool) {
	t.Helper()
	text := os.Getenv(SeedVariable)
	if text == "" {
		return 0, false
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s is no seed: %v", SeedVariable, err)
	}
	return seed, true
}
