package simbroker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weirstreams/weir/internal/broker"
)

const (
	defaultBufferBytes    = 32 << 20
	defaultMaxRecordBytes = 1_000_000
)

type producer struct {
	broker *Broker
	name   string
	id     int64
	cfg    broker.ProducerConfig

	// sent is what the producer was lent since the last Flush. The first delivered of it have been appended; the
	// rest weighs buffered bytes.
	sent      []sentBatch
	delivered int
	buffered  int

	sequences map[broker.TopicPartition]int32
	acked     map[broker.TopicPartition]int64

	// err is the first failure of a delivery, and final.
	err    error
	closed bool
}

// sentBatch is one Send: what was lent, and what it was at that time.
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
		cfg.MaxRecordBytes = defaultMaxRecordBytes
	}
	p := &producer{
		broker:    b,
		cfg:       cfg,
		sequences: map[broker.TopicPartition]int32{},
		acked:     map[broker.TopicPartition]int64{},
	}
	err := b.call(context.Background(), Op{Kind: OpNewProducer}, func() error {
		var number int
		p.name, number = b.client("producer")
		p.id = int64(number)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("new producer: %w", err)
	}
	return p, nil
}

// Send copies the records. It appends what was sent only if it has to make room in the buffer, or by
// [Broker.DeliverOnSend].
func (p *producer) Send(ctx context.Context, tp broker.TopicPartition, records []broker.Record) error {
	if err := p.usable(); err != nil {
		return err
	}
	if len(records) == 0 {
		return nil
	}
	err := p.broker.call(ctx, Op{Kind: OpSend, Client: p.name, TopicPartition: tp}, func() error {
		batch := sentBatch{TopicPartition: tp, lent: records}
		batch.copied, _ = copyRecords(records)
		for i := range records {
			batch.bytes += recordBytes(&records[i])
		}
		p.sent = append(p.sent, batch)
		p.buffered += batch.bytes
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

// Flush appends, in the order of Send, what is not appended yet. It stops at the first batch that fails.
func (p *producer) Flush(ctx context.Context) error {
	if err := p.usable(); err != nil {
		return err
	}
	for _, batch := range p.sent {
		if !sameRecords(batch.lent, batch.copied) {
			panic(fmt.Sprintf("simbroker: records sent to %s were changed before Flush returned", batch.TopicPartition))
		}
	}
	return p.broker.around(ctx, Op{Kind: OpFlush, Client: p.name}, func() error {
		for p.delivered < len(p.sent) {
			if err := p.deliver(ctx); err != nil {
				return err
			}
		}
		p.sent, p.delivered = nil, 0
		return nil
	})
}

// deliver appends the first batch that is not appended yet. A failure is final, the end of ctx is not.
func (p *producer) deliver(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	batch := &p.sent[p.delivered]
	var last int64
	op := Op{Kind: OpProduce, Client: p.name, TopicPartition: batch.TopicPartition}
	err := p.broker.call(context.WithoutCancel(ctx), op, func() (err error) {
		last, err = p.append(batch)
		return err
	})
	if err != nil {
		p.err = &broker.DeliveryError{TopicPartition: batch.TopicPartition, Err: err}
		return p.err
	}
	p.delivered++
	p.buffered -= batch.bytes
	p.acked[batch.TopicPartition] = last
	return nil
}

// append checks a batch as client and broker would, and appends it.
func (p *producer) append(batch *sentBatch) (last int64, err error) {
	for i := range batch.copied {
		if size := recordBytes(&batch.copied[i]); size > p.cfg.MaxRecordBytes {
			return 0, fmt.Errorf("record %d of the batch has %d bytes, at most %d are accepted", i, size, p.cfg.MaxRecordBytes)
		}
	}
	log, err := p.broker.partition(batch.TopicPartition)
	if err != nil {
		return 0, err
	}
	if err := log.check(batch.copied); err != nil {
		return 0, err
	}
	from := source{producer: p.id, sequence: p.sequences[batch.TopicPartition]}
	p.sequences[batch.TopicPartition] += int32(len(batch.copied))
	return log.append(batch.copied, from, p.broker.clock.Now()), nil
}

func (p *producer) LastOffset(tp broker.TopicPartition) (int64, bool) {
	offset, ok := p.acked[tp]
	return offset, ok
}

// Commit is not there yet.
func (p *producer) Commit(context.Context, broker.GroupMember, map[broker.TopicPartition]int64) error {
	return errors.ErrUnsupported
}

// Abort is not there yet.
func (p *producer) Abort(context.Context) error { return errors.ErrUnsupported }

func (p *producer) Close() error {
	p.closed = true
	p.sent, p.delivered, p.buffered = nil, 0, 0
	return nil
}

func (p *producer) usable() error {
	if p.err != nil {
		return p.err
	}
	if p.closed {
		return fmt.Errorf("%s: %w", p.name, errClosed)
	}
	return nil
}
