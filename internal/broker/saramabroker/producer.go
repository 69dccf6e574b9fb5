package saramabroker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
)

// producer sends with the client's asynchronous producer, record by record. One goroutine collects what becomes of
// them.
//
// When a record cannot be delivered the producer has failed for good: it closes its connections, so that the rest fails
// quickly too, and no memory of the caller is in use when Flush returns.
type producer struct {
	cluster *cluster
	conns   *connections
	conf    *sarama.Config

	bufferBytes int
	timeout     time.Duration
	maxRecord   int
	giveUp      atomic.Bool // skips waits of the client between tries

	open      sync.Once
	opened    chan struct{}        // closed when what follows is set, or err
	client    sarama.Client        // or nil
	async     sarama.AsyncProducer // or nil
	collected chan struct{}        // closed when collect has returned

	mu      sync.Mutex // guards what follows
	pending []*sent    // in the order of Send; those in front may be done
	bytes   int
	last    map[broker.TopicPartition]int64
	err     error         // the first failure
	changed chan struct{} // closed and replaced when a batch is done or failed
	topics  map[string]int32
	closed  bool
}

// sent is what a call of Send handed over.
type sent struct {
	tp       broker.TopicPartition
	deadline time.Time
	bytes    int
	done     bool // guarded by producer.mu

	left int   // records without an outcome; the collecting goroutine's own
	last int64 // greatest offset so far; likewise
}

const (
	defaultDeliveryTimeout = 2 * time.Minute
	defaultMaxRecord       = 1_000_000
	retryPause             = 100 * time.Millisecond
	// batchOverhead is what the client adds to the size of a record when it compares it with the greatest batch.
	batchOverhead = 1 << 10
)

// NewProducer implements broker.Cluster. The producer connects with the first record.
func (c *cluster) NewProducer(cfg broker.ProducerConfig) (broker.Producer, error) {
	if cfg.BufferBytes <= 0 {
		cfg.BufferBytes = defaultBuffer
	}
	if cfg.DeliveryTimeout <= 0 {
		cfg.DeliveryTimeout = defaultDeliveryTimeout
	}
	if cfg.MaxRecordBytes <= 0 {
		cfg.MaxRecordBytes = defaultMaxRecord
	}
	compression, err := compressionOf(cfg.Compression)
	if err != nil {
		return nil, fmt.Errorf("new producer: %w", err)
	}
	p := &producer{
		cluster:     c,
		conns:       newConnections(),
		bufferBytes: cfg.BufferBytes,
		timeout:     cfg.DeliveryTimeout,
		maxRecord:   cfg.MaxRecordBytes,
		opened:      make(chan struct{}),
		collected:   make(chan struct{}),
		last:        make(map[broker.TopicPartition]int64),
		changed:     make(chan struct{}),
		topics:      make(map[string]int32),
	}
	p.conf = p.config(c.clientConfig(p.conns), compression)
	if err := p.conf.Validate(); err != nil {
		return nil, fmt.Errorf("new producer: %w", err)
	}
	return p, nil
}

