package sink

import (
	"context"

	"github.com/weirstreams/weir/operator"
)

// Writer writes the records of one task to a sink.
type Writer[K, V any] = operator.Writer[K, V]

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
