package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/murmur2"
	"github.com/weirstreams/weir/operator"
)

// Producer writes records outside of a pipeline: to feed a topology, or from a service that does not process any. It is idempotent.
// One goroutine uses it.
type Producer struct {
	cluster       broker.Cluster
	producer      broker.Producer
	topicName     func(topic string) string // Config.TopicName
	transactional bool
	partitions    map[string]int32
	pending       map[broker.TopicPartition][]broker.Record
	count         int
}

// ProducerOptions configure a Producer.
type ProducerOptions struct {
	// TransactionalID makes one transaction of all records that are sent between two Commits, and fences other producers with the
	// id. Config.Prefix is not put before it.
	TransactionalID string
}

// NewProducer connects to the cluster and returns a producer. It waits for a broker, as long as Config.BrokerTimeout allows, and
// with a TransactionalID until the transaction that another producer with the id has left open has ended. The caller closes it.
//
// The error wraps weir.ErrConfiguration, weir.ErrUnavailable or weir.ErrUnauthorized, or is the cause of the end of ctx.
func NewProducer(ctx context.Context, config Config, options ProducerOptions) (*Producer, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("producer: %w", err)
	}
	cluster, err := config.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("producer: %w", err)
	}
	p, err := broker.NewFencedProducer(ctx, cluster, broker.ProducerConfig{
		Compression: config.Compression, DeliveryTimeout: broker.DeliveryTimeout(config.BrokerTimeout), TransactionalID: options.TransactionalID,
		TransactionTimeout: config.TransactionTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("producer: %w", errors.Join(err, cluster.Close()))
	}
	return &Producer{
		cluster: cluster, producer: p, topicName: config.TopicName, transactional: options.TransactionalID != "",
		partitions: map[string]int32{}, pending: map[broker.TopicPartition][]broker.Record{},
	}, nil
}

// producerBatch is how many records are handed over together.
const producerBatch = 1000

// Send encodes records and takes them over; Flush or Commit waits until they are acknowledged. The partition is that of the
// key, as for Stream.To. The Origin of a record does not count, and one without a time (Millis is 0) gets the present one. A record that does not encode is an error, and is not sent;
// those before it are.
//
// The error wraps weir.ErrUnknownTopic, a [*weir.CodecError] for a record that does not encode, with codec.ErrUnavailable or codec.ErrOutage if
// its codec needs a registry that refuses or does not answer, or one of the errors of [Producer.Flush], for these or for earlier records.
func (p *Producer) Send[K, V any](ctx context.Context, topic Topic[K, V], records ...weir.Record[K, V]) error {
	name := p.topicName(topic.Name())
	if err := p.lookUp(ctx, name); err != nil {
		return err
	}
	env := &operator.Env{Context: ctx, Logger: slog.New(slog.DiscardHandler)}
	sink := operator.NewTopicWriter(env, 0, name, topic.KeyCodec(), topic.ValueCodec(), &producerOutput{p, ctx, name})
	var r weir.Record[K, V]
	for i := range records {
		if r = records[i]; r.Millis == 0 {
			r.Millis = time.Now().UnixMilli()
		}
		if err := sink.Receive(&r); err != nil {
			return fmt.Errorf("send to topic %q: record %d: %w", name, i, err)
		}
	}
	return nil
}

// lookUp finds out how many partitions a topic has.
func (p *Producer) lookUp(ctx context.Context, name string) error {
	if p.partitions[name] > 0 {
		return nil
	}
	infos, err := p.cluster.Topics(ctx, name)
	if err != nil {
		return err
	}
	info, ok := infos[name]
	if !ok {
		return fmt.Errorf("send to topic %q: %w", name, weir.ErrUnknownTopic)
	}
	p.partitions[name] = info.Partitions
	return nil
}

// SendMessage sends a record as it is: its bytes, headers and time, to m.Topic, a name in the program, and m.Partition. The zero time means the
// present one. A partition that the topic does not have is replaced by that of the key. The producer keeps no memory of m. The errors are those of [Producer.Send], without those of codecs.
func (p *Producer) SendMessage(ctx context.Context, m *Message) error {
	name := p.topicName(m.Topic)
	if err := p.lookUp(ctx, name); err != nil {
		return err
	}
	out, partition := &producerOutput{p, ctx, name}, m.Partition
	if partition < 0 || partition >= out.Partitions() {
		partition = murmur2.Partition(m.Key, out.Partitions())
	}
	at := m.Time
	if at.IsZero() {
		at = time.Now()
	}
	return out.Append(partition, &broker.Record{Key: m.Key, Value: m.Value, Headers: m.Headers, Millis: at.UnixMilli()})
}

