package sim_test

import (
	"testing"

	"github.com/weirstreams/weir/testkit/sim"
)

// pausingSimulation is the simulation of a topology whose parts are paused now and then.
func pausingSimulation(i int) *sim.Simulation {
	s := simulation(i)
	s.Pauses = true
	return s
}

// Pauses change no result: for seeds that are the same every time, and for fresh ones, for a third of -duration.
func TestPauses(t *testing.T) {
	runSeeds(t, func(seed uint64) (*sim.Simulation, string) {
		return pausingSimulation(of(seed)), topologies[of(seed)].name
	}, *fixed, *duration/3)
}
