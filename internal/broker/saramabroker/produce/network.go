package produce

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/broker/saramabroker/transaction"
)

// Cluster is the part of a cluster that a producer needs.
type Cluster interface {
	transaction.Cluster
	Logger() *slog.Logger
	// TopicSize returns how many partitions a topic has.
	TopicSize(ctx context.Context, topic string) (int32, error)
	// Leaders looks up the leaders of partitions. A partition without one has an error instead.
	Leaders(ctx context.Context, tps []broker.TopicPartition) (map[broker.TopicPartition]conn.Leader, map[broker.TopicPartition]error, error)
	// ProducerID asks for a producer ID without a transactional id, once.
	ProducerID(ctx context.Context) (id int64, epoch int16, err error)
}

// network has the calls of a producer to the cluster. Tests put a scripted one in its place.
type network struct {
	log *slog.Logger
	// interrupt makes requests on their way fail, and close also later ones.
	interrupt, close func()
	// topicSize returns how many partitions a topic has.
	topicSize func(ctx context.Context, topic string) (int32, error)
	// leaders looks up the leaders of partitions. A partition without one has an error instead.
	leaders func(ctx context.Context, tps []broker.TopicPartition) (map[broker.TopicPartition]conn.Leader, map[broker.TopicPartition]error, error)
	// identify asks once for a producer ID without a transactional id.
	identify func(ctx context.Context) (id int64, epoch int16, err error)
	// link returns the connection to a leader, which is not open yet.
	link func(conn.Leader) produceLink
}

func newNetwork(c Cluster, cfg broker.ProducerConfig) (network, error) {
	conns := conn.NewSet()
	conf := c.ClientConfig(conns)
	conf.Net.MaxOpenRequests = maxInFlight
	if cfg.DeliveryTimeout > 0 { // a broker that is silent must not use up all of it
		conf.Net.ReadTimeout = min(conf.Net.ReadTimeout, max(cfg.DeliveryTimeout/2, time.Second))
	}
	return network{
		log:       c.Logger(),
		interrupt: conns.Interrupt,
		close:     conns.Close,
		topicSize: c.TopicSize,
		leaders:   c.Leaders,
		identify:  c.ProducerID,
		link:      func(l conn.Leader) produceLink { return &brokerLink{broker: sarama.NewBroker(l.Addr), conf: conf} },
	}, conf.Validate()
}

func compressionOf(name string) (sarama.CompressionCodec, error) {
	var codec sarama.CompressionCodec
	if name == "" {
		return sarama.CompressionNone, nil
	}
	if err := codec.UnmarshalText([]byte(name)); err != nil {
		return 0, fmt.Errorf("compression %q is none of none, gzip, snappy, lz4, zstd", name)
	}
	return codec, nil
}
