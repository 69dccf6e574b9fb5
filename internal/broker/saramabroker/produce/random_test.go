package produce

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/longtest"
)

// Whatever goes wrong between the producer and the brokers, each partition ends up with every record once and in order.
func TestEveryRecordIsAppendedOnceAndInOrder(t *testing.T) {
	longtest.Seeds(t, longtest.Cases(50, 150), func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) { sendThroughFaults(t, seed) })
	})
}

func sendThroughFaults(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	c := newFakeCluster(random.Uint64(), 1+random.IntN(5))
	c.faults = random.IntN(4) * 5
	c.limit = []int{1 << 30, 40, 7}[random.IntN(3)]
	c.forgetful = random.IntN(4) == 0
	p := newProducer(broker.ProducerConfig{
		BufferBytes: 1000 << random.IntN(8), DeliveryTimeout: time.Hour,
	}, sarama.CompressionNone, c.network())
	defer func() {
		p.Close()
		c.stop()
	}()
	lent := map[*broker.Record]int{} // slices that are not released, with their lengths; guarded by p.mu
	p.OnReleased(func(records []broker.Record) {
		if lent[&records[0]] != len(records) {
			t.Errorf("%d records are released that were not sent together, or twice", len(records))
		}
		delete(lent, &records[0])
		for i := range records { // the memory is used for something else
			clear(records[i].Value)
		}
		clear(records)
	})
	c.begin()
	sent := make([]uint64, len(c.logs))
	begin := []int32{0, 0, 1<<31 - 30}[random.IntN(3)] // sequences that begin anew soon
	ctx := t.Context()
	for range 20 + random.IntN(150) {
		i := random.IntN(len(c.logs))
		records := make([]broker.Record, 1+random.IntN(20))
		for j := range records {
			records[j].Value = binary.BigEndian.AppendUint64(nil, sent[i])
			sent[i]++
		}
		tp := broker.TopicPartition{Topic: "t", Partition: int32(i)}
		if begin > 0 && sent[i] == uint64(len(records)) {
			c.beginAt(p, tp, begin)
		}
		p.mu.Lock()
		lent[&records[0]] = len(records)
		p.mu.Unlock()
		if err := p.Send(ctx, tp, records); err != nil {
			t.Fatal(err)
		}
		switch random.IntN(10) {
		case 0:
			if err := p.Flush(ctx); err != nil {
				t.Fatal(err)
			}
		case 1:
			c.move(int32(i))
		case 2, 3:
			time.Sleep(time.Duration(random.IntN(50)) * time.Millisecond)
		}
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	c.late() // what old connections still hold
	for i, log := range c.logs {
		for j, value := range log.values {
			if value != uint64(j) {
				t.Fatalf("partition %d: record %d is %d; log: %v", i, j, value, log.values)
			}
		}
		if len(log.values) != int(sent[i]) {
			t.Fatalf("partition %d has %d records, want %d", i, len(log.values), sent[i])
		}
		last, ok := p.LastOffset(broker.TopicPartition{Topic: "t", Partition: int32(i)})
		if sent[i] > 0 && !c.forgetful && (!ok || last != int64(sent[i])-1) {
			t.Errorf("partition %d: last offset is %d, %t, want %d", i, last, ok, sent[i]-1)
		}
	}
	if p.bytes != 0 || p.pending != 0 || len(lent) != 0 {
		t.Errorf("%d batches of %d bytes are left in the books, and %d slices are not released", p.pending, p.bytes, len(lent))
	}
}

// fakeCluster appends batches by the rules of a broker (ProducerStateManager in Apache Kafka), and fails as often as it
// is told to.
type fakeCluster struct {
	wg        sync.WaitGroup
	over      chan struct{}
	faults    int  // per cent of requests
	limit     int  // records of a batch, at most
	forgetful bool // duplicates are answered without their offset

	onAppend func(*fakeLog) sarama.KError // instead of appending, unless it returns no error; guarded by mu

	mu     sync.Mutex // guards what follows
	random *rand.Rand
	logs   []*fakeLog
	links  map[*fakeLink]struct{}
	closed bool
	zombie []func() // requests that a broker has received from a connection that is gone
}

type fakeLog struct {
	leader int32
	values []uint64
	known  bool // the producer is
	strict bool // if it is not, it must begin at 0, as with brokers before 2.4
	epoch  int16
	next   int32
	recent []recentBatch // the last five
}

type recentBatch struct {
	first, last int32
	offset      int64
}

const fakeBrokers = 3

var errFake = errors.New("connection was closed, by design")

func newFakeCluster(seed uint64, partitions int) *fakeCluster {
	c := &fakeCluster{random: rand.New(rand.NewPCG(seed, 2)), links: make(map[*fakeLink]struct{}), over: make(chan struct{})}
	for range partitions {
		c.logs = append(c.logs, &fakeLog{leader: int32(c.random.IntN(fakeBrokers))})
	}
	return c
}

// begin starts what goes on by itself: what old connections hold comes to be appended some time.
func (c *fakeCluster) begin() {
	c.wg.Go(func() {
		tick := time.NewTicker(70 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				c.late()
			case <-c.over:
				return
			}
		}
	})
}

