package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/sink"
)

// maxFlushes is how many tasks of a worker flush their sinks, or commit prepared work, at once.
const maxFlushes = 32

// drain flushes the sinks of tasks: of each task in the order of their declaration, and several tasks at once. A flushed sink does not
// write again if another one fails. Records that a target refuses go to the error policy, on the worker's goroutine.
func (w *Worker) drain(ctx context.Context, tasks []*task) error {
	var left []*task
	for _, t := range tasks {
		if len(t.env.Drains) > 0 && t.state == running { // the sinks of others have nothing
			left = append(left, t)
		}
	}
	if len(left) == 0 {
		return nil
	}
	w.checkpointID++
	for len(left) > 0 {
		errs := w.concurrently(left, func(t *task) error { return t.flushDrains(ctx, w.checkpointID) })
		var again []*task
		for i, t := range left {
			if errs[i] == nil {
				continue
			}
			refused, ok := errors.AsType[*refusedRecords](errs[i])
			if !ok {
				return fmt.Errorf("checkpoint: task %s: %w", t.name, errs[i])
			}
			if err := t.judgeRefused(refused, w.onError); err != nil {
				return fmt.Errorf("checkpoint: task %s: %w", t.name, err)
			}
			again = append(again, t)
		}
		left = again
	}
	return nil
}

// concurrently calls f for each of some tasks, on goroutines of their own if there are several.
func (w *Worker) concurrently(tasks []*task, f func(*task) error) []error {
	errs := make([]error, len(tasks))
	if len(tasks) == 1 || w.config.Sequential {
		for i, t := range tasks {
			if errs[i] = f(t); errs[i] != nil && !errors.As(errs[i], new(*refusedRecords)) {
				break // the error counts, and the tasks after it do nothing
			}
		}
		return errs
	}
	slots := make(chan struct{}, maxFlushes)
	var wait sync.WaitGroup
	for i, t := range tasks {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			errs[i] = f(t)
		})
	}
	wait.Wait()
	return errs
}

// flushDrains flushes the sinks of a task for a checkpoint.
func (t *task) flushDrains(ctx context.Context, id int64) error {
	c := sink.Checkpoint{ID: id, Epoch: t.sinkEpoch(), Positions: t.coveredPositions()}
	for i := range t.env.Drains {
		d := &t.env.Drains[i]
		doing := "flush"
		if d.Phases != nil {
			doing = "prepare"
		}
		err := t.callSink(d.Node, doing, func() error { return d.Flush(ctx, c) })
		if refused, ok := errors.AsType[sink.RecordErrors](err); ok && len(refused) > 0 {
			return &refusedRecords{node: d.Node, records: refused, err: err}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// coveredPositions returns the input that the next checkpoint covers.
func (t *task) coveredPositions() (positions []sink.Position) {
	for _, tp := range t.inputPartitions() {
		to, known := t.positions[tp.Topic]
		if !known {
			continue
		}
		from, committed := t.committed[tp.Topic]
		if !committed || from > to { // the topic was made anew
			from = to
		}
		positions = append(positions, sink.Position{Topic: tp.Topic, Partition: tp.Partition, From: from, To: to})
	}
	return positions
}

// callSink calls a method of a sink, or of its writer, and says in its error at which sink that was.
func (t *task) callSink(node int, doing string, call func() error) (failure error) {
	n := t.plan.Graph.Nodes[node]
	defer func() {
		if p := recover(); p != nil {
			failure = graph.ExternalError(n, doing, fmt.Errorf("panic: %v", p))
		}
	}()
	if err := call(); err != nil {
		if e, ok := errors.AsType[*weir.RetryLaterError](err); ok {
			err = &operator.UnsettledError{RetryLaterError: weir.RetryLaterError{RetryAfter: e.RetryAfter, Err: err}}
		}
		return graph.ExternalError(n, doing, err)
	}
	return nil
}

// refusedRecords says that the target of a sink has refused some records and taken the others.
type refusedRecords struct {
	node    int
	records sink.RecordErrors
	err     error
}

func (e *refusedRecords) Error() string { return e.err.Error() }
func (e *refusedRecords) Unwrap() error { return e.err }

// judgeRefused asks the error policy about refused records, and returns nil if it skips all of them.
func (t *task) judgeRefused(refused *refusedRecords, onError func(*weir.ProcessingError) Action) error {
	n := t.plan.Graph.Nodes[refused.node]
	for i := range refused.records {
		r := &refused.records[i]
		failure := &weir.ProcessingError{Origin: r.Origin, Node: n.String(), Site: n.Site, Err: fmt.Errorf("the target of the sink refuses the record: %w", r.Err)}
		if err := t.judge(failure, onError); err != nil {
			return err
		}
	}
	return nil
}
