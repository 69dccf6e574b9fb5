// Package fetch reads partitions: prefetched batches in one queue for each partition, two readers for each broker, and a look-out
// for partition leaders.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
	"github.com/weirstreams/weir/internal/broker/saramabroker/wire"
	"github.com/weirstreams/weir/internal/wake"
)

// fetcher reads partitions with goroutines and connections per leader (see reader). Each request asks for many
// partitions. One more goroutine finds the leaders (see findLeaders).
//
// Prefetched batches wait in a queue per partition. A partition is asked for while its queue is shorter than its share
// of the buffer; a partition without held batches is asked for even if the buffer is full, so that a caller that
// holds on to batches of some partitions while it waits for others can never be stuck. The buffer is exceeded by that,
// and by compressed batches, because their size is only known when they are unpacked.
type fetcher struct {
	cluster Cluster
	log     *slog.Logger
	conns   *conn.Set
	conf    *sarama.Config

	bufferBytes int
	maxWait     time.Duration
	onError     func(broker.PartitionError) // may be nil

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	// ready says that Poll may find something.
	ready wake.Signal
	// leaderless says that the leader of a partition is to be found.
	leaderless wake.Signal
	timer      *time.Timer // of Poll

	mu         sync.Mutex // guards what follows, the partitions and the readers' fields that say so
	partitions map[broker.TopicPartition]*partition
	readers    map[int32]*reader // the first of each broker
	turns      []*partition      // whose queues are not empty, in the order in which Poll serves them
	used       int               // bytes in queues and with the caller
	reserved   int               // bytes that requests in flight may bring
	former     map[string]bool   // ids of topics that are known not to exist any more
	woken      bool
}

// partition is one Start of a partition. A Start at another offset makes a new one, so that answers for the old
// one can be told apart.
type partition struct {
	tp      broker.TopicPartition
	dropped bool
	paused  bool

	next int64 // offset to ask for
	// nextEpoch is the leader epoch of the log before next, or broker.NoLeaderEpoch; doubted says that the leader is to be asked whether
	// its log is still that one.
	nextEpoch int32
	doubted   bool

	seen     bool // there was a response since Start
	inFlight bool
	cold     bool // the last response brought nothing new
	// size is the least number of bytes to ask for, after a batch did not fit.
	size int

	leader    int32 // or noLeader
	epoch     int32
	topic     string    // the id of the topic when the leader was found first, empty before or if it is not known
	notBefore time.Time // when to look for the leader
	failures  int       // in a row
	corrupt   int       // of those, for what was read

	queue  []fetched
	queued int  // bytes in queue
	held   int  // bytes with the caller
	inTurn bool // is in fetcher.turns
}

const noLeader = -1

// fetched is a batch, or an error that ends the partition.
type fetched struct {
	batch  *broker.Batch
	memory wire.Memory // of batch
	bytes  int
	err    error
}

const (
	defaultBuffer  = 32 << 20
	defaultMaxWait = 250 * time.Millisecond
	// largest and smallest amounts to ask for per partition and request.
	maxFetch = 1 << 20
	minFetch = 16 << 10
	// maxResponse bounds a request over all its partitions.
	maxResponse = 16 << 20
	// maxGrown is the largest batch that is read. The client accepts responses of 100 MB.
	maxGrown = 64 << 20
)

// Cluster is the part of a cluster that a fetcher needs.
type Cluster interface {
	// ClientConfig returns a configuration of the client that dials by conns.
	ClientConfig(conns *conn.Set) *sarama.Config
	// Leaders looks up the leaders of partitions. A partition without one has an error instead.
	Leaders(ctx context.Context, tps []broker.TopicPartition) (map[broker.TopicPartition]conn.Leader, map[broker.TopicPartition]error, error)
	Logger() *slog.Logger
}

// New returns a fetcher with connections of its own.
func New(c Cluster, cfg broker.FetcherConfig) broker.Fetcher {
	if cfg.BufferBytes <= 0 {
		cfg.BufferBytes = defaultBuffer
	}
	if cfg.MaxWait <= 0 {
		cfg.MaxWait = defaultMaxWait
	}
	f := &fetcher{
		cluster:     c,
		log:         c.Logger(),
		conns:       conn.NewSet(),
		bufferBytes: cfg.BufferBytes,
		maxWait:     cfg.MaxWait,
		onError:     cfg.OnError,
		ready:       wake.New(),
		leaderless:  wake.New(),
		timer:       time.NewTimer(time.Hour),
		partitions:  make(map[broker.TopicPartition]*partition),
		readers:     make(map[int32]*reader),
		former:      make(map[string]bool),
	}
	f.conf = c.ClientConfig(f.conns)
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.wg.Go(f.findLeaders)
	return f
}

// Start implements broker.Fetcher. A partition that is paused stays paused. The first response after Start is always
// handed out, as an empty batch if need be, so that the caller learns where the partition ends.
func (f *fetcher) Start(tp broker.TopicPartition, offset int64) {
	f.StartAfter(tp, offset, broker.NoLeaderEpoch)
}

