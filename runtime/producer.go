package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/stream"
)

// Producer writes records outside of a pipeline, with the settings of an App: to feed a topology, or from a service that
// has nothing to process. It is idempotent. It is used by one goroutine.
type Producer struct {
	cluster       broker.Cluster
	producer      broker.Producer
	prefix        string
	transactional bool
	partitions    map[string]int32
	pending       map[broker.TopicPartition][]broker.Record
	count         int
}

// ProducerOptions configure a Producer.
type ProducerOptions struct {
	// TransactionalID makes what is sent between two Commits one transaction, and fences whoever else has the id.
	TransactionalID string
}

// Producer connects to the cluster and returns a producer. Topics of the topology that do not exist are made first if
// Config.CreateTopics says so. It has nothing to do with Run, which may run or not. The caller closes it.
func (a *App) Producer(ctx context.Context, options ProducerOptions) (*Producer, error) {
	cluster, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := engine.PrepareTopics(ctx, cluster, a.plan, a.topicOptions()); err != nil {
		return nil, errors.Join(err, cluster.Close())
	}
	p, err := fenced(ctx, cluster, broker.ProducerConfig{
		Compression: a.config.Compression, DeliveryTimeout: a.deliveryTimeout(), TransactionalID: options.TransactionalID,
		TransactionTimeout: a.config.TransactionTimeout,
	})
	if err != nil {
		return nil, errors.Join(err, cluster.Close())
	}
	return &Producer{
		cluster: cluster, producer: p, prefix: a.config.Prefix, transactional: options.TransactionalID != "",
		partitions: map[string]int32{}, pending: map[broker.TopicPartition][]broker.Record{},
	}, nil
}

// producerBatch is how many records are handed over together.
const producerBatch = 1000

// Send encodes records and takes them over; Flush or Commit waits until they are acknowledged. The partition is that of the
// key, as for Stream.To. Of a record, Origin does not count. A record that does not encode is an error, and is not sent;
// those before it are.
func (p *Producer) Send[K, V any](ctx context.Context, topic stream.Topic[K, V], records ...stream.Record[K, V]) error {
	name := p.prefix + topic.Name()
	if p.partitions[name] == 0 {
		infos, err := p.cluster.Topics(ctx, name)
		if err != nil {
			return err
		}
		info, ok := infos[name]
		if !ok {
			return fmt.Errorf("send to topic %q: %w", name, broker.ErrUnknownTopic)
		}
		p.partitions[name] = info.Partitions
	}
	env := &operator.Env{Context: ctx, Logger: slog.New(slog.DiscardHandler)}
	sink := operator.NewSink(env, 0, name, topic.KeyCodec(), topic.ValueCodec(), &producerOutput{p, ctx, name})
	for i := range records {
		if err := sink.Receive(&records[i]); err != nil {
			return fmt.Errorf("send to topic %q: record %d: %w", name, i, err)
		}
	}
	return nil
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

// handOver gives what is pending to the client.
func (p *Producer) handOver(ctx context.Context) error {
	for tp, records := range p.pending {
		delete(p.pending, tp)
		if err := p.producer.Send(ctx, tp, records); err != nil {
			return err
		}
	}
	p.count = 0
	return nil
}

// Flush waits until everything that was sent is acknowledged. An error says that something was not.
func (p *Producer) Flush(ctx context.Context) error {
	if err := p.handOver(ctx); err != nil {
		return err
	}
	return p.producer.Flush(ctx)
}

// Commit flushes and ends the transaction, so that readers see what was sent in it.
func (p *Producer) Commit(ctx context.Context) error {
	if !p.transactional {
		return errors.New("commit: the producer has no TransactionalID")
	}
	if err := p.handOver(ctx); err != nil {
		return err
	}
	return p.producer.Commit(ctx, broker.GroupMember{}, nil)
}

// Abort ends the transaction as if nothing had been sent in it.
func (p *Producer) Abort(ctx context.Context) error {
	if !p.transactional {
		return errors.New("abort: the producer has no TransactionalID")
	}
	clear(p.pending)
	p.count = 0
	return p.producer.Abort(ctx)
}

// Close closes the connections. What was not flushed may be lost; an open transaction is aborted.
func (p *Producer) Close() error { return errors.Join(p.producer.Close(), p.cluster.Close()) }
