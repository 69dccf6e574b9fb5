package engine

import (
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/engine/gate"
)

// batchInWork is a batch of a task's input that is being processed, a few records at a time: checkpoints and the jobs of a
// rebalance come between two steps, and do not wait for the rest of the batch.
type batchInWork struct {
	batch *broker.Batch // nil if there is none
	task  *task
	from  int // the first record that was not processed
}

// processing runs fetched records through the tasks, a few at a time, and counts them in the agenda. It owns the batch in work, and gives
// its memory back. Only the goroutine of the worker calls its methods.
//
// It promises that a record counts in the agenda before a checkpoint can cover it, and that no more are processed at a time than the agenda has
// room for.
type processing struct {
	agenda   *agenda
	observer observer
	status   *statusBoard
	clock    clock.Clock
	onMerge  func(broker.TopicPartition, []broker.Record) // may be nil
	current  batchInWork
}

// begin takes a batch of the input of a task. There is none in work.
func (p *processing) begin(batch *broker.Batch, t *task) {
	p.current = batchInWork{batch: batch, task: t}
}

// some processes some records of the batch in work, and reports whether that has ended it.
func (p *processing) some() (ended bool, err error) {
	h := &p.current
	p.status.working.Store(true)
	defer p.status.working.Store(false)
	began := p.clock.Now()
	p.agenda.limitDirty(h.task)
	done, err := h.task.process(h.batch, h.from, p.agenda.room())
	h.from += done
	p.agenda.schedule.Took(done)
	p.agenda.processed(h.batch.TopicPartition, h.batch.Records[:h.from], done)
	if err != nil && !gate.IsPressure(err) {
		p.agenda.failed(err, h.batch.TopicPartition, h.batch.Records[h.from:])
		return false, err
	}
	p.adjust(done, began)
	if h.from < len(h.batch.Records) {
		return false, err
	}
	p.drop()
	return true, err
}

// adjust notes how long the processing of some records has taken.
func (p *processing) adjust(records int, began time.Time) {
	took := p.clock.Now().Sub(began)
	p.agenda.schedule.Adjust(records, took)
	p.status.busy.Add(int64(took))
}

// drop gives the memory of the batch in work back, processed or not.
func (p *processing) drop() {
	if p.current.batch != nil {
		p.current.batch.Release()
	}
	p.current = batchInWork{}
}

// merge processes records of a task with several inputs, until it is not known which is next, and returns their number. polls is how often
// the fetcher was asked.
func (p *processing) merge(t *task, polls int) (processed int, err error) {
	began := p.clock.Now()
	processed, err = p.mergeSome(t, p.agenda.room(), polls)
	p.agenda.schedule.Took(processed)
	if err == nil && processed > 0 {
		p.adjust(processed, began)
		t.aligned.Moved()
	}
	return processed, err
}

func (p *processing) mergeSome(t *task, limit, polls int) (processed int, err error) {
	p.agenda.limitDirty(t)
	for processed < limit && !t.stores.Over() && !p.observer.halts() {
		in, until := t.aligned.Choose(false)
		if in == nil || !p.agenda.takes(t, in.Topic) {
			break
		}
		records := in.Run(until, limit-processed)
		t.flying = in.Topic
		n, failure := t.processRecords(in.Operator, in.Topic, records)
		if p.onMerge != nil {
			p.onMerge(in.TopicPartition, records[:n])
		}
		processed += n
		p.agenda.processed(in.TopicPartition, records[:n], n)
		if failure != nil && !gate.IsPressure(failure) {
			p.agenda.failed(failure, in.TopicPartition, records[n:])
			return processed, failure
		}
		t.input.Next[in.Topic] = t.aligned.Done(in, n, polls)
		if failure != nil {
			return processed, failure
		}
		if n < len(records) {
			break // enough for now
		}
	}
	return processed, nil
}
