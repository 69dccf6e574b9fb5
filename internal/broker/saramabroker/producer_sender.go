package saramabroker

import (
	"fmt"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
)

const (
	// maxInFlight is how many requests a sender has on their way at once.
	maxInFlight = 5
	// requestBytes is how large a request grows, unless a single batch is larger.
	requestBytes = 1 << 20
	// worthSending is how much there must be for another request while one is on its way. So batches grow when the
	// cluster is slow, and nothing waits when it is idle.
	worthSending = 128 << 10
	// appendTimeout is how long the leader may wait for the replicas.
	appendTimeout = 10 * time.Second
)

// sender is the goroutine that sends to one broker, over one connection.
type sender struct {
	producer *producer
	id       int32
	kick     chan struct{} // there may be something to send

	// The following fields are guarded by producer.mu.
	addr      string
	queues    []*queue // of the partitions that the broker leads
	turn      int      // the queue to begin with
	inFlight  int      // requests
	offered   int      // bytes since the last kick
	broken    bool     // the connection is not to be used any more
	throttled time.Time
	outage    outage

	// The following fields belong to the goroutine.
	link     produceLink
	linkAddr string
	encoder  encoder
}

// produceLink is a connection to a broker that takes batches.
type produceLink interface {
	// connect opens the connection unless it is open.
	connect() error
	// produce sends a request. It does not wait for the response, which respond gets on another goroutine, or an
	// error; respond must not call the link. If produce returns an error respond is not called.
	produce(r *produceRequest, respond func(*sarama.ProduceResponse, error)) error
	// close ends the connection. Requests on their way have got their error when it returns.
	close()
}

// produceRequest is a set of batches of different partitions.
type produceRequest struct {
	transactionalID *string
	batches         []*batch
	bytes           int
}

// offer tells the sender of more to send, when that may be worth a request. p.mu is held.
func (s *sender) offer(bytes int) {
	s.offered += bytes
	if s.inFlight == 0 || s.offered >= worthSending {
		s.offered = 0
		signal(s.kick)
	}
}

func (s *sender) run() {
	defer func() {
		if s.link != nil {
			s.link.close()
		}
	}()
	p := s.producer
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for p.ctx.Err() == nil {
		if r, wait := s.compose(); r != nil {
			s.transmit(r)
			continue
		} else if wait > 0 {
			timer.Reset(wait)
		}
		select {
		case <-s.kick:
		case <-timer.C:
		case <-p.ctx.Done():
		}
	}
}

// compose makes a request of waiting batches. Without one it returns none, and the time to wait if the broker has
// asked for a pause.
func (s *sender) compose() (r *produceRequest, wait time.Duration) {
	p := s.producer
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.identified || p.failure() != nil || s.inFlight >= maxInFlight || len(s.queues) == 0 {
		return nil, 0
	}
	if wait := time.Until(s.throttled); wait > 0 {
		return nil, wait
	}
	var batches []*batch
	bytes, turn := 0, s.turn
	for i := range s.queues {
		q := s.queues[(s.turn+i)%len(s.queues)]
		b := q.sendable()
		if b == nil || p.txn != nil && q.joined != inside {
			continue
		}
		if bytes > 0 && bytes+b.bytes > requestBytes {
			turn = s.turn + i
			break
		}
		batches = append(batches, b)
		bytes += b.bytes
	}
	if len(batches) == 0 || s.inFlight > 0 && bytes < worthSending && !p.flushing {
		return nil, 0
	}
	for _, b := range batches {
		b.queue.sequence(b)
		b.state = sent
		b.queue.inFlight++
	}
	s.turn = turn % len(s.queues)
	s.inFlight++
	p.busy++
	r = &produceRequest{batches: batches, bytes: bytes}
	if p.txn != nil {
		r.transactionalID = &p.txn.id
	}
	return r, 0
}

