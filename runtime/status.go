package runtime

import (
	"cmp"
	"slices"
	"time"

	"github.com/weirstreams/weir/source"
)

// State is where an App stands.
type State int32

const (
	// Starting is before the group has assigned partitions for the first time, which may be none.
	Starting State = iota
	// Running is from then on.
	Running
	// Stopping is while Run finishes.
	Stopping
	// Stopped is after Run has returned.
	Stopped
)

// String returns "starting", "running", "stopping" or "stopped".
func (s State) String() string { return [...]string{"starting", "running", "stopping", "stopped"}[s] }

// Status is the state of an App.
type Status struct {
	State State
	// Tasks are the tasks of this member, ordered by name.
	Tasks []TaskStatus
	// Globals are the global tables, in the order of their declaration. Each member has all of them.
	Globals []GlobalStatus
	// Sources are the slots of sources outside of Kafka that this member reads, ordered by source and slot.
	Sources []source.Status
	// MissingTopics are topics that this member writes to and that the cluster does not know any more, sorted: they were deleted
	// while it ran. Their records wait for them to be made again; after 3 minutes, or a minute more than Config.BrokerTimeout if
	// that is longer, Run ends with an error.
	MissingTopics []string
}

// Lag returns the number of offsets between the positions and the last seen ends of the input, over all tasks.
// Markers of transactions count.
func (s Status) Lag() int64 {
	var lag int64
	for _, t := range s.Tasks {
		lag += t.Lag
	}
	return lag
}

// TaskStatus is the state of a task. Counts begin when the task came to this member.
type TaskStatus struct {
	// Name is the stream id of the sub-topology, a slash, and the partition.
	Name string
	// Restoring is true while state is read from changelogs. Input is processed afterwards.
	Restoring bool
	// Restored is the number of changelog records that were applied, Remaining roughly how many are left.
	Restored, Remaining int64
	// RestoredBytes is the size of the keys and values of those records.
	RestoredBytes int64
	// RestoreRate is how many changelog records per second are read, and RestoreLeft how long the rest will take at this
	// rate. Both are 0 when nothing is being restored.
	RestoreRate float64
	RestoreLeft time.Duration
	// Processed is the number of records that were read from the input, and Skipped how many of them could not be
	// processed, and were skipped or written as dead letters.
	Processed, Skipped int64
	// DeadLetters is the number of dead letters, those of records that an operator has dropped included.
	DeadLetters int64
	// Ignored is the number of those that a codec passed over: see codec.ErrIgnore.
	Ignored int64
	// Late is the number of records that came after their window had closed, NullKeys of those that a stateful operator
	// could not place.
	Late, NullKeys int64
	// Rebuilt is how often the state on disk was found to be damaged, and was deleted and restored from the changelogs, since
	// this member has run.
	Rebuilt int64
	// Lag is the number of offsets between the position and the last seen end of the input.
	Lag int64
	// StreamTime is the greatest event time that was read; zero if there was none.
	StreamTime time.Time
}

// GlobalStatus is the state of a global table. Counts begin when Run began to read it.
type GlobalStatus struct {
	// Topic is the topic of the table, with Config.Prefix.
	Topic string
	// Loading is true until the table holds the records that were in the topic when Run began. The App joins the group afterwards.
	Loading bool
	// Rows is the number of rows.
	Rows int64
	// Records is the number of records that were read, Bytes the size of their keys and values, and Remaining roughly how
	// many are left until the table is loaded.
	Records, Bytes, Remaining int64
	// LoadRate is how many records per second are read, and LoadLeft how long the rest will take at this rate. Both are 0 when
	// the table is loaded.
	LoadRate float64
	LoadLeft time.Duration
	// Skipped is the number of records that could not be decoded and were skipped, Ignored of those that a codec passed over,
	// NullKeys of those without a key.
	Skipped, Ignored, NullKeys int64
	// DeadLetters is the number of records with dead letters, which are among the others.
	DeadLetters int64
	// Lag is the number of offsets between the position and the last seen end of the topic.
	Lag int64
}

// Status returns the state of the App. Any goroutine may call it at any time.
func (a *App) Status() Status {
	status := Status{State: State(a.state.Load())}
	if globals := a.globals.Load(); globals != nil {
		for _, t := range globals.Status() {
			s := GlobalStatus{
				Topic: t.Topic, Loading: t.Loading, Rows: t.Rows, Records: t.Records, Bytes: t.Bytes, Remaining: t.Remaining,
				Skipped: t.Skipped, DeadLetters: t.DeadLetters, Ignored: t.Ignored, NullKeys: t.NullKeys, Lag: t.Lag,
			}
			if t.Loading {
				s.LoadRate, s.LoadLeft = pace(t.Records, t.Remaining, t.Began)
			}
			status.Globals = append(status.Globals, s)
		}
	}
	workers := a.workers.Load()
	if workers == nil {
		return status
	}
	for _, w := range *workers {
		status.MissingTopics = append(status.MissingTopics, w.engine.MissingTopics()...)
		status.Sources = append(status.Sources, w.engine.Sources()...)
		for _, t := range w.engine.Status() {
			s := TaskStatus{
				Name: t.Name, Restoring: t.Restoring, Restored: t.Restored, RestoredBytes: t.RestoredBytes, Remaining: t.Remaining,
				Processed: t.Processed, Skipped: t.Skipped, DeadLetters: t.DeadLetters, Ignored: t.Ignored, Late: t.Late, NullKeys: t.NullKeys, Lag: t.Lag,
				Rebuilt: t.Rebuilt,
			}
			if t.Restoring {
				s.RestoreRate, s.RestoreLeft = pace(t.Restored, t.Remaining, t.RestoreBegan)
			}
			if t.StreamMillis != 0 {
				s.StreamTime = time.UnixMilli(t.StreamMillis)
			}
			status.Tasks = append(status.Tasks, s)
		}
	}
	slices.Sort(status.MissingTopics)
	status.MissingTopics = slices.Compact(status.MissingTopics)
	slices.SortFunc(status.Sources, func(a, b source.Status) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Slot, b.Slot))
	})
	slices.SortFunc(status.Tasks, func(a, b TaskStatus) int { return cmp.Compare(a.Name, b.Name) })
	return status
}

// pace returns how many records per second were read since began, and how long the rest takes at this rate. Both are 0 before
// the first record.
func pace(read, remaining int64, began time.Time) (perSecond float64, left time.Duration) {
	if read == 0 {
		return 0, 0
	}
	perSecond = float64(read) / max(0.001, time.Since(began).Seconds())
	return perSecond, time.Duration(float64(remaining) / perSecond * float64(time.Second))
}
