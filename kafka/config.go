package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/topicname"
)

// Config configures consumers and producers. Connection.Brokers is required; the zero value of everything else is right for most
// programs.
type Config struct {
	// Connection holds the address, TLS and SASL settings of the cluster. The default of Connection.ClientID is "weir".
	Connection Connection

	// Prefix is put before the names of all topics and groups, for clusters that several environments share. Names of
	// topics in the program go without it.
	Prefix string

	// TopicName returns the name on the cluster of a topic that the program names, where a platform gives other names than Prefix does. The
	// default puts Prefix before it. It returns a name of the cluster as it is. NewConsumer and the methods of Producer call it.
	TopicName func(topic string) string

	// BrokerTimeout is how long the whole cluster may be out of reach. NewConsumer and NewProducer wait that long for a broker;
	// a producer keeps records for a minute longer, and for 2 minutes at least, before Flush or Commit returns an error. The
	// default is 2 minutes; a negative value waits for ever.
	BrokerTimeout time.Duration

	// OffsetReset says where a consumer begins with a partition without a committed offset. The default is Earliest. With Latest, a
	// partition that was added to a topic after the group has committed offsets of it is read from its beginning.
	OffsetReset OffsetReset

	// SessionTimeout is how long the group waits for a consumer that is silent. The default is 45 s.
	SessionTimeout time.Duration

	// RebalanceTimeout is how long a consumer may take to give up partitions. The default is 5 minutes.
	RebalanceTimeout time.Duration

	// Compression of the records of a producer: "none", "gzip", "snappy", "lz4" or "zstd". The default is none.
	Compression string

	// TransactionTimeout is how long a transaction of a producer may stay open before the cluster aborts it. The default is 1 minute.
	TransactionTimeout time.Duration

	// Logger is where the log goes. The default is slog.Default.
	Logger *slog.Logger

	tune saramabroker.Tune // applies Connection; set by withDefaults
}

// OffsetReset says where to begin with a partition that the group has committed no offset for.
type OffsetReset int8

const (
	// Earliest begins with the first record that is retained, so that no record is missed.
	Earliest OffsetReset = iota
	// Latest begins with records that are written after the start.
	Latest
	// NoReset is an error, which ends runtime.App.Run or Consumer.Poll.
	NoReset
)

// withDefaults returns the configuration with all defaults filled in, or an error that names all wrong fields.
func (c Config) withDefaults() (Config, error) {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	saramabroker.CheckBrokers("Connection.Brokers", c.Connection.Brokers, problem)
	if c.TopicName == nil {
		c.TopicName = func(topic string) string { return c.Prefix + topic }
	}
	if err := topicname.CheckPart(c.Prefix); err != nil {
		problem("Prefix %q: %w; it is part of topic names", c.Prefix, err)
	}
	for _, field := range []struct {
		name  string
		value time.Duration
	}{
		{"SessionTimeout", c.SessionTimeout},
		{"RebalanceTimeout", c.RebalanceTimeout},
		{"TransactionTimeout", c.TransactionTimeout},
	} {
		if field.value < 0 {
			problem("%s is negative", field.name)
		}
	}
	if c.OffsetReset < Earliest || c.OffsetReset > NoReset {
		problem("OffsetReset: unknown value %d", c.OffsetReset)
	}
	if !slices.Contains([]string{"", "none", "gzip", "snappy", "lz4", "zstd"}, c.Compression) {
		problem("Compression: unknown value %q", c.Compression)
	}
	var err error
	if c.tune, err = c.Connection.client(); err != nil {
		problems = append(problems, err)
	}
	if len(problems) > 0 {
		return c, fmt.Errorf("%w: %w", weir.ErrConfiguration, errors.Join(problems...))
	}
	c.BrokerTimeout = cmp.Or(c.BrokerTimeout, 2*time.Minute)
	c.SessionTimeout = cmp.Or(c.SessionTimeout, 45*time.Second)
	c.RebalanceTimeout = cmp.Or(c.RebalanceTimeout, 5*time.Minute)
	c.TransactionTimeout = cmp.Or(c.TransactionTimeout, time.Minute)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c, nil
}

// open connects to the cluster. It tries for BrokerTimeout.
func (c Config) open(ctx context.Context) (broker.Cluster, error) {
	cluster, err := saramabroker.Open(ctx, saramabroker.Config{
		Brokers: c.Connection.Brokers, ClientID: c.Connection.ClientID, OpenTimeout: c.BrokerTimeout, Logger: c.Logger, Tune: c.tune,
	})
	if errors.Is(err, weir.ErrUnavailable) && ctx.Err() == nil {
		err = fmt.Errorf("no broker has answered within Config.BrokerTimeout (%v): %w", c.BrokerTimeout, err)
	}
	return cluster, err
}
