package sim

import (
	"slices"
	"time"
)

// run plays all acts.
func (w *world) run() {
	defer func() {
		w.calm = true
		for _, m := range w.members {
			if m.process != nil {
				w.kill(m.process)
			}
			m.disk.remove()
		}
	}()
	for _, m := range w.members {
		if !w.random.oneIn(4) {
			w.start(m)
		}
	}
	w.chaos()
	var sleeper *process
	if w.simulation.Faults&Freeze != 0 && w.random.oneIn(3) {
		sleeper = w.sleepThrough()
	}
	w.beCalm()
	if w.simulation.Loses {
		w.goOnAfterLosses()
	}
	if w.simulation.Grows && !w.endGrowth() {
		return
	}
	if sleeper != nil && !sleeper.dead && w.random.oneIn(2) {
		w.wakeLast(sleeper)
	}
	// The rest of the input shows whether the state in memory is right.
	if !w.settle("after the faults") {
		return
	}
	for w.feed(10, func(*input) int { return 0 }) {
		continue
	}
	if !w.settle("with the rest of the input") {
		return
	}
	if w.clocked {
		// All work that waits for the clock is done.
		w.clock.Advance(clockAhead)
		if !w.settle("after what waited for the clock") {
			return
		}
	}
	if w.simulation.Live {
		w.finishLive()
		return
	}
	if w.unlogged {
		w.finishUnlogged()
		return
	}
	if hasSources(w.plan.Graph) || w.simulation.Loses || w.simulation.Grows && w.losing.gone != nil {
		w.finishLosses()
		return
	}
	want := w.model()
	w.checkOutput(want)
	w.checkPartitions()
	w.checkSinks(want)
	w.checkOffsets()
	w.checkOutcome()
	w.checkGlobals()
	owners := w.owners()
	if !w.stopAll() {
		return
	}
	w.checkState(want, owners, "at the end")
	w.checkChangelogs(want)
	if len(w.problems) > 0 {
		return
	}
	w.restoreAgain(want, owners)
}

// clockAhead is how far the clock is moved at the end, if anything may wait for it. Tombstones in changelogs stay for longer,
// as databases that were left behind need them.
const clockAhead = 12 * time.Hour

// chaos is the first act.
func (w *world) chaos() {
	f := &w.config.faults
	feedRate := w.random.between(2, 30)
	half := map[string]int{} // what the second act begins with
	for _, in := range w.inputs {
		half[in.topic] = len(in.records) / 4
	}
	keep := func(in *input) int { return half[in.topic] }
	for range w.config.actions {
		if len(w.problems) > 0 {
			return
		}
		if w.simulation.Pauses {
			w.pauseSome()
			w.checkStanding()
		}
		m := w.members[w.random.IntN(len(w.members))]
		switch {
		case w.simulation.Loses && w.random.oneIn(oneLossIn):
			w.loseInput()
		case w.simulation.Grows && w.random.oneIn(oneGrowthIn):
			w.growInput()
		case w.random.oneIn(feedRate):
			w.feed(w.random.between(1, 8), keep)
		case w.random.oneIn(f.restart) && m.process != nil:
			w.tracef("stop %s", m.process.name)
			m.process.stopping = true
		case w.random.oneIn(f.freeze) && m.process != nil:
			w.freeze(m.process, w.random.upTo(4*w.config.session))
		case w.random.oneIn(f.jump):
			d := w.random.upTo(2 * time.Minute)
			w.tracef("clock jumps by %v", d)
			w.clock.Advance(d)
		case w.random.oneIn(f.move):
			w.move()
		case w.random.oneIn(f.outage):
			w.toggleOutage()
		case w.random.oneIn(f.compact):
			w.compact()
		case len(w.late) > 0 && w.random.oneIn(10):
			w.deliverLate()
		case w.random.oneIn(4*f.crash) && m.process != nil:
			w.kill(m.process)
		case m.process == nil && w.random.oneIn(5):
			if w.random.oneIn(f.diskLoss) {
				w.tracef("the disk of member %d is lost", m.number)
				m.disk.lose()
				m.id, w.diskLost = "", true
			}
			w.start(m)
		default:
			w.letSomebodyRun()
		}
		w.reap()
		if w.random.oneIn(4) {
			w.clock.Advance(w.random.upTo(w.config.interval/4 + 1))
		}
	}
}

