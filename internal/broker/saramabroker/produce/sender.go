package produce

import (
	"fmt"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
	"github.com/weirstreams/weir/internal/broker/saramabroker/wire"
	"github.com/weirstreams/weir/internal/wake"
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
	kick     wake.Signal // there may be something to send

	// The following fields are guarded by producer.mu.
	addr      string
	queues    []*queue // of the partitions that the broker leads
	turn      int      // the queue to begin with
	inFlight  int      // requests
	offered   int      // bytes since the last kick
	broken    bool     // the connection is not to be used any more
	throttled time.Time
	outage    conn.Outage

	// The following fields belong to the goroutine.
	link     produceLink
	linkAddr string
	encoder  wire.Encoder
}

// offer tells the sender of more to send, when that may be worth a request. p.mu is held.
func (s *sender) offer(bytes int) {
	s.offered += bytes
	if s.inFlight == 0 || s.offered >= worthSending {
		s.offered = 0
		s.kick.Notify()
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
		s.encode(r.batches)
		err = s.link.produce(r, func(response *sarama.ProduceResponse, err error) { s.receive(r, response, err) })
		s.encoder.Forget()
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
		s.link, s.linkAddr = p.network.link(conn.Leader{ID: s.id, Addr: addr}), addr
	}
	return s.link.connect()
}

// encode prepares batches for the client.
func (s *sender) encode(batches []*batch) {
	p := s.producer
	total := 0
	for _, b := range batches {
		if !b.ready {
			total += b.count
		}
	}
	s.encoder.Reserve(total)
	for _, b := range batches {
		if !b.ready {
			s.encoder.Describe(&b.encoded, b.parts, b.count)
		}
		b.encoded.Version = 2
		b.encoded.PartitionLeaderEpoch = -1
		b.encoded.Codec = p.codec
		b.encoded.CompressionLevel = sarama.CompressionLevelDefault
		b.encoded.IsTransactional = p.txn != nil
		b.encoded.ProducerID, b.encoded.ProducerEpoch, b.encoded.FirstSequence = p.identity.ID, b.epoch, b.sequence
		b.encoded.LastOffsetDelta = int32(b.count - 1)
	}
}

// receive takes the response to a request, on the goroutine of the connection that reads them.
func (s *sender) receive(r *produceRequest, response *sarama.ProduceResponse, err error) {
	p := s.producer
	p.mu.Lock()
	defer p.mu.Unlock()
	defer s.kick.Notify()
	s.inFlight--
	for _, b := range r.batches {
		b.ready = true
		b.encoded.Records = wire.Placeholders(b.count)
	}
	if err != nil {
		s.lose(r, err, true)
		return
	}
	s.outage.Note(nil)
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
	if fault.SentinelOf(block.Err) != broker.ErrRefused { //nolint:errorlint // the sentinel itself
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
		s.outage.Note(err)
	}
	for _, b := range r.batches {
		p.settle(b, outcome{err: err, unsent: !connected})
	}
}

// lead makes the sender responsible for a queue. p.mu is held.
func (s *sender) lead(q *queue) {
	q.leader = s.id
	s.queues = append(s.queues, q)
	s.kick.Notify()
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
