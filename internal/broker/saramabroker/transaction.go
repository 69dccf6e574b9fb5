package saramabroker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
)

// transaction has the further state of a producer with a transactional id. There is one at a time: it begins with the first
// Send and ends with Commit or Abort.
//
// The goroutine coordinate gets the producer's ID and then tells the coordinator of each partition before the first
// batch is sent to it. The rest is done on the caller's goroutine.
type transaction struct {
	producer *producer
	cluster  *cluster
	id       string
	group    string // whose pending offsets are swept, or nothing
	timeout  time.Duration
	conns    *connections
	kick     chan struct{} // wakes coordinate

	coordinator coordinatorLink // of the transaction
	groups      coordinatorLink // of the group whose offsets are committed

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

func newTransaction(p *producer, c *cluster, cfg broker.ProducerConfig) *transaction {
	t := &transaction{
		producer: p, cluster: c, id: cfg.TransactionalID, group: cfg.Group, timeout: cfg.TransactionTimeout,
		conns: newConnections(), kick: make(chan struct{}, 1),
	}
	if t.timeout <= 0 {
		t.timeout = defaultTransactionTimeout
	}
	conf := c.clientConfig(t.conns)
	t.coordinator = coordinatorLink{cluster: c, conf: conf, kind: sarama.CoordinatorTransaction, key: t.id}
	t.groups = coordinatorLink{cluster: c, conf: conf, kind: sarama.CoordinatorGroup}
	return t
}

// include makes a partition part of the transaction. p.mu is held.
func (t *transaction) include(q *queue) {
	if q.joined == outside {
		q.joined = joining
		t.members = append(t.members, q)
		signal(t.kick)
	}
}

// doom makes err the reason to abort, unless there is one. p.mu is held.
func (t *transaction) doom(err error) {
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
func (t *transaction) spoil(what string, err error) error {
	p := t.producer
	p.mu.Lock()
	defer p.mu.Unlock()
	switch code, isCode := codeOf(err); {
	case code == sarama.ErrIllegalGeneration, code == sarama.ErrUnknownMemberId, code == sarama.ErrFencedInstancedId,
		code == sarama.ErrGroupAuthorizationFailed, code == sarama.ErrTopicAuthorizationFailed,
		code == sarama.ErrOffsetMetadataTooLarge, code == sarama.ErrInvalidCommitOffsetSize,
		code == sarama.ErrUnknownTopicOrPartition, code == sarama.ErrRebalanceInProgress, code == errTransactionAbortable,
		isRetriable(err), !isCode:
		t.doom(fmt.Errorf("%s of transaction %q: %w: %w", what, t.id, broker.ErrAborted, translate(err)))
	default:
		p.end(fmt.Errorf("%s of transaction %q: %w", what, t.id, translate(err)))
	}
	return p.failure()
}

// coordinate is the goroutine that gets the ID and tells the coordinator of partitions.
func (t *transaction) coordinate() {
	p := t.producer
	defer t.coordinator.close()
	defer t.groups.close()
	if err := t.enroll(p.ctx); err != nil {
		p.mu.Lock()
		p.end(fmt.Errorf("register transactional id %q: %w", t.id, translate(err)))
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
func (t *transaction) enroll(ctx context.Context) error {
	p := t.producer
	for tries := 1; ; tries++ {
		id, epoch, err := t.initialise(ctx, -1, -1)
		if err == nil {
			err = t.sweep(ctx, id, epoch)
		}
		if err == nil && t.takeAnew() { // the end of what was swept, perhaps
			id, epoch, err = t.initialise(ctx, id, epoch)
		}
		if err == nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			t.anew = false
			p.identifyAs(id, epoch)
			return nil
		}
		if tries == enrollTries || !errors.Is(translate(err), broker.ErrFenced) {
			return err
		}
	}
}

// sweep aborts a transaction that has nothing in it but the group. Offsets can stay pending when a transaction has ended while
// their partition had no leader (KAFKA-20734), and nobody gets the partitions that they are for until another transaction of
// this producer ends in the group.
func (t *transaction) sweep(ctx context.Context, id int64, epoch int16) error {
	if t.group == "" {
		return nil
	}
	_, err := t.ask(ctx, &t.coordinator, func(b *sarama.Broker) error {
		r, err := b.AddOffsetsToTxn(&sarama.AddOffsetsToTxnRequest{
			Version: 3, TransactionalID: t.id, ProducerID: id, ProducerEpoch: epoch, GroupID: t.group,
		})
		if err != nil {
			return err
		}
		return codeError(r.Err)
	})
	if err == nil {
		_, err = t.end(ctx, id, epoch, false)
	}
	if err != nil {
		return fmt.Errorf("drop what is pending in group %q: %w", t.group, err)
	}
	return nil
}

// takeAnew reports whether the next transaction needs an epoch of its own, and forgets it.
func (t *transaction) takeAnew() bool {
	p := t.producer
	p.mu.Lock()
	defer p.mu.Unlock()
	anew := t.anew
	t.anew = false
	return anew
}

// register gets an ID and an epoch: new ones, or the next epoch after those.
func (t *transaction) register(ctx context.Context, id int64, epoch int16) error {
	id, epoch, err := t.initialise(ctx, id, epoch)
	if err != nil {
		return err
	}
	p := t.producer
	p.mu.Lock()
	defer p.mu.Unlock()
	p.identifyAs(id, epoch)
	return nil
}

// initialise asks for an ID and an epoch.
func (t *transaction) initialise(ctx context.Context, id int64, epoch int16) (int64, int16, error) {
	var response *sarama.InitProducerIDResponse
	_, err := t.ask(ctx, &t.coordinator, func(b *sarama.Broker) error {
		r, err := b.InitProducerID(&sarama.InitProducerIDRequest{
			Version: 4, TransactionalID: &t.id, TransactionTimeout: t.timeout, ProducerID: id, ProducerEpoch: epoch,
		})
		if err != nil {
			return err
		}
		response = r
		return codeError(r.Err)
	})
	if err != nil {
		return 0, 0, err
	}
	return response.ProducerID, response.ProducerEpoch, nil
}

// due returns the partitions that the coordinator is to be told of, and the context of that request.
func (t *transaction) due() ([]*queue, context.Context) {
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
func (t *transaction) add(ctx context.Context, due []*queue) error {
	p := t.producer
	partitions := make(map[string][]int32)
	for _, q := range due {
		partitions[q.tp.Topic] = append(partitions[q.tp.Topic], q.tp.Partition)
	}
	_, err := t.ask(ctx, &t.coordinator, func(b *sarama.Broker) error {
		r, err := b.AddPartitionsToTxn(&sarama.AddPartitionsToTxnRequest{
			Version: 3, TransactionalID: t.id, ProducerID: p.id, ProducerEpoch: p.epoch, TopicPartitions: partitions,
		})
		if err != nil {
			return err
		}
		t.noteGone(r.Errors)
		return worstOf(r.Errors)
	})
	return err
}

// noteGone says that the coordinator does not know topics.
func (t *transaction) noteGone(topics map[string][]*sarama.PartitionError) {
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
func (t *transaction) joined(due []*queue, err error) {
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
				signal(s.kick)
			}
		}
	}
	p.announce()
}

// Commit implements broker.Producer.
func (p *producer) Commit(ctx context.Context, member broker.GroupMember, offsets map[broker.TopicPartition]int64) error {
	t := p.txn
	if t == nil {
		return errNotTransactional
	}
	if err := p.Flush(ctx); err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.failure() == nil { // ctx has ended
			t.doom(fmt.Errorf("commit transaction %q: %w: %w", t.id, broker.ErrAborted, err))
		}
		return p.failure()
	}
	p.mu.Lock()
	empty := len(t.members) == 0 && len(offsets) == 0
	p.mu.Unlock()
	if empty {
		return nil
	}
	if len(offsets) > 0 {
		if err := t.commitOffsets(ctx, member, offsets); err != nil {
			return t.spoil("commit offsets", err)
		}
	}
	lost, err := t.finish(ctx, true)
	if err == nil {
		t.succeed(ctx)
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case lost: // whatever was said later, nobody knows what became of the first request
		p.end(fmt.Errorf("commit transaction %q: %w: %v", t.id, broker.ErrUndecided, err)) //nolint:errorlint // must not be ErrFenced
	case isUnanswered(err):
		t.doom(fmt.Errorf("commit transaction %q: %w: %w", t.id, broker.ErrAborted, translate(err)))
	default:
		p.end(fmt.Errorf("commit transaction %q: %w", t.id, translate(err)))
	}
	return p.failure()
}

// succeed makes ready for the next transaction after a commit. If that cannot be done the producer is of no more use, which
// is no error of the commit.
func (t *transaction) succeed(ctx context.Context) {
	p := t.producer
	var err error
	if t.takeAnew() {
		err = t.register(ctx, p.id, p.epoch)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t.reset()
	if err != nil {
		p.end(fmt.Errorf("new epoch for transactional id %q, after requests without an answer: %w: %w", t.id, broker.ErrFenced, translate(err)))
	}
}

// commitOffsets adds offsets of a group to the transaction.
func (t *transaction) commitOffsets(ctx context.Context, member broker.GroupMember, offsets map[broker.TopicPartition]int64) error {
	p := t.producer
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	p.mu.Lock()
	t.started = true
	p.mu.Unlock()
	_, err := t.ask(ctx, &t.coordinator, func(b *sarama.Broker) error {
		r, err := b.AddOffsetsToTxn(&sarama.AddOffsetsToTxnRequest{
			Version: 3, TransactionalID: t.id, ProducerID: p.id, ProducerEpoch: p.epoch, GroupID: member.Group,
		})
		if err != nil {
			return err
		}
		return codeError(r.Err)
	})
	if err != nil {
		return err
	}
	p.mu.Lock()
	t.known = true
	p.mu.Unlock()

	topics := make(map[string][]*sarama.PartitionOffsetMetadata)
	for tp, offset := range offsets {
		topics[tp.Topic] = append(topics[tp.Topic], &sarama.PartitionOffsetMetadata{
			Partition: tp.Partition, Offset: offset, LeaderEpoch: -1,
		})
	}
	t.groups.of(member.Group)
	_, err = t.ask(ctx, &t.groups, func(b *sarama.Broker) error {
		request := &sarama.TxnOffsetCommitRequest{
			Version: 3, TransactionalID: t.id, GroupID: member.Group, ProducerID: p.id, ProducerEpoch: p.epoch,
			GenerationID: member.Generation, MemberID: member.MemberID, Topics: topics,
		}
		if member.InstanceID != "" {
			request.GroupInstanceID = &member.InstanceID
		}
		r, err := b.TxnOffsetCommit(request)
		if err != nil {
			return err
		}
		return worstOf(r.Topics)
	})
	return err
}

// finish ends the transaction at the coordinator. It returns true if the fate of a sent request is not known.
func (t *transaction) finish(ctx context.Context, commit bool) (lost bool, err error) {
	return t.end(ctx, t.producer.id, t.producer.epoch, commit)
}

func (t *transaction) end(ctx context.Context, id int64, epoch int16, commit bool) (lost bool, err error) {
	return t.ask(ctx, &t.coordinator, func(b *sarama.Broker) error {
		r, err := b.EndTxn(&sarama.EndTxnRequest{
			Version: 3, TransactionalID: t.id, ProducerID: id, ProducerEpoch: epoch, TransactionResult: commit,
		})
		if err != nil {
			return err
		}
		return codeError(r.Err)
	})
}

// reset makes ready for the next transaction. p.mu is held.
func (t *transaction) reset() {
	for _, q := range t.members {
		q.joined = outside
	}
	clear(t.members)
	t.members = t.members[:0]
	t.started, t.known, t.anew, t.err = false, false, false, nil
}

// Abort implements broker.Producer. If ctx ends before it is done, Abort must be called again.
func (p *producer) Abort(ctx context.Context) error {
	t := p.txn
	if t == nil {
		return nil
	}
	p.mu.Lock()
	if p.err != nil || t.err == nil && len(t.members) == 0 && !t.started {
		defer p.mu.Unlock()
		return p.err
	}
	t.doom(errAborting)
	p.mu.Unlock()

	if err := t.settle(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	t.drop()
	started, known := t.started, t.known
	id, epoch := p.id, p.epoch
	p.mu.Unlock()
	if started {
		_, err := t.finish(ctx, false)
		if code, _ := codeOf(err); code == sarama.ErrInvalidTxnState && !known {
			err = nil // the coordinator was never reached, so there is nothing to abort
		}
		if err != nil {
			return t.cannotAbort(err)
		}
	}
	p.mu.Lock()
	anew := t.anew // to be asked for again if Abort is
	p.mu.Unlock()
	if anew {
		if err := t.register(ctx, id, epoch); err != nil {
			return t.cannotAbort(err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t.reset()
	return nil
}

func (t *transaction) cannotAbort(err error) error {
	p := t.producer
	p.mu.Lock()
	defer p.mu.Unlock()
	final := !isUnanswered(err)
	err = fmt.Errorf("abort transaction %q: %w", t.id, translate(err))
	if final {
		p.end(err)
	}
	return err
}

// settle waits until nothing of the transaction is on its way any more.
func (t *transaction) settle(ctx context.Context) error {
	p := t.producer
	patience := time.NewTimer(abortPatience)
	defer patience.Stop()
	for {
		p.mu.Lock()
		idle := t.adding == nil && p.busy == 0
		for _, q := range p.queues {
			idle = idle && q.inFlight == 0
		}
		err := p.err
		p.waiting = true
		p.mu.Unlock()
		if idle || err != nil {
			return err
		}
		select {
		case <-p.changed:
		case <-patience.C:
			p.wire.interrupt()
			t.conns.interrupt()
		case <-ctx.Done():
			return fmt.Errorf("abort transaction %q: %w", t.id, ctx.Err())
		}
	}
}

// drop forgets unacknowledged batches. p.mu is held, and nothing is on its way.
func (t *transaction) drop() {
	p := t.producer
	for _, q := range p.queues {
		for _, b := range q.batches {
			if b.state != done {
				t.anew = t.anew || b.sequenced
				p.pending--
				p.bytes -= b.bytes
			}
			p.recycle(b)
		}
		clear(q.batches)
		q.batches = q.batches[:0]
		q.held, q.anew = false, false
	}
}

// abandon aborts an open transaction if that can be done soon.
func (t *transaction) abandon() {
	p := t.producer
	p.mu.Lock()
	idle := p.err != nil || !t.started
	p.mu.Unlock()
	if idle {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	if err := p.Abort(ctx); err != nil {
		p.wire.log.Warn("cannot abort a transaction on closing, the cluster will when it times out",
			"transactional id", t.id, "error", err)
	}
}
