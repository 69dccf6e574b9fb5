package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/kafkaclient"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/sink"
)

// New returns a sink that writes records to a topic of another cluster, with the codecs of the topic. Mistakes are found by Connect.
func New[K, V any](topic kafka.Topic[K, V], options Options[K, V]) *Sink[K, V] {
	return &Sink[K, V]{topic: topic, options: options.withDefaults()}
}

// Sink writes records to a topic. It is made by [New].
type Sink[K, V any] struct {
	topic   kafka.Topic[K, V]
	options Options[K, V]

	// The fields below are set by Connect.

	cluster    broker.Cluster
	partitions int32
	compacted  bool
	maxBytes   int // of a record that is not compressed
}

var _ sink.Sink[int, int] = (*Sink[int, int])(nil)

// String names the topic and the cluster.
func (s *Sink[K, V]) String() string {
	return fmt.Sprintf("topic %q of the cluster at %s", s.topic.Name(), strings.Join(s.options.Connection.Brokers, ","))
}

// Connect checks the options, connects to the cluster, and finds the topic or creates it.
func (s *Sink[K, V]) Connect(ctx context.Context) error {
	if s.topic.Name() == "" {
		return fmt.Errorf("%w: sink/kafka: the topic has no name", weir.ErrConfiguration)
	}
	if err := s.options.check(); err != nil {
		return fmt.Errorf("%w: sink/kafka: topic %q: %w", weir.ErrConfiguration, s.topic.Name(), err)
	}
	tune, err := kafkaclient.Tune(s.options.Connection)
	if err != nil {
		return fmt.Errorf("sink/kafka: topic %q: Options.Connection: %w", s.topic.Name(), err)
	}
	cluster, err := saramabroker.Open(ctx, saramabroker.Config{
		Brokers: s.options.Connection.Brokers, ClientID: s.options.Connection.ClientID, OpenTimeout: s.options.Timeout,
		Logger: s.options.Logger.With("cluster", "sink"), Tune: tune,
	})
	if err != nil {
		return fmt.Errorf("sink/kafka: topic %q: connect: %w", s.topic.Name(), err)
	}
	if err := s.look(ctx, cluster); err != nil {
		return errors.Join(fmt.Errorf("sink/kafka: %v: %w", s, err), cluster.Close())
	}
	s.cluster = cluster
	return nil
}

// look describes the topic, and creates it if it is missing and Options.Create says so.
func (s *Sink[K, V]) look(ctx context.Context, cluster broker.Cluster) error {
	name := s.topic.Name()
	infos, err := cluster.Topics(ctx, name)
	if err != nil {
		return err
	}
	info, ok := infos[name]
	if create := s.options.Create; !ok && create != nil {
		spec := broker.TopicSpec{Name: name, Partitions: create.Partitions, Replication: create.Replication, Config: create.Config}
		if err := cluster.CreateTopics(ctx, spec); err != nil {
			return err
		}
		if infos, err = cluster.Topics(ctx, name); err != nil {
			return err
		}
		info, ok = infos[name]
	}
	if !ok {
		return fmt.Errorf("%w: create the topic there, or set Options.Create", weir.ErrUnknownTopic)
	}
	s.partitions = info.Partitions
	s.compacted = strings.Contains(info.Config["cleanup.policy"], "compact")
	s.maxBytes = broker.DefaultMaxRecordBytes
	if limit, err := strconv.Atoi(info.Config["max.message.bytes"]); err == nil && limit > 0 {
		s.maxBytes = min(s.maxBytes, limit)
	}
	return nil
}

// Writer implements [sink.Sink].
func (s *Sink[K, V]) Writer(_ context.Context, task sink.Task) (sink.Writer[K, V], error) {
	switch {
	case s.cluster == nil:
		return nil, errors.New("sink/kafka: Writer is called before Connect")
	case s.options.KeepPartitions && task.Partition >= s.partitions:
		return nil, fmt.Errorf("sink/kafka: %v: %w: the topic has %d partitions, and the input has a partition %d: give the topic %d partitions at least, "+
			"or leave Options.KeepPartitions out", s, weir.ErrTopicSettings, s.partitions, task.Partition, task.Partition+1)
	}
	return newWriter(s, task), nil
}

// Close implements [sink.Sink].
func (s *Sink[K, V]) Close(context.Context) error {
	if s.cluster == nil {
		return nil
	}
	return s.cluster.Close()
}
