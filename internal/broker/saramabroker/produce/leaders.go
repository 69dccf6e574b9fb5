package produce

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
	"github.com/weirstreams/weir/internal/wake"
)

// tend is the goroutine that gives queues without a leader to the sender of the broker that leads them, and gives up
// for batches that take too long.
func (p *producer) tend() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	outage := conn.NewOutage(p.network.log, "find partition leaders to send to")
	for {
		due, wait, overdue := p.inspect()
		if p.ctx.Err() != nil {
			return
		}
		if len(due) > 0 {
			ctx, cancel := context.WithTimeout(p.ctx, overdue)
			leaders, failures, err := p.network.leaders(ctx, due)
			cancel()
			switch {
			case p.ctx.Err() != nil:
				return
			case errors.Is(err, context.DeadlineExceeded):
				continue // a batch is overdue
			}
			outage.Note(err)
			p.assign(due, leaders, failures, err)
			continue
		}
		timer.Reset(wait)
		select {
		case <-p.leaderless:
		case <-timer.C:
		case <-p.ctx.Done():
			return
		}
	}
}

// inspect returns the partitions that need a look-up of their leader now, the time to wait if there are none, and the time
// until the next batch is overdue.
func (p *producer) inspect() (due []broker.TopicPartition, wait, overdue time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	overdue = p.timeout // of a batch that comes next
	wait = overdue
	if p.failure() != nil {
		return nil, wait, overdue
	}
	now := time.Now()
	for _, q := range p.queues {
		b := q.front()
		if b == nil {
			continue
		}
		left := b.deadline.Sub(now)
		if left <= 0 {
			p.expire(q)
			return nil, p.timeout, p.timeout
		}
		overdue = min(overdue, left)
		if q.leader != noLeader || q.inFlight > 0 {
			continue
		}
		if pause := q.notBefore.Sub(now); pause > 0 {
			wait = min(wait, pause)
			continue
		}
		due = append(due, q.tp)
	}
	return due, min(wait, overdue), overdue
}

// assign gives queues to the senders of their leaders.
func (p *producer) assign(due []broker.TopicPartition, leaders map[broker.TopicPartition]conn.Leader, failures map[broker.TopicPartition]error, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, tp := range due {
		q := p.queues[tp]
		if leader, ok := leaders[tp]; ok && err == nil {
			p.senderOf(leader).lead(q)
			p.noteBack(q)
			continue
		}
		failure := failures[tp]
		if err != nil {
			failure = err
		}
		if !isRetriableAppend(failure) && p.ctx.Err() == nil {
			p.giveUp(tp, failure)
			return
		}
		p.failed(q, failure)
		if code, _ := fault.CodeOf(failure); code == sarama.ErrUnknownTopicOrPartition {
			p.noteGone(q)
		}
		q.notBefore = time.Now().Add(fault.Backoff.Wait(q.failures))
	}
}

// senderOf returns the sender of a broker, which it starts if need be. p.mu is held.
func (p *producer) senderOf(l conn.Leader) *sender {
	s := p.senders[l.ID]
	if s == nil {
		s = &sender{
			producer: p, id: l.ID, kick: wake.New(),
			outage: conn.NewOutage(p.network.log, fmt.Sprintf("send to broker %d at %s", l.ID, l.Addr)),
		}
		p.senders[l.ID] = s
		if !p.closed {
			p.wg.Go(s.run)
		}
	}
	s.addr = l.Addr
	return s
}

// newTopicTries is how often a topic that was never written to may be unknown: not every broker knows at once of a topic that is new.
const newTopicTries = 3

// noteGone says, once, that the cluster does not know the topic of a queue. p.mu is held.
func (p *producer) noteGone(q *queue) {
	if q.gone || q.last < 0 && q.failures < newTopicTries {
		return
	}
	q.gone = true
	p.network.log.Error("a topic that is written to does not exist any more: its records wait until it is made again, and are given up after the timeout",
		"topic", q.tp.Topic, "partition", q.tp.Partition, "timeout", p.timeout)
}

// noteBack says that it does again. p.mu is held.
func (p *producer) noteBack(q *queue) {
	if q.gone {
		q.gone = false
		p.network.log.Info("a topic that was gone exists again", "topic", q.tp.Topic, "partition", q.tp.Partition)
	}
}

// Missing implements broker.Producer.
func (p *producer) Missing() []broker.TopicPartition {
	p.mu.Lock()
	defer p.mu.Unlock()
	var missing []broker.TopicPartition
	for tp, q := range p.queues {
		if q.gone {
			missing = append(missing, tp)
		}
	}
	return missing
}
