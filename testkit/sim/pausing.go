package sim

// pauseSalt gives pauses a generator of their own: the other choices of a seed stay.
const pauseSalt = 17

// onePauseIn is how many actions there are for each pause or end of a pause.
const onePauseIn = 25

// standing is a task that stands still: its worker, and how many records it had processed when it was seen last.
type standing struct {
	worker    *worker
	processed int64
}

// pauseSome pauses some parts of a process, and lets others go on, now and then.
func (w *world) pauseSome() {
	if !w.pausing.oneIn(onePauseIn) {
		return
	}
	p := w.members[w.pausing.IntN(len(w.members))].process
	if p == nil {
		return
	}
	parts := make([]bool, len(w.plan.SubTopologies))
	for i := range parts {
		parts[i] = w.pausing.oneIn(2)
	}
	if w.pausing.oneIn(3) {
		clear(parts)
	}
	w.tracef("pause %v of %s", parts, p.name)
	p.pauses.Set(parts)
}

// endPauses lets everything go on.
func (w *world) endPauses() {
	for _, m := range w.members {
		if m.process != nil && w.simulation.Pauses {
			m.process.pauses.Set(nil)
		}
	}
	w.standing = nil
}

// checkStanding fails the run if a task has processed records while it stood still.
func (w *world) checkStanding() {
	seen := map[string]standing{}
	for _, m := range w.members {
		if m.process == nil {
			continue
		}
		for _, worker := range m.process.workers {
			for _, s := range worker.engine.Status() {
				if !s.Paused {
					continue
				}
				at := m.process.name + " " + s.Name
				if before := w.standing[at]; before.worker == worker && s.Processed > before.processed {
					w.failf("%s: a paused task has processed %d records", at, s.Processed-before.processed)
				}
				seen[at] = standing{worker, s.Processed}
			}
		}
	}
	w.standing = seen
}
