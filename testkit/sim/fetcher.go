package sim

import (
	"context"
	"slices"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
)

// fetcher holds up partitions, and notes the order of the records that a worker received: where a task has
// several inputs, the broker's logs do not tell.
type fetcher struct {
	broker.Fetcher
	world  *world
	worker *worker
	// slow are the partitions that are held up, and until when.
	slow map[broker.TopicPartition]time.Time
	// paused are the partitions that the engine has paused.
	paused map[broker.TopicPartition]bool
	// given are the records that tasks with several inputs were given, as far as the offset behind them was not committed
	// yet.
	given []given
}

// given is a record that a task was given. dropped is set when its transaction was aborted: only a commit that arrives late covers it. The
// offset behind a loss may be committed before the partition is started there.
type given struct {
	place
	dropped bool
}

// place is where an input record lies. remade counts how often its topic was made anew before.
type place struct {
	tp     broker.TopicPartition
	remade int
	offset int64
}

// Start implements [broker.Fetcher].
func (f *fetcher) Start(tp broker.TopicPartition, offset int64) {
	f.StartAfter(tp, offset, broker.NoLeaderEpoch)
}

// StartAfter implements [broker.Fetcher].
func (f *fetcher) StartAfter(tp broker.TopicPartition, offset int64, epoch int32) {
	from := offset
	if f.world.simulation.Loses { // nothing in front of a loss was processed and not committed
		from = 0
	}
	f.forget(tp, from)
	f.Fetcher.StartAfter(tp, offset, epoch)
	if !f.world.calm && f.world.random.oneIn(f.world.config.faults.slow) {
		f.slow[tp] = f.world.clock.Now().Add(f.world.random.upTo(20 * time.Second))
		f.Fetcher.Pause(tp)
	}
}

// Stop implements [broker.Fetcher].
func (f *fetcher) Stop(tp broker.TopicPartition) {
	if _, ok := f.slow[tp]; ok {
		delete(f.slow, tp)
		f.Fetcher.Resume(tp)
	}
	delete(f.paused, tp)
	f.Fetcher.Stop(tp)
}

// Pause implements [broker.Fetcher].
func (f *fetcher) Pause(tp broker.TopicPartition) {
	f.paused[tp] = true
	f.Fetcher.Pause(tp)
}

// Resume implements [broker.Fetcher].
func (f *fetcher) Resume(tp broker.TopicPartition) {
	delete(f.paused, tp)
	if _, slow := f.slow[tp]; !slow {
		f.Fetcher.Resume(tp)
	}
}

func (f *fetcher) forget(tp broker.TopicPartition, from int64) {
	f.given = slices.DeleteFunc(f.given, func(p given) bool { return p.tp == tp && p.offset >= from })
}

// Poll implements [broker.Fetcher].
func (f *fetcher) Poll(ctx context.Context, wait time.Duration) (*broker.Batch, error) {
	for _, tp := range f.world.allPartitions {
		if until, ok := f.slow[tp]; ok && (f.world.calm || !f.world.clock.Now().Before(until)) {
			delete(f.slow, tp)
			if !f.paused[tp] {
				f.Fetcher.Resume(tp)
			}
		}
	}
	return f.Fetcher.Poll(ctx, wait)
}

// note is told of the records that a task with several inputs is about to process.
func (f *fetcher) note(tp broker.TopicPartition, records []broker.Record) {
	if f.world.ordered[tp.Topic] {
		for i := range records {
			f.given = append(f.given, given{place: place{tp, f.world.losing.remade[tp.Topic], records[i].Offset}})
		}
	}
}

// noteAborts drops the records whose transaction is aborted, or ended by a new producer.
func (w *world) noteAborts(op simbroker.Op) {
	if op.Kind != simbroker.OpAbortTransaction && op.Kind != simbroker.OpInitProducer {
		return
	}
	if f := w.fetcherOf(w.current); f != nil {
		for i := range f.given {
			f.given[i].dropped = true
		}
	}
}

// noteCommits extends the order of processing of tasks with several inputs, once it is committed.
func (w *world) noteCommits(op simbroker.Op) {
	if w.trace != nil && (op.Kind == simbroker.OpCommit || op.Kind == simbroker.OpEndTransaction) {
		w.tracef("%s: %s %v", op.Kind, op.Client, w.broker.Committed(groupName))
	}
	if len(w.ordered) > 0 && (op.Kind == simbroker.OpCommit || op.Kind == simbroker.OpEndTransaction) {
		w.attributeCommits([]*routine{w.current}, false)
	}
}

// attributeCommits finds the new committed offsets, and the routine that committed them, now or by a request that has come late.
func (w *world) attributeCommits(candidates []*routine, late bool) {
	committed := w.broker.Committed(groupName)
	for _, t := range w.tasks() {
		if !w.ordered[t.topics[0]] {
			continue
		}
		from, to := map[broker.TopicPartition]int64{}, map[broker.TopicPartition]int64{}
		changed := false
		for _, topic := range t.topics {
			tp := broker.TopicPartition{Topic: topic, Partition: t.partition}
			from[tp], to[tp] = w.committed[tp], committed[tp]
			changed = changed || from[tp] != to[tp]
		}
		if !changed {
			continue
		}
		var best []place
		for _, r := range candidates {
			f := w.fetcherOf(r)
			if f == nil {
				continue
			}
			var covered []place
			f.given = slices.DeleteFunc(f.given, func(p given) bool {
				end, ok := to[p.tp]
				if ok && p.offset >= from[p.tp] && p.offset < end && (late || !p.dropped || !w.simulation.Loses) {
					covered = append(covered, p.place)
				}
				return ok && p.offset < end
			})
			if len(covered) > len(best) {
				best = covered
			}
		}
		w.order[t.dir] = append(w.order[t.dir], best...)
	}
	w.committed = committed
}

func (w *world) fetcherOf(r *routine) *fetcher {
	for _, worker := range r.process.workers {
		if worker.routine == r {
			return worker.fetcher
		}
	}
	return nil
}
