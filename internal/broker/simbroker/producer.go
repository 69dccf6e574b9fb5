package simbroker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

const defaultBufferBytes = 32 << 20

type producer struct {
	broker *Broker
	name   string
	cfg    broker.ProducerConfig

	// id and epoch identify the producer to the cluster. transactional is nil without a TransactionalID.
	id            int64
	epoch         int32
	transactional *transactional

	// sent are the batches since the last Flush. The first delivered of them have been appended; the
	// rest has buffered bytes.
	sent      []sentBatch
	delivered int
	buffered  int

	sequences map[broker.TopicPartition]int32
	acked     map[broker.TopicPartition]int64

	// begun says that something was sent since the last transaction, reached that the cluster may know of it.
	begun, reached bool

	// err is the first failure. It is final unless it wraps broker.ErrAborted, and then lasts until Abort.
	err    error
	closed atomic.Bool

	released func([]broker.Record) // of OnReleased, or nil
}

// sentBatch is one Send: the lent records, until they are released, and a copy of them.
type sentBatch struct {
	broker.TopicPartition
	lent, copied []broker.Record
	bytes        int
}

// NewProducer implements [broker.Cluster]. Compression and DeliveryTimeout have no effect.
func (b *Broker) NewProducer(cfg broker.ProducerConfig) (broker.Producer, error) {
	if !slices.Contains([]string{"", "none", "gzip", "snappy", "lz4", "zstd"}, cfg.Compression) {
		return nil, fmt.Errorf("new producer: unknown compression %q", cfg.Compression)
	}
	if cfg.BufferBytes == 0 {
		cfg.BufferBytes = defaultBufferBytes
	}
	if cfg.MaxRecordBytes == 0 {
		cfg.MaxRecordBytes = broker.DefaultMaxRecordBytes
	}
	if cfg.TransactionTimeout == 0 {
		cfg.TransactionTimeout = defaultTransactionTimeout
	}
	p := &producer{
		broker:    b,
		cfg:       cfg,
		sequences: map[broker.TopicPartition]int32{},
		acked:     map[broker.TopicPartition]int64{},
	}
	ctx := context.Background()
	err := b.call(ctx, Op{Kind: OpNewProducer}, func() error {
		p.name = b.client("producer")
		if cfg.TransactionalID == "" {
			b.producers++
			p.id = b.producers
		}
		return nil
	})
	if err == nil && cfg.TransactionalID != "" {
		err = b.call(ctx, Op{Kind: OpInitProducer, Client: p.name}, func() error {
			p.transactional = b.initProducer(cfg.TransactionalID, cfg.TransactionTimeout)
			p.id, p.epoch = p.transactional.producer, p.transactional.epoch
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("new producer: %w", err)
	}
	return p, nil
}

// Send copies the records. It appends sent records only if it has to make room in the buffer, or by
// [Broker.DeliverOnSend].
func (p *producer) Send(ctx context.Context, tp broker.TopicPartition, records []broker.Record) error {
	if err := p.usable(); err != nil {
		return err
	}
	if len(records) == 0 {
		return nil
	}
	err := p.broker.around(ctx, Op{Kind: OpSend, Client: p.name, TopicPartition: tp}, func() error {
		batch := sentBatch{TopicPartition: tp, lent: records}
		batch.copied, _ = copyRecords(records)
		for i := range records {
			batch.bytes += recordBytes(&records[i])
		}
		p.sent = append(p.sent, batch)
		p.buffered += batch.bytes
		p.begun = true
		return nil
	})
	if err != nil {
		return err
	}
	for p.delivered < len(p.sent) && (p.broker.DeliverOnSend || p.buffered >= p.cfg.BufferBytes) {
		if err := p.deliver(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Flush appends, in the order of Send, all records that are not appended yet. It stops at the first batch that fails.
func (p *producer) Flush(ctx context.Context) error {
	if err := p.usable(); err != nil {
		return err
	}
	p.checkUnchanged()
	return p.broker.around(ctx, Op{Kind: OpFlush, Client: p.name}, func() error { return p.deliverAll(ctx) })
}

func (p *producer) checkUnchanged() {
	for i := range p.sent {
		p.sent[i].checkUnchanged()
	}
}

func (b *sentBatch) checkUnchanged() {
	if b.lent != nil && !sameRecords(b.lent, b.copied) {
		panic(fmt.Sprintf("simbroker: records sent to %s were changed before Flush returned", b.TopicPartition))
	}
}

// release gives the records back to the caller of Send, which may have a function for them.
func (b *sentBatch) release(released func([]broker.Record)) {
	if b.lent == nil || released == nil {
		return
	}
	b.checkUnchanged()
	released(b.lent)
	b.lent = nil
}

// OnReleased implements [broker.Producer].
func (p *producer) OnReleased(f func([]broker.Record)) { p.released = f }

func (p *producer) deliverAll(ctx context.Context) error {
	for p.delivered < len(p.sent) {
		if err := p.deliver(ctx); err != nil {
			return err
		}
	}
	p.sent, p.delivered = nil, 0
	return nil
}

// deliver appends the first batch that is not appended yet. The end of ctx is no failure.
func (p *producer) deliver(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	batch := &p.sent[p.delivered]
	if err := p.checkSize(batch); err != nil {
		return p.failDelivery(batch, err)
	}
	from := source{producer: p.id, epoch: p.epoch, sequence: p.sequences[batch.TopicPartition]}
	var last int64
	op := Op{Kind: OpProduce, Client: p.name, TopicPartition: batch.TopicPartition}
	p.reached = true
	err := p.broker.call(context.WithoutCancel(ctx), op, func() (err error) {
		last, err = p.append(batch.TopicPartition, batch.copied, from)
		return err
	})
	if err != nil {
		return p.failDelivery(batch, err)
	}
	p.sequences[batch.TopicPartition] += int32(len(batch.copied))
	p.delivered++
	p.buffered -= batch.bytes
	p.acked[batch.TopicPartition] = last
	batch.release(p.released)
	return nil
}

func (p *producer) checkSize(batch *sentBatch) error {
	for i := range batch.copied {
		if size := recordBytes(&batch.copied[i]); size > p.cfg.MaxRecordBytes {
			return fmt.Errorf("%w: record %d of the batch has %d bytes, at most %d are accepted", broker.ErrRefused, i, size, p.cfg.MaxRecordBytes)
		}
	}
	return nil
}

func (p *producer) failDelivery(batch *sentBatch, err error) error {
	if p.transactional != nil && !errors.Is(err, weir.ErrFenced) {
		err = fmt.Errorf("%w: %w", broker.ErrAborted, err)
	}
	p.err = &broker.DeliveryError{TopicPartition: batch.TopicPartition, Err: err}
	return p.err
}

// append is the cluster's side of a produce request. It may run late: it does not touch the state of the producer.
func (p *producer) append(tp broker.TopicPartition, records []broker.Record, from source) (last int64, err error) {
	log, err := p.broker.partition(tp)
	if err != nil {
		return 0, err
	}
	if err := log.check(records, p.broker.clock.Now()); err != nil {
		return 0, err
	}
	t := p.transactional
	if t != nil {
		if err := t.checkEpoch(from.epoch); err != nil {
			return 0, err
		}
		t.begin()
	}
	first := log.end
	if last, err = log.appendInSequence(records, from, p.broker.clock.Now()); err != nil {
		return 0, err
	}
	if t != nil {
		t.join(log, first)
	}
	return last, nil
}

func (p *producer) LastOffset(tp broker.TopicPartition) (int64, bool) {
	offset, ok := p.acked[tp]
	return offset, ok
}

// Missing returns nothing: a topic that is deleted is an error at once.
func (p *producer) Missing() []broker.TopicPartition { return nil }

// Close gives up records that were not appended, and aborts an open transaction with one request. It is no error if that fails:
// the time of the transaction will be up.
func (p *producer) Close() error {
	if p.closed.Swap(true) {
		return nil
	}
	p.drop()
	if p.transactional != nil && p.reached {
		_ = p.endTransaction(context.Background(), false)
	}
	return nil
}

// drop forgets sent records that were not appended.
func (p *producer) drop() {
	for i := range p.sent {
		p.sent[i].release(p.released)
	}
	p.sent, p.delivered, p.buffered = nil, 0, 0
}

func (p *producer) usable() error {
	if p.err != nil {
		return p.err
	}
	if p.closed.Load() {
		return fmt.Errorf("%s: %w", p.name, errClosed)
	}
	return nil
}
