package kafka

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/kafka"
)

// Options configures [New]. Connection.Brokers is required; the zero value of everything else copies each record as it is, from the first one
// that the topic retains.
type Options[K, V any] struct {
	// Connection holds the address, TLS and SASL settings of the cluster that is read. The default of Connection.ClientID is "weir".
	Connection kafka.Connection
	// Start says where a partition without a position begins. Later the position counts alone.
	Start Start
	// StopAtEnd ends each partition at the offset that was its end when it was opened first: for a copy that is done once.
	StopAtEnd bool

	// ByKey writes records to the partitions of their keys, as Stream.To does. By default they keep the numbers of their partitions, and the topic
	// that is written needs as many partitions as the one that is read.
	ByKey bool
	// ArrivalTime gives records the time at which they are copied. By default they keep their timestamps.
	ArrivalTime bool
	// DropHeaders leaves headers out. Codecs see them all the same.
	DropHeaders bool
	// OriginHeaders adds headers that name where the record was: [HeaderTopic], [HeaderPartition] and [HeaderOffset].
	OriginHeaders bool

	// OnLost says how to go on when the next record of a partition is gone.
	OnLost Lost
	// BufferBytes is how much of a partition is read ahead. 0 means 4 MiB.
	BufferBytes int
	// Timeout is how long Connect tries to reach a broker. 0 means 30 s. Later, a cluster that is away holds the source up until it is back.
	Timeout time.Duration
	// Logger gets outages of the cluster. nil means slog.Default.
	Logger *slog.Logger
}

// Start is where a partition without a position begins. The zero value is [Earliest].
type Start struct {
	latest bool
	at     time.Time
}

// Earliest begins with the first record that the partition retains.
func Earliest() Start { return Start{} }

// Latest begins with records that are written after the partition is opened. A partition that is added while the application runs is read from
// its beginning.
func Latest() Start { return Start{latest: true} }

// At begins with the first record whose timestamp is at, in milliseconds, or later; without such a record with those that are written later.
func At(at time.Time) Start { return Start{at: at} }

// Lost says how to go on when the next record of a partition is gone: retention has removed it, or the topic was deleted and made anew.
type Lost int8

const (
	// LostFails ends the run with an error that wraps weir.ErrLostInput.
	LostFails Lost = iota
	// LostSkips goes on with the first record that is there, after a warning in the log.
	LostSkips
)

// Headers of Options.OriginHeaders. The partition and the offset are decimal numbers.
const (
	HeaderTopic     = "weir-origin-topic"
	HeaderPartition = "weir-origin-partition"
	HeaderOffset    = "weir-origin-offset"
)

const (
	defaultBuffer  = 4 << 20
	defaultTimeout = 30 * time.Second
)

func (o Options[K, V]) withDefaults() Options[K, V] {
	o.BufferBytes, o.Timeout = cmp.Or(o.BufferBytes, defaultBuffer), cmp.Or(o.Timeout, defaultTimeout)
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
	if o.OnLost != LostFails && o.OnLost != LostSkips {
		bad("Options.OnLost: unknown value %d", o.OnLost)
	}
	if !o.Start.at.IsZero() && o.Start.at.UnixMilli() < 0 {
		bad("Options.Start: %v lies before 1970", o.Start.at)
	}
	return errors.Join(found...)
}
