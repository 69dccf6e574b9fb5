package state

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// compactionLimit bounds how many compactions run at the same time over all databases of a process, and gives a free slot
// to the database that needs it most. Pebble's own scheduler knows one database only: 64 tasks could compact on 64
// goroutines and take the cores from the workers.
//
// Lock order: Pebble calls TrySchedule with the locks of a database held, so mu comes after them, and no method that takes
// them (GetWaitingCompaction, Schedule) may be called under mu.
type compactionLimit struct {
	max int

	mu        sync.Mutex // guards what follows, and the fields of the databases
	running   int
	databases map[*databaseCompactions]struct{}
	uncalled  sync.Cond // a database has no call in progress any more
}

func newCompactionLimit(n int) *compactionLimit {
	l := &compactionLimit{max: n, databases: map[*databaseCompactions]struct{}{}}
	l.uncalled.L = &l.mu
	return l
}

// database returns the scheduler for one database.
func (l *compactionLimit) database() pebble.CompactionScheduler {
	return &databaseCompactions{limit: l}
}

// databaseCompactions is the pebble.CompactionScheduler of one database, and the grant that each of its compactions holds.
type databaseCompactions struct {
	limit *compactionLimit
	db    pebble.DBForCompaction

	running int
	waiting bool // the database was refused once, and has not said since that it has nothing to run
	calls   int  // calls into the database in progress
}

func (d *databaseCompactions) Register(_ int, db pebble.DBForCompaction) {
	d.limit.mu.Lock()
	defer d.limit.mu.Unlock()
	d.db = db
	d.limit.databases[d] = struct{}{}
}

// Unregister returns when no call into the database is in progress; there will be none after it.
func (d *databaseCompactions) Unregister() {
	d.limit.mu.Lock()
	defer d.limit.mu.Unlock()
	delete(d.limit.databases, d)
	for d.calls > 0 {
		d.limit.uncalled.Wait()
	}
}

func (d *databaseCompactions) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	l := d.limit
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.databases[d]; !ok {
		return false, nil
	}
	if l.running >= l.max || d.running >= d.db.GetAllowedWithoutPermission() {
		d.waiting = true
		return false, nil
	}
	l.running++
	d.running++
	return true, d
}

// UpdateGetAllowedWithoutPermission has nothing to do: a database may always run one compaction, no more.
func (d *databaseCompactions) UpdateGetAllowedWithoutPermission() {}

func (d *databaseCompactions) Started() {}

func (d *databaseCompactions) MeasureCPU(pebble.CompactionGoroutineKind) {}

func (d *databaseCompactions) CumulativeStats(pebble.CompactionGrantHandleStats) {}

// Done gives the slot of a finished compaction to those that wait.
func (d *databaseCompactions) Done() {
	l := d.limit
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	d.running--
	l.grant()
}

// grant hands out free slots until none is free or nobody waits. Callers hold mu, which is given up meanwhile.
//
// A slot is taken before the databases are asked, so that two goroutines never give away the same one. A database that is
// refused for that reason sets waiting again, and the loop sees it.
func (l *compactionLimit) grant() {
	for l.running < l.max {
		var asked []*databaseCompactions
		for d := range l.databases {
			if d.waiting && d.running < d.db.GetAllowedWithoutPermission() {
				d.waiting = false // before asking: what it says later must not be lost
				d.calls++
				asked = append(asked, d)
			}
		}
		if len(asked) == 0 {
			return
		}
		l.running++
		l.mu.Unlock()
		chosen, others := mostUrgent(asked)
		l.mu.Lock()
		for _, d := range others {
			d.waiting = true
		}
		accepted := false
		if chosen != nil {
			chosen.running++
			l.mu.Unlock()
			accepted = chosen.db.Schedule(chosen)
			l.mu.Lock()
			if accepted {
				chosen.waiting = true // Pebble does not ask again while it may have more to run
			} else {
				chosen.running--
			}
		}
		if !accepted {
			l.running--
		}
		for _, d := range asked {
			d.calls--
		}
		l.uncalled.Broadcast()
	}
}

// mostUrgent asks the databases for due compactions. It returns the most urgent one, nil when there is nothing to
// do, and the others that also have something.
func mostUrgent(asked []*databaseCompactions) (chosen *databaseCompactions, others []*databaseCompactions) {
	var best pebble.WaitingCompaction
	for _, d := range asked {
		waiting, compaction := d.db.GetWaitingCompaction()
		switch {
		case !waiting:
		case chosen == nil || moreUrgent(compaction, best):
			if chosen != nil {
				others = append(others, chosen)
			}
			chosen, best = d, compaction
		default:
			others = append(others, d)
		}
	}
	return chosen, others
}

// moreUrgent compares in the order that pebble.WaitingCompaction defines.
func moreUrgent(a, b pebble.WaitingCompaction) bool {
	if a.Optional != b.Optional {
		return b.Optional
	}
	if a.Priority != b.Priority {
		return a.Priority > b.Priority
	}
	return a.Score > b.Score
}
