package sinks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/sink"
)

// Flush is the part of one task in the flush of a checkpoint.
type Flush struct {
	Task *Task
	// Epoch is that of the task, Positions the input that the checkpoint covers.
	Epoch     string
	Positions []sink.Position
	// Judge asks the error policy about a record that the target of a sink refuses, on the goroutine of the worker. It returns nil if the
	// policy skips the record.
	Judge func(*weir.ProcessingError) error
}

// Flush flushes the sinks of tasks: of each task in the order of their declaration, and several tasks at once. A flushed sink does not
// write again if another one fails. Records that a target refuses go to the error policy.
func (c *Committer) Flush(ctx context.Context, tasks []Flush) error {
	left := slices.DeleteFunc(slices.Clone(tasks), func(f Flush) bool { return !f.Task.Any() })
	if len(left) == 0 {
		return nil
	}
	c.checkpointID++
	for len(left) > 0 {
		errs := concurrently(c, left, func(f Flush) error { return c.flush(ctx, f) })
		var again []Flush
		for i, f := range left {
			if errs[i] == nil {
				continue
			}
			refused, ok := errors.AsType[*refusedRecords](errs[i])
			if !ok {
				return fmt.Errorf("task %s: %w", f.Task.name, errs[i])
			}
			if err := f.judge(refused); err != nil {
				return fmt.Errorf("task %s: %w", f.Task.name, err)
			}
			again = append(again, f)
		}
		left = again
	}
	return nil
}

// concurrently calls a function for each of some tasks, on goroutines of their own if there are several.
func concurrently[T any](c *Committer, tasks []T, f func(T) error) []error {
	errs := make([]error, len(tasks))
	if len(tasks) == 1 || c.config.Sequential {
		for i, t := range tasks {
			if errs[i] = f(t); errs[i] != nil && !errors.As(errs[i], new(*refusedRecords)) {
				break // the error counts, and the tasks after it do nothing
			}
		}
		return errs
	}
	slots := make(chan struct{}, maxCalls)
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

// flush flushes the sinks of one task.
func (c *Committer) flush(ctx context.Context, f Flush) error {
	checkpoint := sink.Checkpoint{ID: c.checkpointID, Epoch: f.Epoch, Positions: f.Positions}
	t := f.Task
	if t.broken != nil {
		return t.broken
	}
	for i := range t.env.Drains {
		d := &t.env.Drains[i]
		doing := "flush"
		if d.Phases != nil {
			doing = "prepare"
		}
		began := c.config.Clock.Now()
		within, end := ctx, func(error) {}
		if t.env.Trace != nil {
			within, end = t.env.Trace.Flush(ctx, d.Node, t.graph.Nodes[d.Node].Detail)
		}
		err := t.call(d.Node, doing, func() error { return d.Flush(within, checkpoint) })
		end(err)
		if report := c.config.OnFlush; report != nil {
			report(t.graph.Nodes[d.Node].Detail, c.config.Clock.Now().Sub(began), err)
		}
		if refused, ok := errors.AsType[sink.RecordErrors](err); ok && len(refused) > 0 {
			return &refusedRecords{node: d.Node, records: refused, err: err}
		}
		if err != nil {
			return err
		}
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

// judge asks the error policy about refused records, and returns nil if it skips all of them.
func (f Flush) judge(refused *refusedRecords) error {
	n := f.Task.graph.Nodes[refused.node]
	records, err := oneErrorEach(refused.records)
	if err != nil {
		return graph.ExternalError(n, "flush", err)
	}
	for i := range records {
		r := &records[i]
		if err := f.Judge(n.Failure(r.Origin, fmt.Errorf("the target of the sink refuses the record: %w", r.Err))); err != nil {
			return err
		}
	}
	return nil
}

// errNoReason is the error of a refused record that comes without one.
var errNoReason = errors.New("it gives no reason")

// oneErrorEach returns the errors of records with one for each record, as the policy is asked about a record once.
func oneErrorEach(refused sink.RecordErrors) (records sink.RecordErrors, err error) {
	type place struct {
		index  int
		origin weir.Origin
	}
	at := make(map[place]int, len(refused))
	for _, r := range refused {
		if r.Origin == (weir.Origin{}) {
			return nil, fmt.Errorf("sink.RecordErrors without the Origin of record %d of the batch, which the writer has to set: %w", r.Index, r.Err)
		}
		if r.Err == nil {
			r.Err = errNoReason
		}
		i, again := at[place{r.Index, r.Origin}]
		if again {
			records[i].Err = errors.Join(records[i].Err, r.Err)
			continue
		}
		at[place{r.Index, r.Origin}] = len(records)
		records = append(records, r)
	}
	return records, nil
}
