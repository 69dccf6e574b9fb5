package kafka

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/kafka"
)

// Options configures [New]. Connection.Brokers is required; the zero value of everything else is right for most.
type Options[K, V any] struct {
	// Connection holds the address, TLS and SASL settings of the cluster that is written. The default of Connection.ClientID is "weir".
	Connection kafka.Connection
	// Create makes the topic if it is missing. nil means that a missing topic is an error of Connect. Topics that exist are left as they are.
	Create *NewTopic

	// KeepPartitions writes records to the partition with the number of their task, that of the input. The topic needs as many partitions as
	// the input. By default a record goes to the partition of its key, as for Stream.To.
	KeepPartitions bool
	// ArrivalTime gives records the time at which they are added. By default they keep their timestamps.
	ArrivalTime bool
	// DropHeaders leaves the headers of records out. Those of codecs stay.
	DropHeaders bool
	// OriginHeaders adds headers that name the input record: [HeaderTopic], [HeaderPartition] and [HeaderOffset]. A reader can tell repetitions by them.
	OriginHeaders bool
	// Compression is "none", "gzip", "snappy", "lz4" or "zstd". Empty means none.
	Compression string

	// HoldRecords and HoldBytes are how much a task may hold in memory before it asks for a checkpoint. 0 means 10,000 and 64 MiB.
	HoldRecords int
	HoldBytes   int64
	// MaxAge is how long a record may wait before its task asks for a checkpoint. 0 means until the next checkpoint of the runtime.
	MaxAge time.Duration
	// Timeout is how long Connect tries to reach a broker, and a flush waits for acknowledgements before input is held back. 0 means 30 s.
	Timeout time.Duration
	// OutageWait is how long input is held back before the flush waits again. 0 means 5 s.
	OutageWait time.Duration
	// Logger gets outages of the cluster. nil means slog.Default.
	Logger *slog.Logger
}

// NewTopic holds the settings of a topic that the sink creates.
type NewTopic struct {
	// Partitions is the number of partitions, 1 at least.
	Partitions int32
	// Replication is the number of replicas. 0 means the default of the cluster.
	Replication int16
	// Config holds settings by Kafka's names, such as retention.ms.
	Config map[string]string
}

// Headers of Options.OriginHeaders. The partition and the offset are decimal numbers.
const (
	HeaderTopic     = "weir-origin-topic"
	HeaderPartition = "weir-origin-partition"
	HeaderOffset    = "weir-origin-offset"
)

const (
	defaultHoldRecords = 10_000
	defaultHoldBytes   = 64 << 20
	defaultTimeout     = 30 * time.Second
	defaultOutageWait  = 5 * time.Second
)

func (o Options[K, V]) withDefaults() Options[K, V] {
	o.HoldRecords, o.HoldBytes = cmp.Or(o.HoldRecords, defaultHoldRecords), cmp.Or(o.HoldBytes, defaultHoldBytes)
	o.Timeout, o.OutageWait = cmp.Or(o.Timeout, defaultTimeout), cmp.Or(o.OutageWait, defaultOutageWait)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// check returns all mistakes of the options but those of Connection's settings.
func (o *Options[K, V]) check() error {
	var found []error
	bad := func(format string, args ...any) { found = append(found, fmt.Errorf(format, args...)) }
	if err := connector.Negative(o); err != nil {
		bad("Options: %w", err)
	}
	saramabroker.CheckBrokers("Options.Connection.Brokers", o.Connection.Brokers, bad)
	if !slices.Contains([]string{"", "none", "gzip", "snappy", "lz4", "zstd"}, o.Compression) {
		bad("Options.Compression: unknown value %q", o.Compression)
	}
	if o.Create != nil && o.Create.Partitions < 1 {
		bad("Options.Create.Partitions is %d, and has to be 1 at least", o.Create.Partitions)
	}
	return errors.Join(found...)
}

// compresses reports whether records are compressed.
func (o *Options[K, V]) compresses() bool { return o.Compression != "" && o.Compression != "none" }