// transmit sends a request over the sender's connection, which it opens if need be.
func (s *sender) transmit(r *produceRequest) {
	p := s.producer
	err := s.connect()
	connected := err == nil
	if connected {
		s.encoder.encode(r.batches, p)
		err = s.link.produce(r, func(response *sarama.ProduceResponse, err error) { s.receive(r, response, err) })
		s.encoder.forget()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	if p.failure() != nil {
		p.announce()
	}
	if err != nil {
		s.inFlight--
		s.lose(r, err, connected)
	}
}

// connect opens the connection unless it is open and good.
func (s *sender) connect() error {
	p := s.producer
	p.mu.Lock()
	addr, broken := s.addr, s.broken
	s.broken = false
	p.mu.Unlock()
	if s.link != nil && (broken || s.linkAddr != addr) {
		s.link.close()
		s.link = nil
		p.mu.Lock()
		s.broken = false // which what was on its way has set
		p.mu.Unlock()
	}
	if s.link == nil {
		s.link, s.linkAddr = p.wire.link(leader{id: s.id, addr: addr}), addr
	}
	return s.link.connect()
}

// receive takes the response to a request, on the goroutine of the connection that reads them.
func (s *sender) receive(r *produceRequest, response *sarama.ProduceResponse, err error) {
	p := s.producer
	p.mu.Lock()
	defer p.mu.Unlock()
	defer signal(s.kick)
	s.inFlight--
	for _, b := range r.batches {
		b.ready = true
		b.encoded.Records = placeholders(b.count)
	}
	if err != nil {
		s.lose(r, err, true)
		return
	}
	s.outage.note(nil)
	if response.ThrottleTime > 0 {
		s.throttled = time.Now().Add(response.ThrottleTime)
	}
	for _, b := range r.batches {
		block := response.GetBlock(b.queue.tp.Topic, b.queue.tp.Partition)
		if block == nil {
			p.settle(b, outcome{err: sarama.ErrNetworkException})
			continue
		}
		o := outcome{offset: block.Offset, logStart: block.StartOffset}
		if block.Err != sarama.ErrNoError {
			o.err = block.Err
			if why := reasonOf(block); why != "" {
				o.err = fmt.Errorf("%w (%s)", block.Err, why)
			}
		}
		p.settle(b, o)
	}
}

// reasonOf returns a broker's reason for refusing a batch, or "" (KIP-467).
func reasonOf(block *sarama.ProduceResponseBlock) string {
	if sentinelOf(block.Err) != broker.ErrRefused { //nolint:errorlint // the sentinel itself
		return ""
	}
	for _, r := range block.RecordErrors {
		if r.BatchIndexErrorMessage != nil {
			return *r.BatchIndexErrorMessage
		}
	}
	if block.ErrorMessage != nil {
		return *block.ErrorMessage
	}
	return ""
}

// lose settles a request without a response. p.mu is held.
func (s *sender) lose(r *produceRequest, err error, connected bool) {
	p := s.producer
	s.broken = true
	if p.ctx.Err() == nil {
		s.outage.note(err)
	}
	for _, b := range r.batches {
		p.settle(b, outcome{err: err, unsent: !connected})
	}
}

// lead makes the sender responsible for a queue. p.mu is held.
func (s *sender) lead(q *queue) {
	q.leader = s.id
	s.queues = append(s.queues, q)
	signal(s.kick)
}

// unlead undoes lead. p.mu is held.
func (p *producer) unlead(q *queue) {
	if s := p.senders[q.leader]; s != nil {
		if i := slices.Index(s.queues, q); i >= 0 {
			s.queues = slices.Delete(s.queues, i, i+1)
		}
	}
	q.leader = noLeader
}

// brokerLink is a produceLink by the client.
type brokerLink struct {
	broker *sarama.Broker
	conf   *sarama.Config
}

func (l *brokerLink) connect() error { return connect(l.broker, l.conf) }
func (l *brokerLink) close()         { _ = l.broker.Close() }

func (l *brokerLink) produce(r *produceRequest, respond func(*sarama.ProduceResponse, error)) error {
	request := &sarama.ProduceRequest{
		Version: 9, TransactionalID: r.transactionalID, RequiredAcks: sarama.WaitForAll,
		Timeout: int32(appendTimeout / time.Millisecond),
	}
	for _, b := range r.batches {
		request.AddBatch(b.queue.tp.Topic, b.queue.tp.Partition, &b.encoded)
	}
	return l.broker.AsyncProduce(request, respond)
}