// producerOutput takes the encoded records of one topic.
type producerOutput struct {
	p     *Producer
	ctx   context.Context
	topic string
}

func (o *producerOutput) Partitions() int32 { return o.p.partitions[o.topic] }

func (o *producerOutput) Append(partition int32, r *broker.Record) error {
	p := o.p
	tp := broker.TopicPartition{Topic: o.topic, Partition: partition}
	p.pending[tp] = append(p.pending[tp], broker.Record{
		Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value), Headers: slices.Clone(r.Headers), Millis: r.Millis,
	})
	if p.count++; p.count < producerBatch {
		return nil
	}
	return p.handOver(o.ctx)
}

// handOver gives the pending records to the client.
func (p *Producer) handOver(ctx context.Context) error {
	for tp, records := range p.pending {
		delete(p.pending, tp)
		if err := p.producer.Send(ctx, tp, records); err != nil {
			return refused(err)
		}
	}
	p.count = 0
	return nil
}

// refused makes a [*weir.ProduceError] of the error of a delivery if the cluster does not take a record.
func refused(err error) error {
	if d, ok := errors.AsType[*broker.DeliveryError](err); ok && errors.Is(err, broker.ErrRefused) {
		return &weir.ProduceError{Topic: d.Topic, Partition: d.Partition, Err: d.Err}
	}
	return err
}

// Flush waits until all records that were sent are acknowledged. After an error some of them may not be written.
//
// The error wraps a [*weir.ProduceError] for a record that the cluster refuses, weir.ErrUnavailable, weir.ErrUnauthorized, weir.ErrUnknownTopic if a
// topic was deleted, or weir.ErrFenced if another producer has the TransactionalID now; or it is the cause of the end of ctx. A transaction can
// only be aborted after an error.
func (p *Producer) Flush(ctx context.Context) error {
	if err := p.handOver(ctx); err != nil {
		return err
	}
	return refused(p.producer.Flush(ctx))
}

// Position returns how far the partitions of a topic have been written by this producer: the offsets behind the last acknowledged records, by
// partition. topic is a name in the program. A query can ask for state that reflects these records: see the package runtime/query.
func (p *Producer) Position(topic string) map[int32]int64 {
	name, position := p.topicName(topic), map[int32]int64{}
	for partition := range p.partitions[name] {
		if last, ok := p.producer.LastOffset(broker.TopicPartition{Topic: name, Partition: partition}); ok {
			position[partition] = last + 1
		}
	}
	return position
}

// Commit flushes and ends the transaction, so that readers see its records. The error wraps weir.ErrConfiguration if the producer has no
// TransactionalID, weir.ErrUndecided if the cluster has not said whether the transaction was committed, or one of the errors of
// [Producer.Flush].
func (p *Producer) Commit(ctx context.Context) error {
	if !p.transactional {
		return fmt.Errorf("commit: %w: the producer has no TransactionalID", weir.ErrConfiguration)
	}
	if err := p.handOver(ctx); err != nil {
		return err
	}
	return refused(p.producer.Commit(ctx, broker.GroupMember{}, nil, nil))
}

// Abort ends the transaction as if nothing had been sent in it. The error wraps weir.ErrConfiguration if the producer has no TransactionalID,
// weir.ErrFenced if another producer has it now, weir.ErrUnavailable or weir.ErrUnauthorized, or is the cause of the end of ctx.
func (p *Producer) Abort(ctx context.Context) error {
	if !p.transactional {
		return fmt.Errorf("abort: %w: the producer has no TransactionalID", weir.ErrConfiguration)
	}
	clear(p.pending)
	p.count = 0
	return p.producer.Abort(ctx)
}

// Close closes the connections. Records that were not flushed may be lost; an open transaction is aborted. The error wraps
// weir.ErrUnavailable if the abort finds no broker.
func (p *Producer) Close() error { return errors.Join(p.producer.Close(), p.cluster.Close()) }