// connect makes the client's producer with the first call, which gets a producer ID from the cluster.
func (p *producer) connect(ctx context.Context, tp broker.TopicPartition) error {
	p.open.Do(func() { go p.connectNow(tp) })
	timer := time.NewTimer(p.timeout)
	defer timer.Stop()
	select {
	case <-p.opened:
	case <-timer.C:
		return p.fail(tp, fmt.Errorf("%w: no producer ID within %s", broker.ErrUnavailable, p.timeout))
	case <-ctx.Done():
		return fmt.Errorf("connect producer: %w", ctx.Err())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *producer) connectNow(tp broker.TopicPartition) {
	defer close(p.opened)
	var err error
	if p.client, err = sarama.NewClient(p.cluster.cfg.Brokers, p.conf); err == nil {
		p.async, err = sarama.NewAsyncProducerFromClient(p.client)
	}
	if err != nil {
		close(p.collected)
		p.fail(tp, fmt.Errorf("get a producer ID: %w", err))
		return
	}
	go p.collect()
}

func (p *producer) config(conf *sarama.Config, compression sarama.CompressionCodec) *sarama.Config {
	tries := int(p.timeout/retryPause) + 1
	pause := func(int, int) time.Duration {
		if p.giveUp.Load() {
			return 0
		}
		return retryPause
	}
	conf.Producer.Idempotent = true
	conf.Producer.RequiredAcks = sarama.WaitForAll
	conf.Net.MaxOpenRequests = 1 // which the client insists on for an idempotent producer
	conf.Producer.Partitioner = sarama.NewManualPartitioner
	conf.Producer.Return.Successes = true
	conf.Producer.Return.Errors = true
	conf.Producer.Compression = compression
	conf.Producer.MaxMessageBytes = p.maxRecord + batchOverhead
	conf.Producer.Interceptors = nil
	conf.Producer.Timeout = min(conf.Producer.Timeout, max(p.timeout, time.Millisecond))
	conf.Producer.Retry.Max = tries
	conf.Producer.Retry.Backoff = 0
	conf.Producer.Retry.BackoffFunc = pause
	conf.Producer.Transaction.Retry.Max = tries // of the request for a producer ID
	conf.Producer.Transaction.Retry.BackoffFunc = pause
	// A lookup of a leader that fails would fail the record without a retry.
	conf.Metadata.Retry.Max = tries
	conf.Metadata.Retry.BackoffFunc = pause
	conf.Metadata.Timeout = p.timeout
	return conf
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

// Send implements broker.Producer. Nothing of records is sent when one of them is refused, and nothing may be sent
// after that.
func (p *producer) Send(ctx context.Context, tp broker.TopicPartition, records []broker.Record) error {
	if len(records) == 0 {
		return nil
	}
	bytes, err := p.check(ctx, tp, records)
	if err != nil {
		return err
	}
	if err := p.connect(ctx, tp); err != nil {
		return err
	}
	batch := &sent{tp: tp, bytes: bytes, left: len(records), last: -1}
	if err := p.reserve(ctx, batch); err != nil {
		return err
	}
	messages := make([]sarama.ProducerMessage, len(records))
	for i := range records {
		message := &messages[i]
		describe(message, &records[i])
		message.Topic, message.Partition, message.Metadata = tp.Topic, tp.Partition, batch
		p.async.Input() <- message
	}
	return nil
}

// check returns the size of records, or why they cannot be sent. That is a failure like any other.
func (p *producer) check(ctx context.Context, tp broker.TopicPartition, records []broker.Record) (bytes int, err error) {
	partitions, err := p.partitions(ctx, tp.Topic)
	if err != nil {
		return 0, err
	}
	if tp.Partition < 0 || tp.Partition >= partitions {
		return 0, p.fail(tp, fmt.Errorf("%w: the topic has %d partitions", broker.ErrUnknownTopic, partitions))
	}
	for i := range records {
		r := &records[i]
		size := recordSize(r)
		if size > p.maxRecord {
			return 0, p.fail(tp, fmt.Errorf("a record of %d bytes exceeds the limit of %d (MaxRecordBytes)", size, p.maxRecord))
		}
		if r.Millis < 0 {
			return 0, p.fail(tp, fmt.Errorf("a record has the timestamp %d, which lies before 1970", r.Millis))
		}
		bytes += size
	}
	return bytes, nil
}

// partitions returns how many partitions a topic has, which it asks once.
func (p *producer) partitions(ctx context.Context, topic string) (int32, error) {
	p.mu.Lock()
	n, known := p.topics[topic]
	err := p.err
	p.mu.Unlock()
	if known || err != nil {
		return n, err
	}
	tp := broker.TopicPartition{Topic: topic}
	err = p.cluster.persist(ctx, func() error {
		response, err := p.cluster.metadata([]string{topic})
		if err != nil {
			return err
		}
		for _, t := range response.Topics {
			if t.Name == topic && len(t.Partitions) > 0 {
				n = int32(len(t.Partitions))
				return nil
			} else if t.Err != sarama.ErrNoError {
				return t.Err
			}
		}
		return sarama.ErrUnknownTopicOrPartition
	})
	if ctx.Err() != nil {
		return 0, fmt.Errorf("send to %q: %w", topic, ctx.Err())
	}
	if err != nil {
		return 0, p.fail(tp, err)
	}
	p.mu.Lock()
	p.topics[topic] = n
	p.mu.Unlock()
	return n, nil
}

// recordSize is what a record takes in a batch at most.
func recordSize(r *broker.Record) int {
	size := 36 + len(r.Key) + len(r.Value)
	for i := range r.Headers {
		size += 10 + len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return size
}

// describe makes the client's message of a record, without copying it.
func describe(message *sarama.ProducerMessage, r *broker.Record) {
	if r.Key != nil {
		message.Key = (*keyOf)(r)
	}
	if r.Value != nil {
		message.Value = (*valueOf)(r)
	}
	if len(r.Headers) > 0 {
		message.Headers = make([]sarama.RecordHeader, len(r.Headers))
		for i, h := range r.Headers {
			message.Headers[i] = sarama.RecordHeader{Key: []byte(h.Key), Value: h.Value}
		}
	}
	message.Timestamp = time.UnixMilli(r.Millis)
}

// keyOf and valueOf are a record as the client wants to see it; a conversion of the pointer allocates nothing.
type (
	keyOf   broker.Record
	valueOf broker.Record
)

func (k *keyOf) Encode() ([]byte, error)   { return k.Key, nil }
func (k *keyOf) Length() int               { return len(k.Key) }
func (v *valueOf) Encode() ([]byte, error) { return v.Value, nil }
func (v *valueOf) Length() int             { return len(v.Value) }

// reserve waits for room in the buffer. A batch that is larger than the buffer waits until there is nothing else in it.
func (p *producer) reserve(ctx context.Context, batch *sent) error {
	return p.wait(ctx, func() bool {
		if p.bytes > 0 && p.bytes+batch.bytes > p.bufferBytes {
			return false
		}
		p.bytes += batch.bytes
		batch.deadline = time.Now().Add(p.timeout)
		p.pending = append(p.pending, batch)
		return true
	})
}

// Flush implements broker.Producer. If ctx ends before, records may still be on their way, and their memory belongs to
// the producer until another Flush or Close returns.
func (p *producer) Flush(ctx context.Context) error {
	return p.wait(ctx, func() bool { return len(p.pending) == 0 })
}

// wait waits until ok returns true, which is called with p.mu held. After a failure it waits until nothing is on its
// way any more.
func (p *producer) wait(ctx context.Context, ok func() bool) error {
	var overdue <-chan time.Time
	for {
		p.mu.Lock()
		if p.err == nil && ok() {
			p.mu.Unlock()
			return nil
		}
		if p.err != nil && len(p.pending) == 0 {
			defer p.mu.Unlock()
			return p.err
		}
		changed := p.changed
		overdue = nil
		if p.err == nil && len(p.pending) > 0 {
			timer := time.NewTimer(time.Until(p.pending[0].deadline))
			defer timer.Stop()
			overdue = timer.C
		}
		p.mu.Unlock()

		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for deliveries: %w", ctx.Err())
		case <-overdue:
			p.expire()
		}
	}
}

// expire fails if the oldest batch is overdue.
func (p *producer) expire() {
	p.mu.Lock()
	var late *sent
	if len(p.pending) > 0 && time.Now().After(p.pending[0].deadline) {
		late = p.pending[0]
	}
	p.mu.Unlock()
	if late != nil {
		p.fail(late.tp, fmt.Errorf("%w: not acknowledged within %s", broker.ErrUnavailable, p.timeout))
	}
}

// fail makes err the producer's failure, unless it has one, and returns the failure.
func (p *producer) fail(tp broker.TopicPartition, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	p.err = &broker.DeliveryError{TopicPartition: tp, Err: translate(err)}
	p.giveUp.Store(true)
	p.conns.close()
	p.announce()
	return p.err
}

// announce wakes those who wait for a change. p.mu is held.
func (p *producer) announce() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// collect is the goroutine that learns what became of the records.
func (p *producer) collect() {
	defer close(p.collected)
	successes, failures := p.async.Successes(), p.async.Errors()
	for successes != nil || failures != nil {
		select {
		case message, ok := <-successes:
			if !ok {
				successes = nil
				continue
			}
			batch := message.Metadata.(*sent)
			batch.last = max(batch.last, message.Offset)
			p.settle(batch)
		case failure, ok := <-failures:
			if !ok {
				failures = nil
				continue
			}
			batch := failure.Msg.Metadata.(*sent)
			p.fail(batch.tp, failure.Err)
			p.settle(batch)
		}
	}
}

// settle notes the outcome of a record.
func (p *producer) settle(batch *sent) {
	batch.left--
	if batch.left > 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	batch.done = true
	p.bytes -= batch.bytes
	if last, ok := p.last[batch.tp]; batch.last >= 0 && (!ok || batch.last > last) {
		p.last[batch.tp] = batch.last
	}
	n := 0
	for n < len(p.pending) && p.pending[n].done {
		n++
	}
	p.pending = slices.Delete(p.pending, 0, n)
	p.announce()
}

// LastOffset implements broker.Producer.
func (p *producer) LastOffset(tp broker.TopicPartition) (int64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	offset, ok := p.last[tp]
	return offset, ok
}

// Commit implements broker.Producer.
func (p *producer) Commit(context.Context, broker.GroupMember, map[broker.TopicPartition]int64) error {
	return errNotTransactional
}

// Abort implements broker.Producer.
func (p *producer) Abort(context.Context) error { return nil }

var errNotTransactional = errors.New("commit: the producer has no transactional id")

// Close implements broker.Producer.
func (p *producer) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	p.mu.Unlock()
	p.fail(broker.TopicPartition{}, fmt.Errorf("producer is %w", errClosed))
	p.open.Do(func() { close(p.opened); close(p.collected) })
	<-p.opened
	if p.async != nil {
		p.async.AsyncClose()
	}
	<-p.collected
	if p.client != nil {
		p.client.Close()
	}
	return nil
}
