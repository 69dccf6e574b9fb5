// Package produce appends records to partitions, idempotently, and in transactions if the producer has a transactional id.
package produce

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
	"github.com/weirstreams/weir/internal/broker/saramabroker/transaction"
	"github.com/weirstreams/weir/internal/wake"
)

// producer appends record batches, idempotently: each batch carries the producer's ID and epoch and a sequence of its
// partition, so that the broker drops repeated batches.
//
// Records wait in a queue for each partition. Each broker that leads some of them has a sender, a goroutine with a
// connection of its own, which takes batches from those queues and has up to five requests on their way. settle decides
// about the fate of a batch. The goroutine tend finds leaders and sees to deadlines.
type producer struct {
	network     network
	codec       sarama.CompressionCodec
	bufferBytes int
	timeout     time.Duration
	maxRecord   int
	onError     func(broker.PartitionError) // may be nil
	txn         *openTransaction            // nil unless transactional

	onAcknowledged func(tp broker.TopicPartition, firstMillis int64) // may be nil

	ctx        context.Context // ends with the producer
	cancel     context.CancelFunc
	wg         sync.WaitGroup // the goroutines of the producer
	leaderless wake.Signal    // wakes tend
	changed    wake.Signal    // wakes the caller that waits

	topics map[string]int32 // partitions by topic; the caller's own

	released func([]broker.Record) // of OnReleased, or nil

	mu         sync.Mutex // guards what follows
	begun      bool       // the goroutines run
	closed     bool
	identified bool // id and epoch are known
	identity   transaction.Identity
	queues     map[broker.TopicPartition]*queue
	senders    map[int32]*sender
	pending    int      // batches that were handed over and not acknowledged
	bytes      int      // their size
	busy       int      // senders that may be reading the caller's memory
	waiting    bool     // the caller waits for changed
	flushing   bool     // it waits for everything
	lastErr    error    // of the try to get an ID
	err        error    // why the producer is of no more use
	free       []*batch // for use again
}

const (
	defaultDeliveryTimeout = 2 * time.Minute
	defaultBuffer          = 32 << 20
)

// New returns a producer with connections of its own. A transactional producer begins at once to get its ID, and so to fence its
// predecessor; its first Flush waits for that. Another gets its ID with the first record.
func New(c Cluster, cfg broker.ProducerConfig) (broker.Producer, error) {
	codec, err := compressionOf(cfg.Compression)
	if err != nil {
		return nil, fmt.Errorf("new producer: %w", err)
	}
	n, err := newNetwork(c, cfg)
	if err != nil {
		return nil, fmt.Errorf("new producer: %w", err)
	}
	p := newProducer(cfg, codec, n)
	if cfg.TransactionalID != "" {
		p.txn = newTransaction(p, c, cfg)
		p.begin()
	}
	return p, nil
}

func newProducer(cfg broker.ProducerConfig, codec sarama.CompressionCodec, n network) *producer {
	p := &producer{
		network:     n,
		codec:       codec,
		bufferBytes: cfg.BufferBytes,
		timeout:     cfg.DeliveryTimeout,
		maxRecord:   cfg.MaxRecordBytes,
		onError:     cfg.OnError,

		onAcknowledged: cfg.OnAcknowledged,
		leaderless:     wake.New(),
		changed:        wake.New(),
		topics:         make(map[string]int32),
		queues:         make(map[broker.TopicPartition]*queue),
		senders:        make(map[int32]*sender),
	}
	if p.bufferBytes <= 0 {
		p.bufferBytes = defaultBuffer
	}
	if p.timeout <= 0 {
		p.timeout = defaultDeliveryTimeout
	}
	if p.maxRecord <= 0 {
		p.maxRecord = broker.DefaultMaxRecordBytes
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// begin starts the goroutines.
func (p *producer) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.begun || p.closed {
		return
	}
	p.begun = true
	p.wg.Go(p.tend)
	if p.txn != nil {
		p.wg.Go(p.txn.coordinate)
	} else {
		p.wg.Go(p.identify)
	}
}

// identify is the goroutine that gets a producer ID without a transactional id. It ends when it has one.
func (p *producer) identify() {
	for failures := 1; ; failures++ {
		id, epoch, err := p.network.identify(p.ctx)
		switch {
		case p.ctx.Err() != nil:
			return
		case err == nil:
			p.mu.Lock()
			p.identifyAs(transaction.Identity{ID: id, Epoch: epoch})
			p.mu.Unlock()
			return
		case !fault.IsRetriable(err):
			p.mu.Lock()
			p.end(fmt.Errorf("get a producer ID: %w", fault.Translate(err)))
			p.mu.Unlock()
			return
		}
		p.mu.Lock()
		p.lastErr = err
		p.mu.Unlock()
		if fault.Backoff.Sleep(p.ctx, failures) != nil {
			return
		}
	}
}

// identifyAs begins an epoch: all sequences begin anew. p.mu is held, and nothing is on its way.
func (p *producer) identifyAs(identity transaction.Identity) {
	p.identity, p.identified = identity, true
	for _, q := range p.queues {
		q.epoch, q.next, q.proven = identity.Epoch, 0, false
	}
	for _, s := range p.senders {
		s.kick.Notify()
	}
	p.announce()
}

// OnReleased implements broker.Producer. The function is called with p.mu held.
func (p *producer) OnReleased(f func([]broker.Record)) { p.released = f }

// LastOffset implements broker.Producer.
func (p *producer) LastOffset(tp broker.TopicPartition) (int64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if q := p.queues[tp]; q != nil && q.last >= 0 {
		return q.last, true
	}
	return 0, false
}

// Close implements broker.Producer.
func (p *producer) Close() error {
	if p.txn != nil {
		p.txn.abandon()
	}
	p.mu.Lock()
	p.closed = true
	p.end(fmt.Errorf("producer is %w", fault.ErrClosed))
	p.shut()
	p.mu.Unlock()
	p.wg.Wait()
	if p.txn != nil {
		p.txn.coordinator.Close()
		p.txn.coordinator.Wait()
	}
	return nil
}
