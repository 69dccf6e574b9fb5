// Package source is how records of an outside system get into a topic of the application.
//
// A [Source] is divided into splits, such as files or shards. The group shares them among its members: each split is read
// by one process at a time. The position in each split is part of the state of the application, and committed with the records that
// were written, in one transaction if the application runs exactly once.
package source

import (
	"context"

	"github.com/weirstreams/weir"
)

// Source is a system outside of Kafka that is read. K and V are the types of the keys and values of its topic.
type Source[K, V any] interface {
	// Connect is called by App.Run before anything is read: it opens connections and finds out whether the system can be
	// read. An error ends the run.
	Connect(ctx context.Context) error
	// Splits returns the parts that can be read independently of each other, in any order, at the start and again
	// now and then. A split that is not returned any more is read to its end nevertheless. finished reports whether the split with an id
	// was read to its end; it knows the splits of the calling slot, so splits that depend on each other share their Affinity.
	Splits(ctx context.Context, finished func(id string) bool) ([]Split, error)
	// Open returns a reader that goes on behind a position, which is nil for a split that was never read.
	Open(ctx context.Context, task Task, split Split, position []byte) (Reader[K, V], error)
	// Close is called once, at the end of the run, when all readers are closed, and only if Connect has succeeded.
	Close(ctx context.Context) error
}

// Split is a part of a source.
type Split struct {
	// ID names the split. It stays the same for the life of the data.
	ID string
	// Affinity keeps splits together: those with one Affinity are read by one process. Empty means ID.
	Affinity string
	// Detail is handed to Open, if Splits has learned more than the ID.
	Detail any
}

// Reader reads a split. Its methods are called by one goroutine, that of the split.
type Reader[K, V any] interface {
	// Read waits for records, and appends some to the batch, with the position behind them. It returns io.EOF, with or without last
	// records, at the end of a split that has one. It may return nil without records, for instance to report a new position. ctx
	// ends when the split is given up. A weir.RetryLaterError, wrapped or not, is tried again after its time; other errors as the retry
	// policy of the source says.
	Read(ctx context.Context, into *Batch[K, V]) error
	// Acknowledge is called when everything up to a position is committed. Positions may be left out: one counts for all before. An error is
	// logged and counted; the records are not written again for it.
	Acknowledge(ctx context.Context, position []byte) error
	// Close is called once. Positions that were not acknowledged are not committed.
	Close() error
}

// Batch is filled by Read. The runtime resets it before each call.
type Batch[K, V any] struct {
	// Records are written to the topic in order, with their key, value, headers and time. A zero time means that of the clock.
	Records []weir.Record[K, V]
	// Position is the one behind the last record. The runtime keeps it as it is; at most 256 KiB.
	Position []byte
	// Behind is how many records, or bytes as the system counts, are left in the system behind Position, or -1 if that is not known. It is
	// shown in the status.
	Behind int64
}

// Task names the slot that a split is read in.
type Task struct {
	// Application is the group of the application (Config.Group), with its prefix.
	Application string
	// Source is the name of the source in the topology.
	Source string
	// Slot is the partition of the internal topic that keeps the positions.
	Slot int32
}
