package saramabroker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
)

// producer appends record batches, idempotently: each batch carries the producer's ID and epoch and a sequence of its
// partition, so that the broker drops repeated batches.
//
// Records wait in a queue for each partition. Each broker that leads some of them has a sender, a goroutine with a
// connection of its own, which takes batches from those queues and has up to five requests on their way. settle decides
// about the fate of a batch. The goroutine tend finds leaders and sees to deadlines.
type producer struct {
	wire        wire
	codec       sarama.CompressionCodec
	bufferBytes int
	timeout     time.Duration
	maxRecord   int
	onError     func(broker.PartitionError) // may be nil
	txn         *transaction                // nil unless transactional

	ctx        context.Context // ends with the producer
	cancel     context.CancelFunc
	wg         sync.WaitGroup // the goroutines of the producer
	leaderless chan struct{}  // wakes tend
	changed    chan struct{}  // wakes the caller that waits

	topics map[string]int32 // partitions by topic; the caller's own

	mu         sync.Mutex // guards what follows
	begun      bool       // the goroutines run
	closed     bool
	identified bool // id and epoch are known
	id         int64
	epoch      int16
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

// wire has the calls of a producer to the cluster. Tests put a scripted one in its place.
type wire struct {
	log *slog.Logger
	// interrupt makes requests on their way fail, and close also later ones.
	interrupt, close func()
	// topicSize returns how many partitions a topic has.
	topicSize func(ctx context.Context, topic string) (int32, error)
	leaders   func(ctx context.Context, tps []broker.TopicPartition) (map[broker.TopicPartition]leader, map[broker.TopicPartition]error, error)
	// identify asks once for a producer ID without a transactional id.
	identify func(ctx context.Context) (id int64, epoch int16, err error)
	// link returns the connection to a leader, which is not open yet.
	link func(leader) produceLink
}

const (
	defaultDeliveryTimeout = 2 * time.Minute
	// latestMillis is the latest timestamp that the client library can write (April 2262).
	latestMillis = int64(^uint64(0)>>1) / int64(time.Millisecond)
)

// NewProducer implements broker.Cluster. A transactional producer begins at once to get its ID, and so to fence its
// predecessor; its first Flush waits for that. Another gets its ID with the first record.
func (c *cluster) NewProducer(cfg broker.ProducerConfig) (broker.Producer, error) {
	codec, err := compressionOf(cfg.Compression)
	if err != nil {
		return nil, fmt.Errorf("new producer: %w", err)
	}
	conns := newConnections()
	conf, err := c.producerConfig(conns, cfg)
	if err != nil {
		return nil, fmt.Errorf("new producer: %w", err)
	}
	p := newProducer(cfg, codec, c.wire(conns, conf))
	if cfg.TransactionalID != "" {
		p.txn = newTransaction(p, c, cfg)
		p.begin()
	}
	return p, nil
}

func newProducer(cfg broker.ProducerConfig, codec sarama.CompressionCodec, w wire) *producer {
	p := &producer{
		wire:        w,
		codec:       codec,
		bufferBytes: cfg.BufferBytes,
		timeout:     cfg.DeliveryTimeout,
		maxRecord:   cfg.MaxRecordBytes,
		onError:     cfg.OnError,
		leaderless:  make(chan struct{}, 1),
		changed:     make(chan struct{}, 1),
		topics:      make(map[string]int32),
		queues:      make(map[broker.TopicPartition]*queue),
		senders:     make(map[int32]*sender),
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

func (c *cluster) producerConfig(conns *connections, cfg broker.ProducerConfig) (*sarama.Config, error) {
	conf := c.clientConfig(conns)
	conf.Net.MaxOpenRequests = maxInFlight
	if cfg.DeliveryTimeout > 0 { // a broker that is silent must not use up all of it
		conf.Net.ReadTimeout = min(conf.Net.ReadTimeout, max(cfg.DeliveryTimeout/2, time.Second))
	}
	return conf, conf.Validate()
}

func (c *cluster) wire(conns *connections, conf *sarama.Config) wire {
	return wire{
		log:       c.log,
		interrupt: conns.interrupt,
		close:     conns.close,
		topicSize: func(ctx context.Context, topic string) (int32, error) {
			return c.topicSize(ctx, topic)
		},
		leaders: func(ctx context.Context, tps []broker.TopicPartition) (found map[broker.TopicPartition]leader, failures map[broker.TopicPartition]error, err error) {
			type result struct {
				leaders  map[broker.TopicPartition]leader
				failures map[broker.TopicPartition]error
			}
			results := make(chan result, 1) // not shared with a call that was left alone
			err = c.await(ctx, func() error {
				leaders, failures, err := c.leaders(tps)
				results <- result{leaders, failures}
				return err
			})
			if err != nil {
				return nil, nil, err
			}
			r := <-results
			return r.leaders, r.failures, nil
		},
		identify: func(ctx context.Context) (int64, int16, error) {
			responses := make(chan *sarama.InitProducerIDResponse, 1)
			err := c.await(ctx, func() error {
				return c.anyBroker(func(b *sarama.Broker) error {
					response, err := b.InitProducerID(&sarama.InitProducerIDRequest{Version: 4, ProducerID: -1, ProducerEpoch: -1})
					if err == nil && response.Err != sarama.ErrNoError {
						err = response.Err
					}
					if err == nil {
						responses <- response
					}
					return err
				})
			})
			if err != nil {
				return 0, 0, err
			}
			r := <-responses
			return r.ProducerID, r.ProducerEpoch, nil
		},
		link: func(l leader) produceLink { return &brokerLink{broker: sarama.NewBroker(l.addr), conf: conf} },
	}
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

// topicSize returns how many partitions a topic has.
func (c *cluster) topicSize(ctx context.Context, topic string) (int32, error) {
	sizes := make(chan int32, 1)
	err := c.persist(ctx, func() error {
		response, err := c.metadata([]string{topic})
		if err != nil {
			return err
		}
		for _, t := range response.Topics {
			if t.Name == topic && len(t.Partitions) > 0 {
				sizes <- int32(len(t.Partitions))
				return nil
			} else if t.Err != sarama.ErrNoError {
				return t.Err
			}
		}
		return sarama.ErrUnknownTopicOrPartition
	})
	if err != nil {
		return 0, err
	}
	return <-sizes, nil
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
		id, epoch, err := p.wire.identify(p.ctx)
		switch {
		case p.ctx.Err() != nil:
			return
		case err == nil:
			p.mu.Lock()
			p.identifyAs(id, epoch)
			p.mu.Unlock()
			return
		case !isRetriable(err):
			p.mu.Lock()
			p.end(fmt.Errorf("get a producer ID: %w", translate(err)))
			p.mu.Unlock()
			return
		}
		p.mu.Lock()
		p.lastErr = err
		p.mu.Unlock()
		if sleep(p.ctx, backoff(failures)) != nil {
			return
		}
	}
}

// identifyAs begins an epoch: all sequences begin anew. p.mu is held, and nothing is on its way.
func (p *producer) identifyAs(id int64, epoch int16) {
	p.id, p.epoch, p.identified = id, epoch, true
	for _, q := range p.queues {
		q.epoch, q.next, q.proven = epoch, 0, false
	}
	for _, s := range p.senders {
		signal(s.kick)
	}
	p.announce()
}

// Send implements broker.Producer. Nothing of records is sent when one of them is refused, and nothing may be sent
// after that.
func (p *producer) Send(ctx context.Context, tp broker.TopicPartition, records []broker.Record) error {
	if len(records) == 0 {
		return nil
	}
	q, err := p.queueOf(ctx, tp)
	if err != nil {
		return err
	}
	bytes, err := p.check(records)
	if err != nil {
		return p.refuse(tp, err)
	}
	for len(records) > 0 {
		n, size := len(records), bytes
		if size > batchBytes {
			n, size = prefix(records, batchBytes)
		}
		if err := p.wait(ctx, func() bool { return p.enqueue(q, records[:n], size) }); err != nil {
			return err
		}
		records, bytes = records[n:], bytes-size
	}
	return nil
}

// prefix returns the number of records that fit into limit bytes, at least 1, and their size.
func prefix(records []broker.Record, limit int) (n, bytes int) {
	for i := range records {
		size := recordSize(&records[i])
		if bytes+size > limit && i > 0 {
			return i, bytes
		}
		bytes += size
	}
	return len(records), bytes
}

// sizeOf returns the number of partitions of a topic. It waits for brokers that are away for as long as a delivery may take.
func (p *producer) sizeOf(ctx context.Context, topic string) (partitions int32, err error) {
	begun := time.Now()
	for failures := 1; ; failures++ {
		partitions, err = p.wire.topicSize(ctx, topic)
		if err == nil || !isRetriable(err) || time.Since(begun) >= p.timeout || sleep(ctx, backoff(failures)) != nil {
			return partitions, err
		}
	}
}

// queueOf returns the queue of a partition. The first time it asks whether there is such a partition.
func (p *producer) queueOf(ctx context.Context, tp broker.TopicPartition) (*queue, error) {
	p.mu.Lock()
	q, err := p.queues[tp], p.failure()
	p.mu.Unlock()
	if q != nil || err != nil {
		return q, err
	}
	partitions, known := p.topics[tp.Topic]
	if !known {
		partitions, err = p.sizeOf(ctx, tp.Topic)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("send to %q: %w", tp.Topic, ctx.Err())
		}
		if err != nil {
			return nil, p.refuse(tp, err)
		}
		p.topics[tp.Topic] = partitions
	}
	if tp.Partition < 0 || tp.Partition >= partitions {
		return nil, p.refuse(tp, fmt.Errorf("%w: the topic has %d partitions", broker.ErrUnknownTopic, partitions))
	}
	p.begin()
	p.mu.Lock()
	defer p.mu.Unlock()
	q = &queue{tp: tp, leader: noLeader, limit: batchBytes, epoch: p.epoch, last: -1}
	p.queues[tp] = q
	signal(p.leaderless)
	return q, nil
}

// check returns the size of records, or why they cannot be sent.
func (p *producer) check(records []broker.Record) (bytes int, err error) {
	for i := range records {
		r := &records[i]
		size := recordSize(r)
		if size > p.maxRecord {
			return 0, fmt.Errorf("%w: its %d bytes exceed the limit of %d (MaxRecordBytes)", broker.ErrRefused, size, p.maxRecord)
		}
		if uint64(r.Millis) > uint64(latestMillis) {
			return 0, fmt.Errorf("%w: its timestamp %d lies before 1970 or after 2262", broker.ErrRefused, r.Millis)
		}
		bytes += size
	}
	return bytes, nil
}

// recordSize is the greatest size of a record in a batch.
func recordSize(r *broker.Record) int {
	size := 36 + len(r.Key) + len(r.Value)
	for i := range r.Headers {
		size += 10 + len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return size
}

// refuse fails because of records that cannot be sent.
func (p *producer) refuse(tp broker.TopicPartition, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.giveUp(tp, err)
	return p.failure()
}

// Flush implements broker.Producer. If ctx ends before, records may still be on their way, and their memory belongs to
// the producer until another Flush or Close returns.
func (p *producer) Flush(ctx context.Context) error {
	p.mu.Lock()
	p.flushing = true
	for _, s := range p.senders {
		signal(s.kick)
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.flushing = false
		p.mu.Unlock()
	}()
	return p.wait(ctx, func() bool { return p.pending == 0 && (p.txn == nil || p.identified) })
}

// wait waits until ok returns true, which is called with p.mu held, or for a failure. Then no memory of the caller is
// in use any more.
func (p *producer) wait(ctx context.Context, ok func() bool) error {
	for {
		p.mu.Lock()
		if err := p.failure(); err != nil && p.busy == 0 {
			p.mu.Unlock()
			return err
		} else if err == nil && ok() {
			p.mu.Unlock()
			return nil
		}
		p.waiting = true
		p.mu.Unlock()
		select {
		case <-p.changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for deliveries: %w", ctx.Err())
		}
	}
}

// announce wakes the caller if it waits. p.mu is held.
func (p *producer) announce() {
	if p.waiting {
		p.waiting = false
		signal(p.changed)
	}
}

// failure returns why nothing can be sent, or nil. p.mu is held.
func (p *producer) failure() error {
	if p.err == nil && p.txn != nil {
		return p.txn.err
	}
	return p.err
}

// giveUp ends the transaction after the failure of a batch, or the producer if there is none. p.mu is held.
func (p *producer) giveUp(tp broker.TopicPartition, err error) {
	if p.ctx.Err() == nil { // else it was closed
		p.report(tp, err, false)
	}
	if p.txn == nil || errors.Is(translate(err), broker.ErrFenced) {
		p.fail(tp, err)
		return
	}
	p.txn.doom(&broker.DeliveryError{TopicPartition: tp, Err: fmt.Errorf("%w: %w", broker.ErrAborted, translate(err))})
}

// report tells of an error of a partition. p.mu is held.
func (p *producer) report(tp broker.TopicPartition, err error, retrying bool) {
	if p.onError != nil {
		p.onError(broker.PartitionError{TopicPartition: tp, Offset: -1, Err: translate(err), Retrying: retrying})
	}
}

// failed counts an error that is not final. p.mu is held.
func (p *producer) failed(q *queue, err error) {
	q.failures++
	q.lastErr = err
	if q.failures == worthLogging {
		p.report(q.tp, err, true)
	}
}

// fail ends the producer because a batch cannot be delivered. p.mu is held.
func (p *producer) fail(tp broker.TopicPartition, err error) {
	p.end(&broker.DeliveryError{TopicPartition: tp, Err: translate(err)})
}

// end makes err the result of every later call, unless there is such an error, and makes all requests on their way
// fail. p.mu is held.
func (p *producer) end(err error) {
	if p.err == nil {
		p.err = err
		p.shut()
	}
}

func (p *producer) shut() {
	p.cancel()
	p.wire.close()
	if p.txn != nil {
		p.txn.conns.close()
	}
	p.announce()
}

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
	p.end(fmt.Errorf("producer is %w", errClosed))
	p.shut()
	p.mu.Unlock()
	p.wg.Wait()
	return nil
}
