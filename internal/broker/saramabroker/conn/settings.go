package conn

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/IBM/sarama"
)

// Version is the newest protocol version in use. The client goes down to the version of a broker. 3.6 is the newest
// widely tried one; no request of this project needs a newer one.
var Version = sarama.V3_6_0_0

// Settings are common to all clients of a cluster.
type Settings struct {
	// ClientID names the program in the cluster's logs and quotas.
	ClientID string
	// Tune edits the configuration of every client and connection. It may be nil, and is called by several goroutines at once.
	Tune func(*sarama.Config)
	// Reach learns whether brokers answer.
	Reach Reach
}

// Config returns a configuration of the client that dials all connections by conns.
func (s *Settings) Config(conns *Set) *sarama.Config {
	conf := sarama.NewConfig()
	conf.ClientID = s.ClientID
	conf.Net.DialTimeout = 10 * time.Second
	conf.Metadata.Retry.Backoff = 100 * time.Millisecond
	if s.Tune != nil {
		s.Tune(conf)
	}
	conf.Version = Version
	conf.ApiVersionsRequest = true
	conf.Metadata.Full = false
	conf.Metadata.AllowAutoTopicCreation = false
	conf.Consumer.IsolationLevel = sarama.ReadCommitted
	conf.Consumer.Offsets.AutoCommit.Enable = false
	// For the client's own producers, which nobody uses; package produce sees to idempotence.
	conf.Producer.Idempotent = false
	conf.Producer.Transaction.ID = ""
	conns.adopt(conf)
	conns.reach = &s.Reach
	return conf
}

// Open opens a link unless it is open, and waits for it.
func Open(link *sarama.Broker, conf *sarama.Config) error {
	if err := link.Open(conf); err != nil && !errors.Is(err, sarama.ErrAlreadyConnected) {
		return err
	}
	connected, err := link.Connected()
	if err == nil && !connected {
		err = sarama.ErrNotConnected
	}
	if conf.Net.SASL.Enable && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)) {
		return fmt.Errorf("the connection was closed at the login, which is how some brokers refuse one: %w", err)
	}
	return err
}

// Leader is where a partition is read and written.
type Leader struct {
	ID    int32
	Addr  string
	Epoch int32
	Topic string // the id of the topic, empty if the cluster does not tell
}