func (c *fakeCluster) stop() {
	close(c.over)
	c.wg.Wait()
}

func (c *fakeCluster) late() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, request := range c.zombie {
		request()
	}
	c.zombie = nil
}

func (c *fakeCluster) move(partition int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.logs[partition].leader = int32(c.random.IntN(fakeBrokers))
}

// beginAt has a partition begin at a high sequence, as if much had been sent.
func (c *fakeCluster) beginAt(p *producer, tp broker.TopicPartition, sequence int32) {
	q, err := p.queueOf(context.Background(), tp)
	if err != nil {
		panic(err)
	}
	synctest.Wait()
	for ready := false; !ready; time.Sleep(time.Millisecond) {
		p.mu.Lock()
		if ready = p.identified; ready {
			q.next = sequence
		}
		p.mu.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	log := c.logs[tp.Partition]
	log.known, log.epoch, log.next = true, q.epoch, sequence
}

func (c *fakeCluster) fault() bool { return c.random.IntN(100) < c.faults }

func (c *fakeCluster) network() network {
	return network{
		log:       slog.New(slog.NewTextHandler(io.Discard, nil)),
		interrupt: func() { c.closeLinks(false) },
		close:     func() { c.closeLinks(true) },
		topicSize: func(context.Context, string) (int32, error) { return int32(len(c.logs)), nil },
		leaders: func(_ context.Context, tps []broker.TopicPartition) (map[broker.TopicPartition]conn.Leader, map[broker.TopicPartition]error, error) {
			time.Sleep(time.Millisecond)
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.fault() {
				return nil, nil, errFake
			}
			leaders, failures := make(map[broker.TopicPartition]conn.Leader), make(map[broker.TopicPartition]error)
			for _, tp := range tps {
				if c.fault() {
					failures[tp] = sarama.ErrLeaderNotAvailable
					continue
				}
				id := c.logs[tp.Partition].leader
				leaders[tp] = conn.Leader{ID: id, Addr: fmt.Sprint("broker ", id)}
			}
			return leaders, failures, nil
		},
		identify: func(context.Context) (int64, int16, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.fault() {
				return 0, 0, sarama.ErrOffsetsLoadInProgress
			}
			return 7, 0, nil
		},
		link: func(l conn.Leader) produceLink { return &fakeLink{cluster: c, id: l.ID} },
	}
}

func (c *fakeCluster) closeLinks(forever bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = c.closed || forever
	for l := range c.links {
		l.dead = true
	}
}

// fakeLink is a connection. Its goroutine answers requests in order.
type fakeLink struct {
	cluster  *fakeCluster
	id       int32
	requests chan fakeRequest // or nil
	ended    chan struct{}
	dead     bool // guarded by cluster.mu
}

// fakeRequest is what is on the wire of a request: a copy.
type fakeRequest struct {
	batches []fakeBatch
	respond func(*sarama.ProduceResponse, error)
}

type fakeBatch struct {
	tp     broker.TopicPartition
	epoch  int16
	first  int32
	values []uint64
}

func (l *fakeLink) connect() error {
	if l.requests != nil {
		return nil
	}
	c := l.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.fault() {
		return errFake
	}
	c.links[l] = struct{}{}
	l.dead = false
	l.requests, l.ended = make(chan fakeRequest, maxInFlight), make(chan struct{})
	requests, ended := l.requests, l.ended
	go func() {
		defer close(ended)
		for r := range requests {
			l.serve(r)
		}
	}()
	return nil
}

func (l *fakeLink) close() {
	if l.requests == nil {
		return
	}
	c := l.cluster
	c.mu.Lock()
	l.dead = true
	delete(c.links, l)
	c.mu.Unlock()
	close(l.requests)
	<-l.ended
	l.requests = nil
}

func (l *fakeLink) produce(r *produceRequest, respond func(*sarama.ProduceResponse, error)) error {
	request := fakeRequest{respond: respond}
	for _, b := range r.batches {
		copied := fakeBatch{tp: b.queue.tp, epoch: b.encoded.ProducerEpoch, first: b.encoded.FirstSequence}
		for _, part := range b.parts {
			for _, record := range part {
				copied.values = append(copied.values, binary.BigEndian.Uint64(record.Value))
			}
		}
		if len(copied.values) != int(b.encoded.LastOffsetDelta)+1 || !b.ready && len(b.encoded.Records) != len(copied.values) {
			panic("a batch that is not one")
		}
		request.batches = append(request.batches, copied)
	}
	c := l.cluster
	c.mu.Lock()
	if len(l.requests) >= maxInFlight {
		panic("too many requests on their way")
	}
	if c.fault() || l.dead {
		l.dead = true
		if c.random.IntN(2) == 0 { // written, but nobody knows
			c.zombie = append(c.zombie, func() { c.appendAll(l.id, request.batches, nil) })
		}
		c.mu.Unlock()
		return errFake
	}
	c.mu.Unlock()
	l.requests <- request
	return nil
}

// serve answers a request, or does not.
func (l *fakeLink) serve(r fakeRequest) {
	c := l.cluster
	c.mu.Lock()
	delay := time.Duration(c.random.IntN(5)) * time.Millisecond
	c.mu.Unlock()
	time.Sleep(delay)
	c.mu.Lock()
	if l.dead {
		if c.random.IntN(2) == 0 {
			c.zombie = append(c.zombie, func() { c.appendAll(l.id, r.batches, nil) })
		}
		c.mu.Unlock()
		r.respond(nil, errFake)
		return
	}
	response := &sarama.ProduceResponse{}
	if c.fault() { // lost before, or after it was handled
		if c.random.IntN(2) == 0 {
			c.appendAll(l.id, r.batches, nil)
		}
		l.dead = true
		c.mu.Unlock()
		r.respond(nil, errFake)
		return
	}
	c.appendAll(l.id, r.batches, response)
	c.mu.Unlock()
	r.respond(response, nil)
}

// appendAll handles a request. c.mu is held.
func (c *fakeCluster) appendAll(id int32, batches []fakeBatch, response *sarama.ProduceResponse) {
	for _, b := range batches {
		offset, err := c.append(id, b)
		if response != nil {
			response.AddTopicPartition(b.tp.Topic, b.tp.Partition, err)
			block := response.GetBlock(b.tp.Topic, b.tp.Partition)
			block.Offset, block.StartOffset = offset, 0
		}
	}
}

func (c *fakeCluster) append(id int32, b fakeBatch) (offset int64, err sarama.KError) {
	log := c.logs[b.tp.Partition]
	switch {
	case log.leader != id:
		return -1, sarama.ErrNotLeaderForPartition
	case len(b.values) > c.limit && len(b.values) > 1:
		return -1, sarama.ErrMessageSizeTooLarge
	case c.fault():
		return -1, []sarama.KError{
			sarama.ErrNotEnoughReplicas, sarama.ErrInvalidMessage, sarama.ErrUnknownTopicOrPartition, sarama.ErrConcurrentTransactions,
		}[c.random.IntN(4)]
	}
	last := addSequence(b.first, len(b.values)-1)
	switch {
	case !log.known && log.strict && b.first != 0:
		return -1, sarama.ErrUnknownProducerID
	case log.known && b.epoch < log.epoch:
		return -1, sarama.ErrInvalidProducerEpoch
	case log.known && b.epoch > log.epoch:
		if b.first != 0 {
			return -1, sarama.ErrOutOfOrderSequenceNumber
		}
		log.recent = nil
	case log.known:
		i := slices.IndexFunc(log.recent, func(r recentBatch) bool { return r.first == b.first && r.last == last })
		if i >= 0 {
			if c.forgetful {
				return -1, sarama.ErrDuplicateSequenceNumber
			}
			return log.recent[i].offset, sarama.ErrNoError
		}
		if b.first != log.next {
			return -1, sarama.ErrOutOfOrderSequenceNumber
		}
	}
	if c.onAppend != nil {
		if err := c.onAppend(log); err != sarama.ErrNoError {
			return -1, err
		}
	}
	offset = int64(len(log.values))
	log.values = append(log.values, b.values...)
	log.known, log.epoch, log.next = true, b.epoch, addSequence(last, 1)
	log.recent = append(log.recent, recentBatch{b.first, last, offset})
	log.recent = log.recent[max(0, len(log.recent)-window):]
	if c.fault() {
		return -1, []sarama.KError{sarama.ErrNotEnoughReplicasAfterAppend, sarama.ErrRequestTimedOut, sarama.ErrNotLeaderForPartition}[c.random.IntN(3)]
	}
	return offset, sarama.ErrNoError
}