// StartAfter implements broker.Fetcher.
func (f *fetcher) StartAfter(tp broker.TopicPartition, offset int64, epoch int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := &partition{tp: tp, next: offset, nextEpoch: epoch, leader: noLeader, epoch: -1}
	if old := f.partitions[tp]; old != nil {
		f.drop(old)
		p.paused = old.paused
		p.leader, p.epoch, p.topic = old.leader, old.epoch, old.topic
		p.notBefore, p.failures = old.notBefore, old.failures
	}
	p.doubt()
	f.partitions[tp] = p
	if r := f.readers[p.leader]; r != nil {
		r.wake()
		return
	}
	p.leader = noLeader
	f.leaderless.Notify()
}

// Stop implements broker.Fetcher.
func (f *fetcher) Stop(tp broker.TopicPartition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.partitions[tp]; p != nil {
		f.drop(p)
		f.wakeReaders()
	}
}

// drop forgets a partition and its prefetched batches. f.mu is held.
func (f *fetcher) drop(p *partition) {
	p.dropped = true
	if f.partitions[p.tp] == p {
		delete(f.partitions, p.tp)
	}
	for i := range p.queue {
		p.queue[i].memory.Free()
	}
	f.used -= p.queued
	p.queue, p.queued = nil, 0
}

// Pause implements broker.Fetcher.
func (f *fetcher) Pause(tp broker.TopicPartition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.partitions[tp]; p != nil {
		p.paused = true
	}
}

// Resume implements broker.Fetcher.
func (f *fetcher) Resume(tp broker.TopicPartition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.partitions[tp]
	if p == nil || !p.paused {
		return
	}
	p.paused, p.cold = false, false
	f.takeTurn(p)
	if r := f.readers[p.leader]; r != nil {
		r.wake()
	}
}

// Wake implements broker.Fetcher.
func (f *fetcher) Wake() {
	f.mu.Lock()
	f.woken = true
	f.mu.Unlock()
	f.ready.Notify()
}

// Poll implements broker.Fetcher.
func (f *fetcher) Poll(ctx context.Context, wait time.Duration) (*broker.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if batch, err, done := f.take(); done || wait <= 0 {
		return batch, err
	}
	f.timer.Reset(wait)
	for {
		select {
		case <-f.ready:
			if batch, err, done := f.take(); done {
				return batch, err
			}
		case <-f.timer.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-f.ctx.Done():
			return nil, fmt.Errorf("fetcher is %w", fault.ErrClosed)
		}
	}
}

// take returns the next batch or error, and whether Poll is done with it.
func (f *fetcher) take() (*broker.Batch, error, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.woken {
		f.woken = false
		return nil, nil, true
	}
	for len(f.turns) > 0 {
		p := f.turns[0]
		f.turns[0] = nil
		f.turns = f.turns[1:]
		p.inTurn = false
		if p.dropped || p.paused || len(p.queue) == 0 {
			continue
		}
		item := p.queue[0]
		p.queue[0] = fetched{}
		p.queue = p.queue[1:]
		p.queued -= item.bytes
		if item.err != nil {
			f.report(p, item.err, false)
			f.drop(p)
			return nil, item.err, true
		}
		p.held += item.bytes
		f.takeTurn(p)
		if r := f.readers[p.leader]; r != nil {
			r.wake()
		}
		return item.batch, nil, true
	}
	return nil, nil, false
}

// report tells of an error of a partition. f.mu is held.
func (f *fetcher) report(p *partition, err error, retrying bool) {
	if f.onError == nil {
		return
	}
	offset := p.next
	if out, ok := errors.AsType[*broker.OffsetOutOfRangeError](err); ok {
		offset = out.Offset
	}
	f.onError(broker.PartitionError{TopicPartition: p.tp, Offset: offset, Err: err, Retrying: retrying})
}

// takeTurn queues a partition for Poll if it has anything to give. f.mu is held.
func (f *fetcher) takeTurn(p *partition) {
	if p.inTurn || p.paused || p.dropped || len(p.queue) == 0 {
		return
	}
	p.inTurn = true
	f.turns = append(f.turns, p)
	f.ready.Notify()
}

// give queues a fetched item. f.mu is held.
func (f *fetcher) give(p *partition, item fetched) {
	if batch := item.batch; batch != nil {
		batch.Release = func() { f.release(p, batch, item) }
	}
	p.queue = append(p.queue, item)
	p.queued += item.bytes
	f.used += item.bytes
	f.takeTurn(p)
}

func (f *fetcher) release(p *partition, batch *broker.Batch, item fetched) {
	item.memory.Free()
	batch.Records = nil
	f.mu.Lock()
	defer f.mu.Unlock()
	p.held -= item.bytes
	f.used -= item.bytes
	f.wakeReaders()
}

func (f *fetcher) wakeReaders() {
	for _, r := range f.readers {
		r.wake()
	}
}

// Close implements broker.Fetcher. Batches that were handed out stay valid until they are released.
func (f *fetcher) Close() error {
	f.cancel()
	f.conns.Close()
	f.wg.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.partitions {
		f.drop(p)
	}
	f.timer.Stop()
	return nil
}
