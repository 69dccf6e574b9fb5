package produce

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
	"github.com/weirstreams/weir/internal/broker/saramabroker/transaction"
	"github.com/weirstreams/weir/internal/wake"
)

// openTransaction has the further state of a producer with a transactional id. There is one transaction at a time: it begins with the
// first Send and ends with Commit or Abort.
//
// The goroutine coordinate gets the producer's ID and then tells the coordinator of each partition before the first
// batch is sent to it. The rest is done on the caller's goroutine.
type openTransaction struct {
	producer    *producer
	coordinator *transaction.Coordinator
	id          string
	group       string      // whose pending offsets are swept, or nothing
	kick        wake.Signal // wakes coordinate

	// The following fields are guarded by producer.mu.

	members []*queue           // that are not outside
	adding  context.CancelFunc // ends the request that tells of partitions, or nil
	started bool               // the coordinator may have been told of something
	known   bool               // it was
	// anew says that the next transaction needs an epoch of its own. Either a batch with a sequence was dropped, which the
	// broker would miss. Or a request is without an answer: the cluster may act on it after the try that was answered, in the
	// next transaction, and abort or commit the records of that one, or commit older offsets.
	anew bool
	err  error // why it has to be aborted
}

const (
	defaultTransactionTimeout = time.Minute
	// abortPatience is how long Abort waits for responses before it closes connections.
	abortPatience = time.Second
	// closePatience is how long Close tries to abort.
	closePatience = 500 * time.Millisecond
)

var (
	errNotTransactional = errors.New("commit: the producer has no transactional id")
	errAborting         = fmt.Errorf("abort: %w", broker.ErrAborted)
)

func newTransaction(p *producer, c transaction.Cluster, cfg broker.ProducerConfig) *openTransaction {
	t := &openTransaction{producer: p, id: cfg.TransactionalID, group: cfg.Group, kick: wake.New()}
	timeout := cfg.TransactionTimeout
	if timeout <= 0 {
		timeout = defaultTransactionTimeout
	}
	t.coordinator = transaction.New(c, transaction.Config{ID: t.id, Timeout: timeout, Unanswered: t.unanswered})
	return t
}

// unanswered notes that a request may have been carried out although nobody said so.
func (t *openTransaction) unanswered() {
	t.producer.mu.Lock()
	defer t.producer.mu.Unlock()
	t.anew = true
}

// include makes a partition part of the transaction. p.mu is held.
func (t *openTransaction) include(q *queue) {
	if q.joined == outside {
		q.joined = joining
		t.members = append(t.members, q)
		t.kick.Notify()
	}
}

// doom makes err the reason to abort, unless there is one. p.mu is held.
func (t *openTransaction) doom(err error) {
	if t.err == nil {
		t.err = err
		if t.adding != nil {
			t.adding()
		}
		t.producer.announce()
	}
}

// spoil applies an error of the coordinator: the producer is of no more use, or the transaction
// has to be aborted. It returns the error for the caller.
func (t *openTransaction) spoil(what string, err error) error {
	p := t.producer
	p.mu.Lock()
	defer p.mu.Unlock()
	switch code, isCode := fault.CodeOf(err); {
	case code == sarama.ErrIllegalGeneration, code == sarama.ErrUnknownMemberId, code == sarama.ErrFencedInstancedId,
		code == sarama.ErrGroupAuthorizationFailed, code == sarama.ErrTopicAuthorizationFailed,
		code == sarama.ErrOffsetMetadataTooLarge, code == sarama.ErrInvalidCommitOffsetSize,
		code == sarama.ErrUnknownTopicOrPartition, code == sarama.ErrRebalanceInProgress, code == fault.ErrTransactionAbortable,
		fault.IsRetriable(err), !isCode:
		t.doom(fmt.Errorf("%w: %s of transaction %q: %w", broker.ErrAborted, what, t.id, fault.Translate(err)))
	default:
		p.end(fmt.Errorf("%s of transaction %q: %w", what, t.id, fault.Translate(err)))
	}
	return p.failure()
}

