package operator

import (
	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/source"
)

// Feed brings records into a task from a system outside of Kafka. The engine runs it between the records of topics. All methods but
// Status are called by the goroutine of the worker.
type Feed interface {
	// Node is the number of the node.
	Node() int
	// Next returns the time in milliseconds at which Take has something to do: one that is past if it has now, and math.MaxInt64 if
	// it has after Env.Wake at the earliest. It is cheap.
	Next() int64
	// Take hands records on, in whole batches, until limit is reached or nothing is left. An error is that of a record, which Skip
	// passes over; Take goes on behind it then. It is called when the state is complete, and never in a checkpoint.
	Take(limit int) error
	// Skip passes over the record that Take has failed with.
	Skip()
	// Taken returns how many records were handed on since the last call, and whether Take has done anything.
	Taken() (records int, moved bool)
	// Err returns why the source cannot be read, or nil.
	Err() error
	// Settled reports whether the source was asked for its splits, and all records that were read are handed on.
	Settled() bool
	// Full reports whether a checkpoint would set resources free.
	Full() bool
	// Committed says that the positions of the last checkpoint count.
	Committed()
	// Stop tells the readers to end, and does not wait for them. Env.OnClose does.
	Stop()
	// Status returns the state of the source in this task. Any goroutine may call it.
	Status() source.Status
}

// FedRecord is a record of a source, for the search for one that the cluster refuses; see [Env.AfterFed].
type FedRecord struct {
	// Split is the ID of its split, and Record the weir.Record, as the source has it.
	Split  string
	Record any
	// Place names the source, the split and the position before the batch of the record, for errors.
	Place  string
	Origin weir.Origin
	// Ahead is how many records of the split lie between the last checkpoint and the end of the record.
	Ahead int
	// Passed says that it was left out since the last checkpoint, or that the split has gone on without it.
	Passed bool
}
