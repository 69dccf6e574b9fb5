package sink

import (
	"context"

	"github.com/weirstreams/weir"
)

// Writer writes the records of one task to a sink.
//
// All methods are called by the task's goroutine.
type Writer[K, V any] interface {
	// Add takes a record, to write it at once or later. The record, its headers included, is valid until Add returns.
	// An error is one of the record: it goes to the error policy, as that of any function of the topology.
	Add(ctx context.Context, r *weir.Record[K, V]) error
	// Flush returns when everything that was added is written for good. It is called before each checkpoint, and the
	// offsets of the records are committed only after it has returned nil. After an error that says to try again later
	// (weir.RetryLaterError) it is called again, for the records that are not written yet; any other error ends the run. ctx ends
	// when partitions have to be given up.
	Flush(ctx context.Context) error
	// Full reports whether the writer would like a checkpoint, and its Flush, soon: it holds much in memory.
	Full() bool
	// Discard forgets added records that are not written: they are going to be processed again.
	Discard()
	// Close is called when the task is closed. It forgets added records that were not flushed.
	Close() error
}

// Sink is a place outside of Kafka. One value may be used at several places of a topology: it is connected and closed once,
// and has a writer per place and task.
type Sink[K, V any] interface {
	// Connect is called by App.Run before the first record is read: it opens connections and finds out whether the
	// target is fit for use. An error ends the run.
	Connect(ctx context.Context) error
	// Writer returns the writer of a task. It is called by the goroutines of several tasks at once.
	Writer(ctx context.Context, task Task) (Writer[K, V], error)
	// Close is called once, at the end of the run, when all writers are closed, and only if Connect has succeeded.
	Close(ctx context.Context) error
}

// Task names the task of a writer.
type Task struct {
	// Sink is the name of the operator.
	Sink string
	// Partition is that of the input.
	Partition int32
}