// coordinate is the goroutine that gets the ID and tells the coordinator of partitions.
func (t *openTransaction) coordinate() {
	p := t.producer
	defer t.coordinator.Close()
	if err := t.enroll(p.ctx); err != nil {
		p.mu.Lock()
		p.end(fmt.Errorf("register transactional id %q: %w", t.id, fault.Translate(err)))
		p.mu.Unlock()
	}
	for p.ctx.Err() == nil {
		if due, ctx := t.due(); len(due) > 0 {
			t.joined(due, t.add(ctx, due))
			continue
		}
		select {
		case <-t.kick:
		case <-p.ctx.Done():
		}
	}
}

// enrollTries is how often a producer may be fenced while it sweeps: the cluster does so if that takes too long.
const enrollTries = 3

// enroll gets an ID and an epoch, and sweeps.
func (t *openTransaction) enroll(ctx context.Context) error {
	p := t.producer
	for tries := 1; ; tries++ {
		identity, err := t.coordinator.Initialise(ctx, transaction.Unknown)
		if err == nil && t.group != "" {
			err = t.coordinator.Sweep(ctx, identity, t.group)
		}
		if err == nil && t.takeAnew() { // the end of what was swept, perhaps
			identity, err = t.coordinator.Initialise(ctx, identity)
		}
		if err == nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			t.anew = false
			p.identifyAs(identity)
			return nil
		}
		if tries == enrollTries || !errors.Is(fault.Translate(err), weir.ErrFenced) {
			return err
		}
	}
}

// takeAnew reports whether the next transaction needs an epoch of its own, and forgets it.
func (t *openTransaction) takeAnew() bool {
	p := t.producer
	p.mu.Lock()
	defer p.mu.Unlock()
	anew := t.anew
	t.anew = false
	return anew
}

// register asks for an identity, the next one after the known one, and begins its epoch.
func (t *openTransaction) register(ctx context.Context, known transaction.Identity) error {
	identity, err := t.coordinator.Initialise(ctx, known)
	if err != nil {
		return err
	}
	p := t.producer
	p.mu.Lock()
	defer p.mu.Unlock()
	p.identifyAs(identity)
	return nil
}

// due returns the partitions that the coordinator is to be told of, and the context of that request.
func (t *openTransaction) due() ([]*queue, context.Context) {
	p := t.producer
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure() != nil || !p.identified {
		return nil, nil
	}
	var due []*queue
	for _, q := range t.members {
		if q.joined == joining {
			due = append(due, q)
		}
	}
	if len(due) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithCancel(p.ctx)
	t.started, t.adding = true, cancel
	return due, ctx
}

// add tells the coordinator of partitions.
func (t *openTransaction) add(ctx context.Context, due []*queue) error {
	p := t.producer
	tps := make([]broker.TopicPartition, len(due))
	for i, q := range due {
		tps[i] = q.tp
	}
	return t.coordinator.AddPartitions(ctx, p.identity, tps, t.noteGone)
}

// noteGone says that the coordinator does not know topics.
func (t *openTransaction) noteGone(topics map[string][]*sarama.PartitionError) {
	p := t.producer
	p.mu.Lock()
	defer p.mu.Unlock()
	for topic, partitions := range topics {
		for _, e := range partitions {
			if q := p.queues[broker.TopicPartition{Topic: topic, Partition: e.Partition}]; q != nil && e.Err == sarama.ErrUnknownTopicOrPartition {
				q.failures++
				p.noteGone(q)
			}
		}
	}
}

// joined takes the outcome of add.
func (t *openTransaction) joined(due []*queue, err error) {
	p := t.producer
	if err != nil {
		p.mu.Lock()
		stopped := p.failure() != nil
		p.mu.Unlock()
		if !stopped {
			_ = t.spoil("add partitions", err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t.adding()
	t.adding = nil
	if err == nil {
		t.known = true
		for _, q := range due {
			q.joined = inside
			p.noteBack(q)
			if s := p.senders[q.leader]; s != nil {
				s.kick.Notify()
			}
		}
	}
	p.announce()
}

// reset makes ready for the next transaction. p.mu is held.
func (t *openTransaction) reset() {
	for _, q := range t.members {
		q.joined = outside
	}
	clear(t.members)
	t.members = t.members[:0]
	t.started, t.known, t.anew, t.err = false, false, false, nil
}
