package kinesis

import (
	"cmp"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/kinesis"
)

// Stream names a data stream and says how to reach it. Name is needed; fields that are not set come from the environment and the shared files of AWS. The fields
// are Name, Region, Endpoint, AccessKey, SecretKey, SessionToken and Timeout.
type Stream = kinesis.Stream

// Options configure a sink of records with keys of type K and values of type V. The zero value is right for most.
type Options[K, V any] struct {
	// PartitionKey returns the partition key of a record, whose hash chooses the shard. It has 1 to 256 characters. nil means the text of the record's key. It runs on
	// the task's goroutine.
	PartitionKey func(r *weir.Record[K, V]) (string, error)
	// NullKey is the partition key of records whose key is null or an empty text. Without it they are errors.
	NullKey string
	// Payload makes the data of a record. nil takes texts and bytes as they are, and the JSON of other values. A null value is empty data.
	Payload func(r *weir.Record[K, V]) ([]byte, error)
	// OneByOne puts at most one record of a partition key into a request. Then no record is there twice because the data stream has refused one before it, and a task with few
	// keys makes many requests. Without it the records of a key behind a refused one are put again with it.
	OneByOne bool

	// HoldRecords and HoldBytes are how much a task may hold in memory before it asks for a checkpoint. 0 means 20,000, and 64 MiB.
	HoldRecords int
	HoldBytes   int64
	// MaxAge is how long a record may wait before its task asks for a checkpoint. 0 means until the next checkpoint of the runtime.
	MaxAge time.Duration

	// Retry is for requests and records that fail because a shard is busy, or Kinesis cannot be reached. When its attempts are used up, the application holds its
	// input back for OutageWait and goes on trying.
	Retry weir.Retry
	// OutageWait is that time. 0 means 5 s.
	OutageWait time.Duration
}

const (
	// maxRequestRecords and maxRequestBytes bound a request of PutRecords: Kinesis takes 10 MiB, and other services half of that.
	maxRequestRecords = 500
	maxRequestBytes   = 5 << 20
	maxPartitionKey   = 256 // characters

	defaultHoldRecords = 20_000
	defaultHoldBytes   = 64 << 20
	defaultOutageWait  = 5 * time.Second
)

func (o Options[K, V]) withDefaults() Options[K, V] {
	o.HoldRecords, o.HoldBytes = cmp.Or(o.HoldRecords, defaultHoldRecords), cmp.Or(o.HoldBytes, defaultHoldBytes)
	o.OutageWait = cmp.Or(o.OutageWait, defaultOutageWait)
	if o.Payload == nil {
		o.Payload = connector.Payload[K, V]()
	}
	return o
}

// check returns everything that is wrong.
func (o *Options[K, V]) check() error {
	var wrong []error
	if err := connector.Negative(o); err != nil {
		wrong = append(wrong, err)
	}
	if o.NullKey != "" {
		if err := checkPartitionKey(o.NullKey); err != nil {
			wrong = append(wrong, fmt.Errorf("NullKey: %w", err))
		}
	}
	return errors.Join(wrong...)
}

// checkPartitionKey reports whether Kinesis takes a partition key.
func checkPartitionKey(key string) error {
	switch {
	case key == "":
		return errors.New("the partition key is empty (Options.NullKey is one for records without a key)")
	case !utf8.ValidString(key):
		return fmt.Errorf("the partition key %q: %w", key, connector.ErrUTF8)
	case len(key) > maxPartitionKey && utf8.RuneCountInString(key) > maxPartitionKey:
		return fmt.Errorf("the partition key %q... has %d characters, and at most %d are possible", string([]rune(key)[:32]), utf8.RuneCountInString(key), maxPartitionKey)
	}
	return nil
}
