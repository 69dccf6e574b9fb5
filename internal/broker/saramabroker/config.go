package saramabroker

import (
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
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
	Tune func(*sarama.Config)
}

// CheckBrokers reports mistakes in addresses that a user has given as Brokers. It does not show the addresses: some
// contain credentials.
func CheckBrokers(addresses []string, problem func(format string, args ...any)) {
	if len(addresses) == 0 {
		problem("Brokers is empty: give the address of a broker, as host:port")
	}
	for i, a := range addresses {
		host, port, err := net.SplitHostPort(a)
		if err != nil || host == "" || strings.ContainsAny(host, "@/") {
			problem("Brokers: address %d is not host:port", i+1)
			continue
		}
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			problem("Brokers: the port of address %d is not between 1 and 65535", i+1)
		}
	}
}

// version is the newest protocol version in use. The client goes down to the version of a broker. 3.6 is the newest
// widely tried one; no request of this package needs a newer one.
var version = sarama.V3_6_0_0

// clientConfig returns a configuration that dials all connections by conns.
func (c *cluster) clientConfig(conns *connections) *sarama.Config {
	conf := sarama.NewConfig()
	conf.ClientID = c.cfg.ClientID
	conf.Net.DialTimeout = 10 * time.Second
	conf.Metadata.Retry.Backoff = 100 * time.Millisecond
	if c.cfg.Tune != nil {
		c.cfg.Tune(conf)
	}
	conf.Version = version
	conf.ApiVersionsRequest = true
	conf.Metadata.Full = false
	conf.Metadata.AllowAutoTopicCreation = false
	conf.Consumer.IsolationLevel = sarama.ReadCommitted
	conf.Consumer.Offsets.AutoCommit.Enable = false
	// For the client's own producers, which nobody uses; idempotence is seen to here.
	conf.Producer.Idempotent = false
	conf.Producer.Transaction.ID = ""
	conns.adopt(conf)
	conns.reach = &c.reach
	return conf
}
