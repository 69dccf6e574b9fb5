package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/offsets"
	"github.com/weirstreams/weir/internal/engine/refused"
)

// narrow goes back to the last checkpoint after an error that refused.Is, and makes the search for the record narrower. It returns an
// error if the search is over and the policy does not skip the record, or if no record has caused the error.
func (w *Worker) narrow(ctx context.Context, err error) error {
	n := &w.search
	if err := w.failures.letters.Refused(err); err != nil {
		return err
	}
	switch {
	case w.trace.suspect != nil:
		if failure := w.judgeFed(err); failure != nil {
			return failure
		}
	case w.seekFed(err):
	case w.schedule.Uncommitted() == 0:
		return fmt.Errorf("the cluster refuses what no input record has made (a timer, an idle input, or the restore of state): %w", refused.WithoutAbort(err))
	case w.schedule.Uncommitted() > 1:
		if n.Single() {
			return fmt.Errorf("one of %d input records has made what the cluster refuses: %w", w.schedule.Uncommitted(), refused.WithoutAbort(err))
		}
		n.Halve(w.schedule.Uncommitted())
		w.config.Logger.Warn("the cluster refuses a record; looking for the input record that has made it",
			"records", w.schedule.Uncommitted(), "error", err)
	default:
		t := w.tasks.reading(n.Last().TopicPartition)
		if t == nil {
			break // it is gone, and its next owner finds out
		}
		failure := w.blame(t, err)
		if n.SkipsLast() { // it was left out already
			return failure
		}
		again, err := w.refuse(t, failure)
		if err != nil {
			return err
		}
		if again != nil {
			if !w.config.ExactlyOnce {
				if err := w.delivery.Replace(failure); err != nil {
					return err
				}
			}
			return w.tryRecordAgain(ctx, again)
		}
	}
	if !w.config.ExactlyOnce {
		if err := w.delivery.Replace(err); err != nil {
			return err
		}
	}
	return w.goBack(ctx, fmt.Errorf("%w: %w", broker.ErrAborted, err))
}

// blame makes the error of the record that was processed last.
func (w *Worker) blame(t *task, err error) *weir.ProcessingError {
	at := w.search.Last()
	failure := &weir.ProcessingError{
		Origin: weir.Origin{Topic: at.Topic, Partition: at.Partition, Offset: at.Offset}, Node: "sink", Stage: weir.StageProduce, Err: refused.WithoutAbort(err),
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
	if s := t.stores.OfChangelog(d.Topic); s != nil {
		key, size := s.Largest()
		failure.Node, failure.Site = s.Node.String(), s.Node.Site
		failure.Err = &weir.StateError{Store: s.Name, Key: key, Size: size, Err: refused.WithoutAbort(d.Err)}
		return failure
	}
	failure.Err = &weir.ProduceError{Topic: d.Topic, Partition: d.Partition, Err: refused.WithoutAbort(d.Err)}
	for _, n := range t.part.Nodes {
		if n.Sink != nil && w.plan.Topic(n) == d.Topic {
			failure.Node, failure.Site = n.String(), n.Site
			return failure
		}
	}
	if n := w.delivery.NodeOf(d.Topic); n != nil {
		failure.Node, failure.Site = n.String(), n.Site
	}
	return failure
}

// countFailed counts the record that was being processed when something was refused: the first of records, as far as err says so.
func (w *Worker) countFailed(err error, tp broker.TopicPartition, records []broker.Record) {
	failed, ok := errors.AsType[*weir.ProcessingError](err)
	if ok && len(records) > 0 && failed.Topic == tp.Topic && failed.Offset == records[0].Offset {
		w.schedule.Processed(1)
		w.search.Processed(tp, failed.Offset)
	}
}

// searchOn makes the checkpoint that was refused, by finding the records that are to blame. It ends early when there is nothing
// to process.
func (w *Worker) searchOn(ctx context.Context, refusal error) error {
	for err := refusal; err != nil; err = w.Checkpoint(ctx) {
		if !refused.Is(err) {
			return err
		}
		if err := w.narrow(ctx, err); err != nil {
			return err
		}
		for w.search.Limit() > 0 || w.schedule.Uncommitted() > 0 || w.trace.left > 0 && w.trace.fed == 0 {
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
	w.search.Forget(func(at offsets.Place) bool {
		t := w.tasks.reading(at.TopicPartition)
		committed := t == nil || t.input.Committed[at.Topic] > at.Offset
		if committed {
			delete(w.failures.left, at)
		}
		return committed
	})
}
