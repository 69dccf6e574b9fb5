package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// narrowing is the search for the input record that has made a record, or a state, that the cluster refuses. A refusal tells the topic
// of a whole batch, and comes when many more input records were processed. So the worker goes back to its last checkpoint and makes
// the next one after half as many records, again and again, until one record is left: the error is that of this record, and the
// policy decides about it. A record that is skipped is left out when the work is done again. After each checkpoint that succeeds
// the next may have twice as many records.
type narrowing struct {
	// limit is the number of records of the next checkpoint; 0 while nothing is sought. usual is the number that was refused
	// first: the search ends when as many are taken.
	limit, usual int
	// last is the input record that was processed last since the last checkpoint.
	last place
	// skips are the records that the policy skips, until their offsets are committed.
	skips map[place]bool
}

// searching reports whether records are processed one by one, so that each has a checkpoint of its own.
func (n *narrowing) searching() bool { return n.limit == 1 }

// accepted notes a checkpoint of records.
func (n *narrowing) accepted() {
	if n.limit > 0 {
		if n.limit *= 2; n.limit >= n.usual {
			n.limit, n.usual = 0, 0
		}
	}
}

// next returns how many of the records of a partition come before one that is skipped, or true if the first is skipped.
func (n *narrowing) next(tp broker.TopicPartition, records []broker.Record) (before int, skip bool) {
	for i := range records {
		if n.skips[place{tp, records[i].Offset}] {
			return i, i == 0
		}
	}
	return len(records), false
}

// isRefused reports whether the cluster does not take something, now or ever.
func isRefused(err error) bool {
	if _, ok := errors.AsType[*weir.StateError](err); ok {
		return true
	}
	d, ok := errors.AsType[*broker.DeliveryError](err)
	return ok && errors.Is(d, broker.ErrRefused)
}

// narrow goes back to the last checkpoint after an error that isRefused, and makes the search for the record narrower. It returns an
// error if the search is over and the policy does not skip the record, or if no record has caused the error.
func (w *Worker) narrow(ctx context.Context, err error) error {
	n := &w.narrowing
	switch {
	case w.uncommitted == 0:
		return fmt.Errorf("the cluster refuses what no input record has made (a source outside of Kafka, a timer, an idle input, or the restore of state): %w", withoutAbort(err))
	case w.uncommitted > 1:
		if n.limit == 1 {
			return fmt.Errorf("one of %d input records has made what the cluster refuses: %w", w.uncommitted, withoutAbort(err))
		}
		n.usual = max(n.usual, w.uncommitted)
		n.limit = w.uncommitted / 2
		w.config.Logger.Warn("the cluster refuses a record; looking for the input record that has made it",
			"records", w.uncommitted, "error", err)
	default:
		t := w.taskOf(n.last.TopicPartition)
		if t == nil {
			break // it is gone, and its next owner finds out
		}
		failure := w.blame(t, err)
		if n.skips[n.last] { // it was left out already
			return failure
		}
		if w.config.decide(failure) != Skip {
			return failure
		}
		if n.skips == nil {
			n.skips = map[place]bool{}
		}
		n.skips[n.last] = true
		n.limit, n.usual = 1, max(n.usual, 1)
	}
	if !w.config.ExactlyOnce {
		if failed := w.replaceProducer(); failed != nil {
			return fmt.Errorf("%w (after: %w)", failed, err)
		}
	}
	return w.goBack(ctx, fmt.Errorf("%w: %w", broker.ErrAborted, err))
}

// blame makes the error of the record that was processed last.
func (w *Worker) blame(t *task, err error) *weir.ProcessingError {
	at := w.narrowing.last
	failure := &weir.ProcessingError{
		Origin: weir.Origin{Topic: at.Topic, Partition: at.Partition, Offset: at.offset}, Node: "sink", Err: withoutAbort(err),
	}
	if state, ok := errors.AsType[*weir.StateError](err); ok {
		failure.Err = state
		for _, s := range t.part.Stores {
			if s.Name == state.Store {
				failure.Node, failure.Site = s.Node.String(), s.Node.Site
			}
		}
		return failure
	}
	d, _ := errors.AsType[*broker.DeliveryError](err)
	for i := range t.stores {
		if s := &t.stores[i]; s.Changelog == d.Topic {
			failure.Node, failure.Site = s.Node.String(), s.Node.Site
			failure.Err = &weir.StateError{Store: s.Name, Key: bytes.Clone(s.largestKey), Size: s.largest, Err: withoutAbort(d.Err)}
			return failure
		}
	}
	failure.Err = &weir.ProduceError{Topic: d.Topic, Partition: d.Partition, Err: withoutAbort(d.Err)}
	for _, n := range t.part.Nodes {
		if n.Sink != nil && w.plan.Topic(n) == d.Topic {
			failure.Node, failure.Site = n.String(), n.Site
			return failure
		}
	}
	if n := w.outbox.NodeOf(d.Topic); n != nil {
		failure.Node, failure.Site = n.String(), n.Site
	}
	return failure
}

// withoutAbort returns the part of a refusal that does not say that a transaction has to be aborted, which is over by then.
func withoutAbort(err error) error {
	for errors.Is(err, broker.ErrAborted) {
		inner := err
		switch wrapped := err.(type) { //nolint:errorlint // it takes the chain apart
		case interface{ Unwrap() []error }:
			for _, e := range wrapped.Unwrap() {
				if errors.Is(e, broker.ErrRefused) {
					inner = e
				}
			}
		case interface{ Unwrap() error }:
			inner = wrapped.Unwrap()
		}
		if inner == err { //nolint:errorlint // the same value
			break
		}
		err = inner
	}
	return err
}

// countFailed counts the record that was being processed when something was refused: the first of records, as far as err says so.
func (w *Worker) countFailed(err error, tp broker.TopicPartition, records []broker.Record) {
	failed, ok := errors.AsType[*weir.ProcessingError](err)
	if ok && len(records) > 0 && failed.Topic == tp.Topic && failed.Offset == records[0].Offset {
		w.uncommitted++
		w.narrowing.last = place{tp, failed.Offset}
	}
}

// searchOn makes the checkpoint that was refused, by finding the records that are to blame. It ends early when there is nothing
// to process.
func (w *Worker) searchOn(ctx context.Context, refused error) error {
	for err := refused; err != nil; err = w.Checkpoint(ctx) {
		if !isRefused(err) {
			return err
		}
		if err := w.narrow(ctx, err); err != nil {
			return err
		}
		for w.narrowing.limit > 0 || w.uncommitted > 0 {
			worked, err := w.Step(ctx, searchWait)
			if err != nil {
				return err
			}
			if !worked {
				break
			}
		}
	}
	return nil
}

// searchWait is how long a search waits for the records that it goes back to.
const searchWait = time.Second

// forgetSkips forgets records with committed offsets.
func (w *Worker) forgetSkips() {
	for at := range w.narrowing.skips {
		if t := w.taskOf(at.TopicPartition); t == nil || t.committed[at.Topic] > at.offset {
			delete(w.narrowing.skips, at)
		}
	}
}
