// Package source is how records of an outside system get into a topic of the application.
//
//	t.FromSource(source.FromSeq(measured), stream.SourceTopic[string, float64]("weather")).Map(toFahrenheit).To(output)
//
// [FromSeq], [Ticker] and [Func] make sources of functions; packages below this one read systems. A [Source] is divided into splits, such
// as files or shards. The group shares them among its members: each split is read by one process at a time. The position in each split is
// part of the state of the application, and committed with the records that were written, in one transaction if the application runs
// exactly once.
//
// docs/sources.md explains how to write a source, and package sourcetest checks that it keeps its promises.
package source

import (
	"context"
	"log/slog"
	"time"

	"github.com/weirstreams/weir"
)

// Source is a system outside of Kafka that is read. K and V are the types of the keys and values of its topic.
type Source[K, V any] interface {
	// Connect is called by App.Run before anything is read: it opens connections and finds out whether the system can be
	// read. An error ends the run.
	Connect(ctx context.Context) error
	// Splits returns the parts that can be read independently of each other, in the order in which they should be opened, at the
	// start and again now and then. A split that is not returned any more is read to its end nevertheless: it is opened by its ID alone
	// after a restart. finished reports whether the split with an id was read to its end; it knows the splits of the calling slot, so
	// splits that depend on each other share their Affinity. It is called once for each slot, by several goroutines at once. An error is
	// tried again as the retry policy of the source says. Later than the first time, it does not end the run: the splits that are known
	// are read, and the source is asked again after Options.LookInterval.
	Splits(ctx context.Context, finished func(id string) bool) ([]Split, error)
	// Open returns a reader that goes on behind a position, which is nil for a split that was never read. It is called by the goroutine
	// of the split, and tried again as the retry policy says. ctx ends when Open is to be given up; the reader outlives it.
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
	// Detail is handed to Open, if Splits has learned more than the ID. It is nil if Splits does not return the split any more.
	Detail any
}

// Reader reads a split. Its methods are called by one goroutine, that of the split.
type Reader[K, V any] interface {
	// Read waits for records, and appends some to the batch, with the position behind them. A batch counts as a whole, so it should hold
	// some hundred records, or some thousand small ones. The memory of its records is not used again by the reader.
	//
	// Read returns io.EOF itself, with or without last records, at the end of a split that has one; an error that wraps it is a failure. It may return nil without records, for
	// instance to report a new position. A reader with positions to acknowledge returns so at least once a second: Acknowledge
	// is called between two calls of Read.
	//
	// ctx ends when the split is given up. After a weir.RetryLaterError, wrapped or not, the records of the batch count and Read is
	// called again after its time, which may be a moment; this is no failure. After any other error the records of the batch do not count.
	// The reader is closed and another one opened behind the last position that it has returned, as the retry policy of the source says.
	Read(ctx context.Context, into *Batch[K, V]) error
	// Acknowledge is called when everything up to a position is committed. Positions may be left out: one counts for all before. A former reader of
	// the split may have returned the position: a reader whose positions mean nothing to the next one ignores those of others. An error is
	// logged and counted; the records are not written again for it. ctx ends after 10 s.
	Acknowledge(ctx context.Context, position []byte) error
	// Close is called once. Records behind the last acknowledged position may be committed or not; the next reader is opened at the
	// position that is.
	Close() error
}

// Batch is filled by Read. The runtime resets it before each call.
type Batch[K, V any] struct {
	// Records are written to the topic in order, with their key, value, headers and time. Millis of 0 means the time of the clock.
	Records []weir.Record[K, V]
	// Position is the one behind the last record. nil leaves it as it was. The runtime keeps it as it is; at most 256 KiB.
	Position []byte
	// Bytes is the size of the records in the system, for the bound of the queue and for the status. 0 means that it is not known.
	Bytes int64
	// Behind is how many records, or bytes as the system counts, are left in the system behind Position, or -1 if that is not known. It is
	// shown in the status.
	Behind int64

	// partition is one more than the argument of ToPartition, or 0.
	partition int32
}

// ToPartition makes the records of the batch go to a partition of the topic, and not to those of their keys. Sources that call it are
// [Partitioned].
func (b *Batch[K, V]) ToPartition(partition int32) { b.partition = partition + 1 }

// Partition returns the argument of ToPartition, or false.
func (b *Batch[K, V]) Partition() (partition int32, ok bool) { return b.partition - 1, b.partition > 0 }

// Reset empties the batch and keeps its memory.
func (b *Batch[K, V]) Reset() {
	clear(b.Records)
	b.Records, b.Position, b.Bytes, b.Behind = b.Records[:0], nil, 0, -1
	b.partition = 0
}

// Task names the slot that a split is read in.
type Task struct {
	// Application is the group of the application (Config.Group), with its prefix.
	Application string
	// Source is the name of the source in the topology.
	Source string
	// Slot is the partition of the internal topic that keeps the positions.
	Slot int32
	// Now returns the time of the clock of the application, which is moved by hand in tests. It is never nil.
	Now func() time.Time
	// Logger names the source, the slot and the split in each line. It is never nil.
	Logger *slog.Logger
	// BatchRecords is how many records a batch should have at most, so that Options.RecordsPerSecond is kept evenly: those of a tenth of a
	// second. 0 means any number. A larger batch is written as a whole, and the next one waits longer. [Func] and the sources that are made of
	// it keep to it.
	BatchRecords int
}

// Slotted is implemented by sources that know how many slots can be of use.
type Slotted interface {
	// Slots returns the greatest number of slots that can be of use: 1 for a source that cannot be divided.
	Slots() int32
}

// Partitioned is implemented by sources that choose the partitions of their records, by [Batch.ToPartition]. All records of a key have to go to one
// partition, if the topology that reads the topic has state by key.
type Partitioned interface {
	// Partitions returns how many partitions the source writes to, or 0 if records go to the partitions of their keys. It is called after
	// Connect. A topic with less ends the run.
	Partitions() int32
}

// Retrying is implemented by sources that know how often their calls should be made again, such as those that open lost connections again.
type Retrying interface {
	// Retry returns the policy that counts if Options.Retry is the zero value.
	Retry() weir.Retry
}
