package sim

// finishUnlogged is the end of a run with stores that have no changelog. What they lose depends on where the tasks were, so the check of the
// simulation says whether the output is right.
func (w *world) finishUnlogged() {
	if w.simulation.Check == nil {
		w.failf("a simulation with a store without a changelog, and without a check")
		return
	}
	w.checkPartitions()
	w.checkOffsets()
	w.checkOutcome()
	w.stopAll()
}