// freeze stops a process, or only its heartbeats and the events of its group: then its workers go on as zombies.
func (w *world) freeze(p *process, d time.Duration) {
	until := w.clock.Now().Add(d)
	if w.random.oneIn(2) {
		w.tracef("cut %s off from its group for %v", p.name, d)
		p.routines[0].wakeAt = until
		return
	}
	w.tracef("freeze %s for %v", p.name, d)
	p.frozenUntil = until
}

func (w *world) letSomebodyRun() {
	now := w.clock.Now()
	var ready []*routine
	for _, r := range w.routines() {
		if r.runnable(now) {
			ready = append(ready, r)
		}
	}
	if len(ready) == 0 {
		w.clock.Advance(w.random.upTo(time.Second))
		return
	}
	w.resume(ready[w.random.IntN(len(ready))])
}

func (w *world) toggleOutage() {
	w.down = !w.down
	if w.down {
		w.tracef("the brokers stop")
		w.broker.StopBrokers()
	} else {
		w.tracef("the brokers start")
		w.broker.StartBrokers()
	}
}

func (w *world) deliverLate() {
	w.tracef("late requests arrive")
	w.broker.DeliverLate()
	if len(w.ordered) > 0 {
		w.attributeCommits(w.late, true)
	}
	w.late = nil
}

// compact compacts changelogs. At least once, one is left alone that holds records which do not count, and are older than
// the compaction lag: they could take the place of older ones that do (see docs/guarantees.md).
func (w *world) compact() {
	for _, part := range w.plan.SubTopologies {
		for _, s := range part.Stores {
			if s.Changelog == "" || !w.random.oneIn(2) {
				continue
			}
			if w.unretracted(s.Changelog, w.clock.Now().Add(-w.config.lag)) > 0 {
				continue
			}
			w.tracef("compact %s", s.Changelog)
			if err := w.broker.Compact(s.Changelog); err != nil {
				w.failf("%v", err)
			}
		}
	}
}

// sleepThrough freezes a process with work that is not committed, for so long that others take its tasks over.
func (w *world) sleepThrough() *process {
	sleeper := w.members[w.random.IntN(len(w.members))].process
	if sleeper == nil || len(w.members) == 1 {
		return nil
	}
	w.feed(8, func(*input) int { return 0 })
	for range 20 {
		w.letSomebodyRun()
	}
	sleeper.slept = true
	until := w.clock.Now().Add(time.Duration(w.random.between(1, 4)) * w.config.session)
	w.tracef("%s sleeps until %v", sleeper.name, until.Format("15:04:05"))
	for w.clock.Now().Before(until) && len(w.problems) == 0 {
		sleeper.frozenUntil = until.Add(time.Hour)
		for range 10 {
			w.letSomebodyRun()
		}
		w.reap()
		w.clock.Advance(w.random.upTo(w.config.session / 5))
	}
	if w.config.faults.compact > 0 {
		w.compact()
	}
	return sleeper
}

// wakeLast wakes a process when the others have nothing left to do, its workers before its membership.
func (w *world) wakeLast(sleeper *process) {
	until := w.clock.Now().Add(4 * w.config.session)
	sleeper.frozenUntil = until
	for w.clock.Now().Before(until) && len(w.problems) == 0 {
		if !w.everybody(false) {
			w.clock.Advance(w.config.session / 10)
		}
	}
	w.tracef("%s wakes", sleeper.name)
	for _, worker := range sleeper.workers {
		for range 20 {
			if worker.runnable(w.clock.Now()) {
				w.resume(worker.routine)
			}
		}
	}
}

// everybody starts processes that are down, and resumes all others. It reports whether they have found anything to do.
func (w *world) everybody(workersFirst bool) (busy bool) {
	for _, m := range w.members {
		if m.process == nil {
			w.start(m)
		}
	}
	routines := w.routines()
	if workersFirst {
		slices.Reverse(routines)
	}
	for _, r := range routines {
		if r.runnable(w.clock.Now()) {
			w.resumes++
			w.resume(r)
			busy = busy || r.worked
		}
	}
	w.reap()
	return busy
}

