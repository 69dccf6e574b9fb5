package kinesis

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/kinesis"
)

// Stream names a data stream and says how to reach it. Name is needed; fields that are not set come from the environment and the shared files of AWS. The fields
// are Name, Region, Endpoint, AccessKey, SecretKey, SessionToken and Timeout.
type Stream = kinesis.Stream

// Message is a record of a data stream. Its memory is not used again.
type Message struct {
	PartitionKey string
	Data         []byte
	// Shard and SequenceNumber are the place of the record, and Time is about the time at which the data stream took it.
	Shard, SequenceNumber string
	Time                  time.Time
}

// Options configure a source of records with keys of type K and values of type V. The zero value is right for most.
type Options[K, V any] struct {
	// Since is the time of the first record that is read of a shard without a position. The zero value means the oldest that the data stream has.
	Since time.Time
	// Lanes is the number of parts of the data stream that members of the application share. Each is an equal part of the hashes of partition keys, so that
	// the order of a key survives any split or merge of shards. A shard that reaches over several lanes is read once for each of them, so Lanes should be no more than the data stream has
	// shards. It stays the same for the life of the application: with another number the source begins anew. 0 means 1, with which one member reads all shards.
	Lanes int
	// Record makes the record of a message. nil makes the partition key the key, and the data the value: texts and bytes as they are, and other types by JSON, with
	// a null value for empty data. The time is that of the message.
	Record func(m Message) (weir.Record[K, V], error)
	// SkipInvalid logs a message without a record, and goes on. Without it the run ends with the error.
	SkipInvalid bool

	// PollInterval is the time between two reads of a shard. Kinesis allows five reads in a second, of all applications together. 0 means 250 ms.
	PollInterval time.Duration
	// ReadRecords is how many records a read returns at most; Kinesis bounds it to 10 MiB besides. At most 10,000. 0 means 2,000.
	ReadRecords int
}

const (
	defaultPollInterval = 250 * time.Millisecond
	defaultReadRecords  = 2000
	maxReadRecords      = 10_000
	maxLanes            = 1024
)

func (o Options[K, V]) withDefaults() Options[K, V] {
	o.Lanes, o.PollInterval, o.ReadRecords = cmp.Or(o.Lanes, 1), cmp.Or(o.PollInterval, defaultPollInterval), cmp.Or(o.ReadRecords, defaultReadRecords)
	if o.Record == nil {
		record := connector.RecordOf[K, V]("partition key")
		o.Record = func(m Message) (weir.Record[K, V], error) { return record(m.PartitionKey, m.Data) }
	}
	return o
}

// check returns everything that is wrong.
func (o *Options[K, V]) check() error {
	var wrong []error
	if err := connector.Negative(o); err != nil {
		wrong = append(wrong, err)
	}
	if o.Lanes > maxLanes {
		wrong = append(wrong, fmt.Errorf("Lanes is %d, and %d at most", o.Lanes, maxLanes))
	}
	if o.ReadRecords > maxReadRecords {
		wrong = append(wrong, fmt.Errorf("ReadRecords is %d, and %d at most", o.ReadRecords, maxReadRecords))
	}
	return errors.Join(wrong...)
}
