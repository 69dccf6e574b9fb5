package operator

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/raw"
	"github.com/weirstreams/weir/internal/state"
)

// Env has the objects that the operators of one task share: the record being processed, the task's stores and its outputs.
// It is used by the task's worker goroutine alone.
type Env struct {
	// Context is handed to the functions of Try operators. It ends when the task has to stop at once.
	Context context.Context
	// Trace is nil unless records are traced.
	Trace Trace
	// Origin is the input record being processed.
	Origin weir.Origin
	// At is the number of the running node. Each kernel sets it before it calls a user's function, so that
	// an error or a panic is reported with the right node.
	At int
	// Entered counts the calls of Enter of each node, if it is not nil.
	Entered []int64
	// Stores are the stores that the operators have opened.
	Stores []state.Store
	// Step returns the context of the running step of the worker, for calls that wait: it ends when Context does, and when
	// partitions have to be given up. If it is nil, that is Context.
	Step func() context.Context
	// Drains are where records leave for sinks, flushed before each checkpoint in the order of the declaration.
	Drains []TaskDrain
	// Buffers are the operators that hold records back. They hold none between two steps, unless one could not be settled or is a Flight.
	Buffers []Buffer
	// Flights are those of Buffers that hold records between two steps, and Landing lets them wait until all are handed on. Calls
	// runs their calls; it is nil for goroutines. Wake wakes the worker, and may be called by any goroutine; it may be nil.
	Flights []Flight
	Landing bool
	Calls   Calls
	Wake    func()
	// NullKeys counts records that a stateful operator skipped because their key was null.
	NullKeys int64
	// Ignored counts messages that a codec passed over.
	Ignored int64
	// Late counts the windows that a record came too late for.
	Late int64
	// OnLate is shown each record that Late counts and that no function of the topology was told of. It is for the test kit, and
	// may be nil.
	OnLate func(LateRecord)
	// OnDrop, if it is not nil, is told of records that operators leave out without an error. Its error, which is marked by Fatal, ends the run.
	OnDrop func(DroppedRecord) error
	// Outputs counts the records that came to the end of the topology. The engine resets it.
	Outputs int64
	// StreamMillis is the greatest event time of a record that the task has read.
	StreamMillis int64
	// Idle are called when the input of the task has been silent; see [Env.OnIdle].
	Idle []Timed[func(reached int64) error]
	// Holds return the watermarks of operators; see [Env.OnHold].
	Holds []Timed[func(reached int64) (int64, error)]
	// Silent are called while records come, for keys that have none; see [Env.OnSilentKeys].
	Silent []Timed[func(reached int64) error]
	// Paces are called when the tasks in front of an operator have come further; see [Env.OnPace].
	Paces []Timed[func(pace int64) error]
	// Paced reports whether the input of a node comes from tasks of different pace. It may be nil: then none does.
	Paced func(node int) bool
	// KeepsTime is set by the engine if Idle and Holds are called: operators then keep data that makes these cheap.
	KeepsTime bool
	// Quiet is set while Holds are called if no record has come for Config.IdleTimeout, and Round counts such timeouts.
	Quiet bool
	Round int64
	// LeastMillis is the least event time of a record that a source has read, for the engine to reset.
	LeastMillis int64
	// BeforeCheckpoint are called before each checkpoint, and Settle after each of them: buffers then hand on all that they hold. Those of operators
	// that come first in the topology come last.
	BeforeCheckpoint []func()
	// OnRewind are called when the stores have gone back to the last checkpoint.
	OnRewind []func()
	// Clocks are the operators that wait for the time of the machine.
	Clocks []Clock
	// Feeds are the sources outside of Kafka that the task reads.
	Feeds []Feed
	// AfterFed, if it is not nil, is called behind each record that a source hands on, and LeftOut are records that the error policy skips: a source passes over
	// the next record of the split that equals one that is not Passed.
	AfterFed func(FedRecord) error
	LeftOut  []*FedRecord
	// MayRead is nil if sources are read by goroutines of their own. Else the worker reads them, and asks before each call of Read.
	MayRead func() bool
	// Group is the group of the application, with its prefix.
	Group string
	// OnClose are called when the task ends, however it ends.
	OnClose []func() error
	// Now returns the time of the clock. If it is nil, no record is too far ahead of it.
	Now func() time.Time
	// Logger is never nil.
	Logger *slog.Logger

	// Space returns the part of the task's database that belongs to the named store.
	Space func(name string) (state.Space, error)
	// Output returns where records for a topic go.
	Output func(topic string) (Output, error)
	// DynamicOutput returns where records go for a topic that the function of a node has named, and the name of that topic on
	// the cluster. An error is that of the record, unless it is marked by Fatal.
	DynamicOutput func(ctx context.Context, node int, topic string, template TopicTemplate) (name string, output Output, err error)

	opener *state.Opener
}

// now returns the time of the clock.
func (e *Env) now() time.Time {
	if e.Now == nil {
		return time.Now()
	}
	return e.Now()
}

// stores returns the opener of the stores that operators may share.
func (e *Env) stores() *state.Opener {
	if e.opener == nil {
		e.opener = &state.Opener{Space: e.Space, Opened: func(s state.Store) { e.Stores = append(e.Stores, s) }}
	}
	return e.opener
}

// openStore opens the store of an operator in the task of e, with a function that gets the store's space. show returns the text of an encoded key in errors;
// see [showKeys].
func openStore[S state.Store](e *Env, name string, show func(key []byte) string, open func(state.Space) S) (opened S, err error) {
	space, err := e.Space(name)
	if err != nil {
		return opened, fmt.Errorf("open store %q: %w", name, err)
	}
	space.ShowKey = show
	opened = open(space)
	e.Stores = append(e.Stores, opened)
	return opened, nil
}

// Clock waits for the time of the machine. Times are in milliseconds since the Unix epoch.
type Clock interface {
	// Next returns a time before which there is nothing to do. It reads no state.
	Next() int64
	// Ring does due work. It is called when all state is there.
	Ring(now int64) error
}

// Output takes the records that a task writes to one topic. It copies its arguments.
type Output interface {
	// Partitions returns the number of partitions of the topic.
	Partitions() int32
	// Append adds a record to a partition. It may wait when the cluster is slow.
	Append(partition int32, r *raw.Record) error
}

// StepContext returns the context of the running step of the worker.
func (e *Env) StepContext() context.Context {
	if e.Step != nil {
		if ctx := e.Step(); ctx != nil {
			return ctx
		}
	}
	return e.Context
}

// Enter notes that the code of node runs from here on.
func (e *Env) Enter(node int) {
	e.At = node
	if node < len(e.Entered) {
		e.Entered[node]++
	}
}

// skipNullKey counts a record that a stateful operator cannot place. An error ends the run.
func (e *Env) skipNullKey(node int) error {
	e.NullKeys++
	if e.NullKeys == 1 {
		e.Logger.Warn("record with a null key skipped by a stateful operator; further ones are only counted",
			"node", node, "topic", e.Origin.Topic, "partition", e.Origin.Partition, "offset", e.Origin.Offset)
	}
	return e.drop(node, weir.DropNullKey, "", nil)
}
