package sink

import (
	"context"
	"log/slog"
	"time"

	"github.com/weirstreams/weir"
)

// Writer writes the records of one task to a sink.
//
// Two methods of one writer never run at once. The goroutine of the task calls them, but for Flush, which another one may call; writers of
// several tasks are flushed at once. A writer may write added records before Flush, on goroutines of its own, as that of [Batch] does: then
// Flush waits for them and returns their errors, and none of them writes any more when Discard or Close has returned.
type Writer[K, V any] interface {
	// Add takes a record, to write it at once or later. The record, its headers included, is valid until Add returns.
	// An error is one of the record: it goes to the error policy, as that of any function of the topology.
	Add(ctx context.Context, r *weir.Record[K, V]) error
	// Flush returns when everything that was added is written for good. It is called before each checkpoint, and the
	// offsets of the records are committed only after it has returned nil. After an error that says to try again later
	// (weir.RetryLaterError) it is called again, for the records that are not written yet. After a [RecordErrors] the error policy
	// (Config.Errors) decides about each of its records, and if it skips all of them, Flush is called again for the records that are left. Any other
	// error ends the run. ctx ends when partitions have to be given up.
	Flush(ctx context.Context, c Checkpoint) error
	// Full reports whether the writer would like a checkpoint, and its Flush, soon: it holds much in memory.
	Full() bool
	// Discard forgets added records that are not written: they, and those that were written since the last checkpoint, are going to be
	// processed again.
	Discard()
	// Close is called when the task is closed. It forgets added records that were not flushed.
	Close() error
}

// Sink is a place outside of Kafka. One value may be used at several places of a topology: it is connected and closed once,
// and has a writer per place and task. A sink that can make work durable before it is visible is a [TwoPhase] too.
type Sink[K, V any] interface {
	// Connect is called by App.Run before the first record is read: it opens connections and finds out whether the
	// target is fit for use. An error ends the run.
	Connect(ctx context.Context) error
	// Writer returns the writer of a task. It is called by the goroutines of several tasks at once. Without a connection, as
	// [Callbacks].ConnectFailed may leave the sink, it returns an error or a writer that connects later.
	Writer(ctx context.Context, task Task) (Writer[K, V], error)
	// Close is called once, at the end of the run, when all writers are closed, and only if Connect has succeeded, or has failed and
	// Callbacks.ConnectFailed let the run go on.
	Close(ctx context.Context) error
}

// Task names the task of a writer.
type Task struct {
	// Application is the group of the application (Config.Group), with its prefix.
	Application string
	// SubTopology names the part of the topology that the task runs, and Sink the operator.
	SubTopology, Sink string
	// Partition is that of the input.
	Partition int32
	// Logger names the task and the sink in each line. It is never nil.
	Logger *slog.Logger
	// Now returns the time of the runtime's clock, which a test may move. It is never nil.
	Now func() time.Time
}

// Checkpoint names the checkpoint that a flush belongs to.
type Checkpoint struct {
	// ID is greater than that of any checkpoint before in the same Epoch, 1 at least. A checkpoint that is made again after a failure has
	// another ID.
	ID int64
	// Epoch names the owner of the task. Each owner has a greater epoch than those before it, in the order of strings. It has only digits
	// and letters from a to f. For a [Writer], as the runtime keeps no epoch of it, that order begins anew if the group is deleted.
	Epoch string
	// Positions are the parts of the input that the checkpoint covers, sorted by topic. An input without new records since the
	// checkpoint before has equal From and To. Timers and the passing of time can make records although all inputs are so, so
	// positions alone do not name a checkpoint; Epoch and ID do. A checkpoint after a crash begins where the last completed one ends, and its
	// To may be less than that of a checkpoint that was flushed before the crash, or greater.
	Positions []Position
}

// Position is a range of offsets in an input partition.
type Position struct {
	Topic     string
	Partition int32
	// From is the first offset that the checkpoint covers, and To the one behind the last.
	From, To int64
}
