package runtime

import (
	"cmp"
	"slices"
	"time"

	"github.com/weirstreams/weir/internal/engine"
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

// Status is the state of an App. As JSON it is for other programs: names are stable, fields are added and never renamed or removed. Durations
// are in seconds, in fields whose names end in _seconds; empty lists, times and texts are left out.
type Status struct {
	State State `json:"state"`
	// Tasks are the tasks of this member, ordered by name.
	Tasks []TaskStatus `json:"tasks,omitempty"`
	// Globals are the global tables, in the order of their declaration. Each member has all of them.
	Globals []GlobalStatus `json:"global_tables,omitempty"`
	// Sources are the slots of sources outside of Kafka that this member reads, ordered by source and slot.
	Sources []source.Status `json:"sources,omitempty"`
	// Workers are the workers of this member, by number.
	Workers []WorkerStatus `json:"workers,omitempty"`
	// Paused are the pauses that last, in the order of their begin: see App.Pause.
	Paused []Pause `json:"paused,omitempty"`
	// DrainingSince is since when App.Drain lets the App finish what it has read, zero if it does not.
	DrainingSince time.Time `json:"draining_since,omitzero"`
	// UnreachableSince is since when no broker has answered, zero if the last request was answered.
	UnreachableSince time.Time `json:"unreachable_since,omitzero"`
	// Failure is the text of the error that Run has returned, empty if there is none.
	Failure string `json:"failure,omitempty"`
	// MissingTopics are topics that this member writes to and that the cluster does not know any more, sorted: they were deleted
	// while it ran. Their records wait for them to be made again; after 3 minutes, or a minute more than Config.BrokerTimeout if
	// that is longer, Run ends with an error.
	MissingTopics []string `json:"missing_topics,omitempty"`
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
	Name string `json:"name"`
	// Worker is the number of the worker that runs the task: its place in Status.Workers.
	Worker int `json:"worker"`
	// Restoring is true while state is read from changelogs. Input is processed afterwards.
	Restoring bool `json:"restoring"`
	// Paused is true while the task stands still because of App.Pause or App.Drain. The ends of its inputs are asked for every 10 s then.
	Paused bool `json:"paused"`
	// Restored is the number of changelog records that were applied, Remaining roughly how many are left.
	Restored  int64 `json:"restored"`
	Remaining int64 `json:"remaining"`
	// RestoredBytes is the size of the keys and values of those records.
	RestoredBytes int64 `json:"restored_bytes"`
	// RestoreRate is how many changelog records per second are read, and RestoreLeft how long the rest will take at this
	// rate. Both are 0 when nothing is being restored.
	RestoreRate float64       `json:"restore_rate"`
	RestoreLeft time.Duration `json:"-"`
	// Processed is the number of records that were read from the input, and Skipped how many of them could not be
	// processed, and were skipped or written as dead letters.
	Processed int64 `json:"processed"`
	Skipped   int64 `json:"skipped"`
	// DeadLetters is the number of dead letters, those of records that an operator has dropped included.
	DeadLetters int64 `json:"dead_letters"`
	// Ignored is the number of those that a codec passed over: see codec.ErrIgnore.
	Ignored int64 `json:"ignored"`
	// Late is the number of records that came after their window had closed, NullKeys of those that a stateful operator
	// could not place.
	Late     int64 `json:"late"`
	NullKeys int64 `json:"null_keys"`
	// Rebuilt is how often the state on disk was found to be damaged, and was deleted and restored from the changelogs, since
	// this member has run.
	Rebuilt int64 `json:"rebuilt"`
	// UncommittedBytes is how much of the state has changed since the last checkpoint, in bytes.
	UncommittedBytes int64 `json:"uncommitted_bytes"`
	// Lag is the number of offsets between the positions and the last seen ends of Inputs.
	Lag int64 `json:"lag"`
	// Inputs are the partitions that the task reads, ordered by topic.
	Inputs []InputStatus `json:"inputs,omitempty"`
	// StreamTime is the greatest event time that was read; zero if there was none.
	StreamTime time.Time `json:"stream_time,omitzero"`
}

// InputStatus is how far a task has come in one partition.
type InputStatus struct {
	// Topic is the name of the topic, with Config.Prefix.
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// Position is the next offset to process, End the end of the partition as last seen, and Lag the number of offsets between them.
	Position int64 `json:"position"`
	End      int64 `json:"end"`
	Lag      int64 `json:"lag"`
	// Behind is the age of the oldest record that is left, by its timestamp. It is 0 if none is left, and while no record was read yet.
	Behind time.Duration `json:"-"`
}

// WorkerStatus is the state of a worker, which runs tasks on one goroutine.
type WorkerStatus struct {
	// StepSince is when the step that the worker is in has begun: some records, a checkpoint, or up to a second without records. It is zero
	// between two steps.
	StepSince time.Time `json:"step_since,omitzero"`
	// UncommittedSince is when the first record was processed that no checkpoint covers, zero if there is none.
	UncommittedSince time.Time `json:"uncommitted_since,omitzero"`
	// HeldSince is since when the input is held back, by a sink, a lookup, a codec or a retry, zero if it is not.
	HeldSince time.Time `json:"held_since,omitzero"`
	// CheckpointAt is when its last checkpoint was made, zero if there was none.
	CheckpointAt time.Time `json:"checkpoint_at,omitzero"`
	// Rewinds is how often the worker went back to its last checkpoint.
	Rewinds int64 `json:"rewinds"`
}

// GlobalStatus is the state of a global table. Counts begin when Run began to read it.
type GlobalStatus struct {
	// Topic is the topic of the table, with Config.Prefix.
	Topic string `json:"topic"`
	// Loading is true until the table holds the records that were in the topic when Run began. The App joins the group afterwards.
	Loading bool `json:"loading"`
	// Rows is the number of rows.
	Rows int64 `json:"rows"`
	// Records is the number of records that were read, Bytes the size of their keys and values, and Remaining roughly how
	// many are left until the table is loaded.
	Records   int64 `json:"records"`
	Bytes     int64 `json:"bytes"`
	Remaining int64 `json:"remaining"`
	// LoadRate is how many records per second are read, and LoadLeft how long the rest will take at this rate. Both are 0 when
	// the table is loaded.
	LoadRate float64       `json:"load_rate"`
	LoadLeft time.Duration `json:"-"`
	// Skipped is the number of records that could not be decoded and were skipped, Ignored of those that a codec passed over,
	// NullKeys of those without a key.
	Skipped  int64 `json:"skipped"`
	Ignored  int64 `json:"ignored"`
	NullKeys int64 `json:"null_keys"`
	// DeadLetters is the number of records with dead letters, which are among the others.
	DeadLetters int64 `json:"dead_letters"`
	// Lag is the number of offsets between the position and the last seen end of the topic.
	Lag int64 `json:"lag"`
}

// Status returns the state of the App. Any goroutine may call it at any time.
func (a *App) Status() Status {
	status := Status{State: State(a.state.Load()), Paused: a.pauses.all(), DrainingSince: a.pauses.draining()}
	if err := a.failure.Load(); err != nil {
		status.Failure = (*err).Error()
	}
	if cluster := a.cluster.Load(); cluster != nil {
		if since, ok := (*cluster).Unreachable(); ok {
			status.UnreachableSince = since
		}
	}
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
	checkpoints := a.recent.lastCheckpoints()
	for i, w := range *workers {
		f := w.engine.Figures()
		status.MissingTopics = append(status.MissingTopics, f.Missing...)
		status.Sources = append(status.Sources, w.engine.Sources()...)
		status.Workers = append(status.Workers, WorkerStatus{
			StepSince: f.StepSince, UncommittedSince: f.UncommittedSince, HeldSince: f.HeldSince, CheckpointAt: checkpoints[i], Rewinds: f.Rewinds,
		})
		for _, t := range w.engine.Status() {
			s := TaskStatus{
				Name: t.Name, Worker: i, Restoring: t.Restoring, Paused: t.Paused, Restored: t.Restored, RestoredBytes: t.RestoredBytes, Remaining: t.Remaining,
				Processed: t.Processed, Skipped: t.Skipped, DeadLetters: t.DeadLetters, Ignored: t.Ignored, Late: t.Late, NullKeys: t.NullKeys, Lag: t.Lag,
				Rebuilt: t.Rebuilt, UncommittedBytes: t.UncommittedBytes, Inputs: inputs(t.Name, f.Inputs),
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

// inputs returns the inputs of a task.
func inputs(task string, all []engine.InputStatus) (inputs []InputStatus) {
	for _, in := range all {
		if in.Task != task {
			continue
		}
		s := InputStatus{Topic: in.Topic, Partition: in.Partition, Position: in.Next, End: in.End, Lag: max(0, in.End-in.Next)}
		if in.OldestMillis > 0 {
			s.Behind = max(0, time.Since(time.UnixMilli(in.OldestMillis)))
		}
		inputs = append(inputs, s)
	}
	return inputs
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