// beCalm ends the faults.
func (w *world) beCalm() {
	w.tracef("calm")
	w.calm = true
	clear(w.leaderless)
	if w.down {
		w.toggleOutage()
	}
	w.deliverLate()
	w.endPauses()
	for _, m := range w.members {
		if m.process != nil {
			m.process.frozenUntil = time.Time{}
		}
	}
	for _, r := range w.routines() {
		r.wakeAt = time.Time{}
	}
}

const (
	// patience is how long everything may take to come to rest, in virtual time: sessions and transactions of processes
	// that are gone have to end first, one after the other perhaps.
	patience = 20 * time.Minute
	// maxResumes bounds a run that is busy without end.
	maxResumes = 200_000
)

// settle lets everything run, with all members, until all input is processed and committed.
func (w *world) settle(when string) bool {
	began := w.clock.Now()
	w.resumes = 0
	workersFirst := w.random.oneIn(2) // before they hear of what they have lost
	for w.clock.Now().Sub(began) < patience && w.resumes < maxResumes {
		busy := w.everybody(workersFirst)
		if len(w.problems) > 0 {
			return false
		}
		if busy {
			continue
		}
		if w.settled() {
			return true
		}
		w.clock.Advance(max(w.config.interval, 500*time.Millisecond))
	}
	w.failf("%s: not at rest after %v of virtual time and %d steps: %s", when, w.clock.Now().Sub(began), w.resumes, w.state())
	return false
}

// settled reports whether all input is committed, every task runs, and nothing is left in changelogs that has to be taken
// back.
func (w *world) settled() bool {
	running := 0
	for _, m := range w.members {
		if m.process == nil || m.process.handling {
			return false
		}
		for _, worker := range m.process.workers {
			for _, s := range worker.engine.Status() {
				if s.Restoring {
					return false
				}
				running++
			}
			if !worker.engine.Visible() {
				return false
			}
			if worker.engine.Dirty() && !w.simulation.Live { // what no record has caused comes again and again
				return false
			}
		}
	}
	for _, changelog := range w.allChangelogs() {
		if w.unretracted(changelog, w.clock.Now()) > 0 {
			return false
		}
	}
	return w.sourcesDone() && !w.readingGlobals() && running == len(w.allTasks) && len(w.behind()) == 0 && (w.simulation.Live || len(w.pending()) == 0)
}

// stopAll stops all processes in order.
func (w *world) stopAll() bool {
	for _, m := range w.members {
		if m.process != nil {
			m.process.stopping = true
		}
	}
	for range maxResumes {
		for _, r := range w.routines() {
			if r.runnable(w.clock.Now()) {
				w.resume(r)
			}
		}
		w.reap()
		if len(w.routines()) == 0 {
			return len(w.problems) == 0
		}
		w.clock.Advance(time.Millisecond)
	}
	w.failf("the processes do not stop: %s", w.state())
	return false
}

// restoreAgain is the last act: with the databases as they were left, and without any, the state is the same.
func (w *world) restoreAgain(want *expectation, before map[string]*member) {
	w.tracef("restore again")
	spoiled := w.spoiled()
	compactAll := func() {
		for _, s := range w.allChangelogs() {
			if err := w.broker.Compact(s); err != nil {
				w.failf("%v", err)
			}
		}
	}
	if w.random.oneIn(2) {
		compactAll()
	}
	if w.random.oneIn(2) {
		w.tracef("all disks are lost")
		before = nil
		for _, m := range w.members {
			m.disk.lose()
			m.id = ""
		}
		// Now tombstones may go too: a database that was away for longer than they stay would miss them.
		w.clock.Advance(25 * time.Hour)
		compactAll()
	}
	all := w.members
	defer func() { w.members = all }()
	w.members = w.members[:1]
	if !w.settle("restoring again") {
		return
	}
	w.checkReuse(before, spoiled)
	owners := w.owners()
	if w.stopAll() {
		w.checkState(want, owners, "after restoring again")
		if want.output == nil {
			w.checkOutcome()
		} else {
			w.checkOutput(want)
		}
	}
}
