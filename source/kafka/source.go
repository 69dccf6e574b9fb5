package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/kafkaclient"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/source"
)

// New returns a source of the records of a topic of another cluster. The codecs of the topic decode keys and values; those of codec.Bytes
// copy them as they are. Mistakes are found by Connect.
func New[K, V any](topic kafka.Topic[K, V], options Options[K, V]) *Source[K, V] {
	return &Source[K, V]{topic: topic, options: options.withDefaults()}
}

// Source reads a topic.
type Source[K, V any] struct {
	topic   kafka.Topic[K, V]
	options Options[K, V]
	cluster broker.Cluster // between Connect and Close
	// first is the number of partitions at Connect, and known the greatest one that was seen.
	first int32
	known atomic.Int32
}

var (
	_ source.Source[string, any] = (*Source[string, any])(nil)
	_ source.Partitioned         = (*Source[string, any])(nil)
)

// String names the topic and the cluster.
func (s *Source[K, V]) String() string {
	return fmt.Sprintf("topic %q of the cluster at %s", s.topic.Name(), strings.Join(s.options.Connection.Brokers, ","))
}

// Connect implements source.Source: it checks the options, connects to the cluster and finds the topic.
func (s *Source[K, V]) Connect(ctx context.Context) error {
	if s.topic.Name() == "" {
		return fmt.Errorf("%w: source/kafka: the topic has no name", weir.ErrConfiguration)
	}
	if err := s.options.check(); err != nil {
		return fmt.Errorf("%w: source/kafka: topic %q: %w", weir.ErrConfiguration, s.topic.Name(), err)
	}
	tune, err := kafkaclient.Tune(s.options.Connection)
	if err != nil {
		return fmt.Errorf("source/kafka: topic %q: Options.Connection: %w", s.topic.Name(), err)
	}
	cluster, err := saramabroker.Open(ctx, saramabroker.Config{
		Brokers: s.options.Connection.Brokers, ClientID: s.options.Connection.ClientID, OpenTimeout: s.options.Timeout,
		Logger: s.options.Logger.With("cluster", "source"), Tune: tune,
	})
	if err != nil {
		return fmt.Errorf("source/kafka: topic %q: connect: %w", s.topic.Name(), err)
	}
	s.cluster = cluster
	info, err := s.info(ctx)
	if err != nil {
		s.cluster = nil
		return errors.Join(err, cluster.Close())
	}
	s.first = info.Partitions
	s.known.Store(info.Partitions)
	return nil
}

// info describes the topic.
func (s *Source[K, V]) info(ctx context.Context) (broker.TopicInfo, error) {
	infos, err := s.cluster.Topics(ctx, s.topic.Name())
	if err != nil {
		return broker.TopicInfo{}, fmt.Errorf("source/kafka: describe %v: %w", s, err)
	}
	info, ok := infos[s.topic.Name()]
	if !ok {
		return info, fmt.Errorf("source/kafka: %v: %w: check the name and the address, or create the topic there", s, weir.ErrUnknownTopic)
	}
	return info, nil
}

// Close implements source.Source.
func (s *Source[K, V]) Close(context.Context) error { return s.cluster.Close() }

// Partitions implements source.Partitioned.
func (s *Source[K, V]) Partitions() int32 {
	if s.options.ByKey {
		return 0
	}
	return s.known.Load()
}

// Splits implements source.Source: a split for each partition, also for those that were added.
func (s *Source[K, V]) Splits(ctx context.Context, _ func(id string) bool) ([]source.Split, error) {
	info, err := s.info(ctx)
	if err != nil {
		return nil, err
	}
	for known := s.known.Load(); info.Partitions > known && !s.known.CompareAndSwap(known, info.Partitions); known = s.known.Load() {
	}
	splits := make([]source.Split, info.Partitions)
	for p := range splits {
		splits[p] = source.Split{ID: strconv.Itoa(p)}
	}
	return splits, nil
}

// position is where a partition is read on.
type position struct {
	// Offset is the next one, and Topic the id of the topic that it belongs to; it is empty if the cluster does not tell.
	Offset int64  `json:"offset"`
	Topic  string `json:"topic,omitempty"`
	// End is one more than the offset at which a partition of Options.StopAtEnd ends, or 0.
	End int64 `json:"end,omitempty"`
}

// Open implements source.Source.
func (s *Source[K, V]) Open(ctx context.Context, task source.Task, split source.Split, data []byte) (source.Reader[K, V], error) {
	number, err := strconv.ParseInt(split.ID, 10, 32)
	if err != nil || number < 0 {
		return nil, fmt.Errorf("source/kafka: split %q is not one of this source", split.ID)
	}
	r := &reader[K, V]{
		source: s, log: task.Logger, tp: broker.TopicPartition{Topic: s.topic.Name(), Partition: int32(number)}, fresh: data == nil,
	}
	info, err := s.info(ctx)
	if err != nil {
		return nil, err
	}
	if data != nil {
		if err := json.Unmarshal(data, &r.position); err != nil {
			return nil, fmt.Errorf("source/kafka: %s: position %q: %w", r.tp, data, err)
		}
		if err := r.checkTopic(ctx, info.ID); err != nil {
			return nil, err
		}
		if err := r.adopt(ctx); err != nil {
			return nil, err
		}
	} else if r.position, err = s.start(ctx, r.tp, info.ID); err != nil {
		return nil, err
	}
	if r.fetcher, err = s.cluster.NewFetcher(broker.FetcherConfig{BufferBytes: s.options.BufferBytes}); err != nil {
		return nil, fmt.Errorf("source/kafka: read %s: %w", r.tp, err)
	}
	if !r.done() {
		r.fetcher.Start(r.tp, r.position.Offset)
	}
	return r, nil
}

// start returns the first position of a partition.
func (s *Source[K, V]) start(ctx context.Context, tp broker.TopicPartition, id string) (position, error) {
	end, err := s.offset(ctx, broker.End, tp)
	if err != nil {
		return position{}, err
	}
	p := position{Topic: id, Offset: end}
	switch at := s.options.Start; {
	case at.latest && tp.Partition < s.first:
	case !at.at.IsZero():
		found, err := s.cluster.OffsetsAtTime(ctx, at.at.UnixMilli(), tp)
		if err != nil {
			return p, fmt.Errorf("source/kafka: %v, partition %d: %w", s, tp.Partition, err)
		}
		if offset, ok := found[tp]; ok {
			p.Offset = offset
		}
	default:
		if p.Offset, err = s.offset(ctx, broker.Earliest, tp); err != nil {
			return p, err
		}
	}
	if s.options.StopAtEnd {
		p.End = end + 1
	}
	return p, nil
}

// anew returns the position of the first record of a partition of a topic that was made anew.
func (s *Source[K, V]) anew(ctx context.Context, tp broker.TopicPartition, id string) (p position, err error) {
	p.Topic = id
	if p.Offset, err = s.offset(ctx, broker.Earliest, tp); err != nil || !s.options.StopAtEnd {
		return p, err
	}
	end, err := s.offset(ctx, broker.End, tp)
	p.End = end + 1
	return p, err
}

// offset looks up an offset of a partition.
func (s *Source[K, V]) offset(ctx context.Context, at broker.OffsetAt, tp broker.TopicPartition) (int64, error) {
	offsets, err := s.cluster.Offsets(ctx, at, tp)
	if err != nil {
		return 0, fmt.Errorf("source/kafka: %v, partition %d: %w", s, tp.Partition, err)
	}
	return offsets[tp], nil
}
