package fetch

import (
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
	"github.com/weirstreams/weir/internal/broker/saramabroker/wire"
)

// findLeaders is the goroutine that gives partitions without a leader to the reader of the broker that leads them.
func (f *fetcher) findLeaders() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	outage := conn.NewOutage(f.log, "find partition leaders")
	for f.ctx.Err() == nil { // a look-up that Close has ended leaves its partitions without a leader
		due, wait := f.withoutLeader()
		if len(due) > 0 {
			f.lookUp(due, &outage)
			continue
		}
		timer.Reset(wait)
		select {
		case <-f.leaderless:
		case <-timer.C:
		case <-f.ctx.Done():
		}
	}
}

// withoutLeader returns the partitions that need a look-up of their leader now, or else the time to wait.
func (f *fetcher) withoutLeader() (due []*partition, wait time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	wait = time.Hour
	for _, p := range f.partitions {
		if p.leader != noLeader {
			continue
		}
		if left := p.notBefore.Sub(now); left > 0 {
			wait = min(wait, left)
			continue
		}
		due = append(due, p)
	}
	return due, wait
}

func (f *fetcher) lookUp(due []*partition, outage *conn.Outage) {
	tps := make([]broker.TopicPartition, len(due))
	for i, p := range due {
		tps[i] = p.tp
	}
	leaders, failures, err := f.cluster.Leaders(f.ctx, tps)
	if f.ctx.Err() != nil {
		return
	}
	outage.Note(err)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range due {
		if p.dropped {
			continue
		}
		if leader, ok := leaders[p.tp]; err == nil && ok {
			if f.former[leader.Topic] {
				f.fail(p, sarama.ErrUnknownTopicOrPartition) // from a broker that has not heard of the change yet
				continue
			}
			if leader.Topic != "" && p.topic != "" && leader.Topic != p.topic {
				f.former[p.topic] = true
				f.end(p, &broker.TopicReplacedError{TopicPartition: p.tp, Former: p.topic, ID: leader.Topic})
				continue
			}
			changed := p.epoch != leader.Epoch
			p.leader, p.epoch, p.topic, p.cold = leader.ID, leader.Epoch, leader.Topic, false
			if changed {
				p.doubt()
			}
			f.readerOf(leader).wake()
			continue
		}
		failure := failures[p.tp]
		if err != nil {
			failure = err
		}
		f.fail(p, failure)
	}
}

// fail sees to a partition that could not be read: it looks for the leader again after a while, or ends the partition
// if that cannot help. f.mu is held.
func (f *fetcher) fail(p *partition, err error) {
	if final := fault.Translate(err); errors.Is(final, weir.ErrUnauthorized) {
		f.end(p, fmt.Errorf("fetch %s: %w", p.tp, final))
		return
	}
	p.leader = noLeader
	p.failures++
	p.notBefore = time.Now().Add(fault.Backoff.Wait(p.failures))
	// Leaders that move are daily business, and a broker that is gone is logged once by its reader.
	if p.failures == worthLogging {
		f.report(p, fault.Translate(err), true)
	}
	if p.failures == worthLogging && !fault.IsTransport(err) {
		f.log.Warn("partition cannot be read, trying again", "topic", p.tp.Topic, "partition", p.tp.Partition, "error", err)
	}
	f.leaderless.Notify()
}

// end ends a partition with an error. f.mu is held.
func (f *fetcher) end(p *partition, err error) {
	f.give(p, fetched{err: err})
	p.leader, p.notBefore = noLeader, farFuture // until Poll has dropped it
}

// succeed notes that a partition can be read. f.mu is held.
func (f *fetcher) succeed(p *partition) {
	if p.failures >= worthLogging {
		f.log.Info("partition can be read again", "topic", p.tp.Topic, "partition", p.tp.Partition)
	}
	p.failures, p.corrupt = 0, 0
}

// isLasting reports whether another read will not cure an error in the data. f.mu is held.
func (f *fetcher) isLasting(p *partition, err error) bool {
	if errors.Is(err, wire.ErrCorrupt) {
		p.corrupt++
	}
	return p.corrupt > corruptReads
}

// corruptReads is how often a batch that is corrupt is read again: the network may be the cause, and not the broker's data.
const corruptReads = 3

// farFuture is when the leader of a partition that has ended is looked for.
var farFuture = time.Now().Add(1 << 62)

// worthLogging is how many failures in a row are logged.
const worthLogging = 5

// readerOf returns the first reader of a broker. It starts both if need be. f.mu is held.
func (f *fetcher) readerOf(leader conn.Leader) *reader {
	r := f.readers[leader.ID]
	if r == nil {
		r = newReaders(f, leader)
		f.readers[leader.ID] = r
		if f.ctx.Err() == nil {
			f.wg.Go(r.run)
			f.wg.Go(r.second.run)
		}
	}
	r.addr = leader.Addr
	return r
}
