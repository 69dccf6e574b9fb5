// Package saramabroker speaks to a Kafka cluster over the network. It implements package broker, and holds the construction alone:
// packages cluster (topics, leaders, offsets), fetch, produce, transaction and group do the work, on connections of package conn.
// Package wire has the record batches, package fault the meaning of the client's errors.
//
// The data path uses broker-level requests of the client library with whole record batches. A connection of that
// library is locked for a whole round trip, and a fetch or a join may be held open by the broker for long; that is why
// the cluster, every fetcher, every producer and every group have connections of their own.
package saramabroker

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/cluster"
	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fetch"
	"github.com/weirstreams/weir/internal/broker/saramabroker/group"
	"github.com/weirstreams/weir/internal/broker/saramabroker/produce"
)

// Config says how to reach a cluster. Zero values mean the defaults, but for Brokers.
type Config struct {
	// Brokers are the addresses to begin with, as host:port. The others are learned from them.
	Brokers []string
	// ClientID names the program in the cluster's logs and quotas. The default is "weir".
	ClientID string
	// OpenTimeout is how long Open tries to reach a broker. The default is 10 s; a negative value tries until the context
	// ends.
	OpenTimeout time.Duration
	// Logger receives outages and their ends. The default is slog.Default.
	Logger *slog.Logger
	// Tune edits the configuration of every client and connection that is opened: TLS, SASL, time-outs, a dialer in
	// Net.Proxy. Settings that this package relies on are set after it. It may be called often and
	// by several goroutines at once.
	Tune Tune
}

// Tune edits the configuration of the client. It is a name for packages that hand such a function on and do not import the client.
type Tune = func(*sarama.Config)

// CheckBrokers reports mistakes in the addresses of a field, by its name. It does not show the addresses: some
// contain credentials.
func CheckBrokers(field string, addresses []string, problem func(format string, args ...any)) {
	if len(addresses) == 0 {
		problem("%s is empty: give the address of a broker, as host:port", field)
	}
	for i, a := range addresses {
		host, port, err := net.SplitHostPort(a)
		if err != nil || host == "" || strings.ContainsAny(host, "@/") {
			problem("%s: address %d is not host:port", field, i+1)
			continue
		}
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			problem("%s: the port of address %d is not between 1 and 65535", field, i+1)
		}
	}
}

// network is a cluster, and makes the clients that have connections of their own.
type network struct{ *cluster.Cluster }

var _ broker.Cluster = network{}

// Open connects to a cluster. It tries for Config.OpenTimeout, or until ctx ends, and then returns an error that wraps
// [weir.ErrUnavailable] and names the addresses.
func Open(ctx context.Context, cfg Config) (broker.Cluster, error) {
	if len(cfg.Brokers) == 0 {
		return nil, errors.New("open cluster: no broker address is given")
	}
	c, err := cluster.Open(ctx, cluster.Config{
		Brokers: cfg.Brokers, OpenTimeout: cfg.OpenTimeout, Logger: cmp.Or(cfg.Logger, slog.Default()),
		Settings: &conn.Settings{ClientID: cmp.Or(cfg.ClientID, "weir"), Tune: cfg.Tune},
	})
	if err != nil {
		return nil, err
	}
	return network{c}, nil
}

// NewFetcher implements broker.Cluster.
func (n network) NewFetcher(cfg broker.FetcherConfig) (broker.Fetcher, error) {
	return fetch.New(n.Cluster, cfg), nil
}

// NewProducer implements broker.Cluster.
func (n network) NewProducer(cfg broker.ProducerConfig) (broker.Producer, error) {
	return produce.New(n.Cluster, cfg)
}

// NewGroup implements broker.Cluster.
func (n network) NewGroup(cfg broker.GroupConfig) (broker.Group, error) {
	return group.New(n.Cluster, cfg)
}
