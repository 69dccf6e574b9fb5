package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/letters"
	"github.com/weirstreams/weir/internal/engine/offsets"
	"github.com/weirstreams/weir/internal/engine/outbox"
	"github.com/weirstreams/weir/internal/engine/refused"
	"github.com/weirstreams/weir/internal/engine/schedule"
)

// refusals finds the record whose output or state the cluster refuses, and asks the policy about it. It owns the two searches, one among
// input records and one among those of sources. It does not go back to the last checkpoint: the worker does, between two calls of narrow. Only
// the goroutine of the worker calls its methods.
//
// It promises that each refusal makes the search narrower or ends it, and that a record which is left out stays so until its offset is committed.
type refusals struct {
	search   refused.Search
	trace    feedTrace
	failures *failures
	outbox   *outbox.Outbox
	tasks    *taskSet
	schedule *schedule.Schedule
	logger   *slog.Logger
}

// narrow makes the search for the record narrower after an error that refused.Is. again is not nil if the record is found, and to be
// tried again in spite of the refusal. It returns an error if the search is over and the policy does not skip the record, or if no record has
// caused the refusal.
func (r *refusals) narrow(refusal error) (again *tryAgainError, err error) {
	if err := r.failures.letters.Refused(refusal); err != nil {
		return nil, err
	}
	uncommitted := r.schedule.Uncommitted()
	switch {
	case r.trace.suspect != nil:
		return nil, r.judgeFed(refusal)
	case r.seekFed(refusal):
	case uncommitted == 0:
		return nil, fmt.Errorf("the cluster refuses what no input record has made (a timer, an idle input, or the restore of state): %w", refused.WithoutAbort(refusal))
	case uncommitted > 1:
		if r.search.Single() {
			return nil, fmt.Errorf("one of %d input records has made what the cluster refuses: %w", uncommitted, refused.WithoutAbort(refusal))
		}
		r.search.Halve(uncommitted)
		r.logger.Warn("the cluster refuses a record; looking for the input record that has made it", "records", uncommitted, "error", refusal)
	default:
		t := r.tasks.reading(r.search.Last().TopicPartition)
		if t == nil {
			break // it is gone, and its next owner finds out
		}
		failure := r.blame(t, refusal)
		if r.search.SkipsLast() { // it was left out already
			return nil, failure
		}
		return r.refuse(t, failure)
	}
	return nil, nil
}

// seeks reports whether records are to be processed again that a search goes back to.
func (r *refusals) seeks() bool {
	return r.search.Limit() > 0 || r.schedule.Uncommitted() > 0 || r.trace.left > 0 && r.trace.fed == 0
}

// idle reports whether nothing is sought, left out, tried again or written as a dead letter, so that a checkpoint changes nothing here.
func (r *refusals) idle() bool {
	f := r.failures
	return r.search.Limit() == 0 && !r.search.Skipping() && r.trace.left == 0 && r.trace.suspect == nil &&
		len(f.attempts) == 0 && len(f.left) == 0 && f.letters.Idle()
}

// accepted notes that the cluster has accepted a checkpoint, before the schedule notes it.
func (r *refusals) accepted() {
	if r.schedule.Uncommitted() > 0 { // else it was of what no record has caused
		r.search.Accepted()
	}
}

// blame makes the error of the record that was processed last.
func (r *refusals) blame(t *task, err error) *weir.ProcessingError {
	at := r.search.Last()
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
		failure.Err = &weir.StateError{Store: s.Name, Key: key, KeyText: s.ShowKey(key), Size: size, Err: refused.WithoutAbort(d.Err)}
		return failure
	}
	failure.Err = &weir.ProduceError{Topic: d.Topic, Partition: d.Partition, Err: refused.WithoutAbort(d.Err)}
	for _, n := range t.part.Nodes {
		if n.Sink != nil && t.plan.Topic(n) == d.Topic {
			failure.Node, failure.Site = n.String(), n.Site
			return failure
		}
	}
	if n := r.outbox.NodeOf(d.Topic); n != nil {
		failure.Node, failure.Site = n.String(), n.Site
	}
	return failure
}

// refuse asks the policy about the record whose output or state the cluster refuses, the one that was processed last, and leaves it out when
// the work is done again. again is not nil if it is to be tried again in spite of the refusal.
func (r *refusals) refuse(t *task, failure *weir.ProcessingError) (again *tryAgainError, err error) {
	f, at := r.failures, r.search.Last()
	attempt := f.attempts[at].failed + 1
	decision := f.policy.Decide(t.failedRecord(failure, attempt, func() (*broker.Record, error) { return t.inputRecord(failure.Origin) }), true)
	switch decision.Action {
	case weir.Skip:
		f.logger.Error("record skipped", "error", failure)
	case weir.DeadLetter:
		if f.letters == nil {
			return nil, fmt.Errorf("%w (the record has failed: %v)", letters.ErrNoTopic, failure) //nolint:errorlint // it is not the cause
		}
		f.logger.Error("record written as a dead letter", "error", failure)
	case weir.TryAgain:
		return &tryAgainError{at: at, attempt: attempt, wait: decision.Wait, err: failure}, nil
	default:
		return nil, failure
	}
	if f.left == nil {
		f.left = map[offsets.Place]leftOut{}
	}
	f.left[at] = leftOut{failure: failure, attempt: attempt, letter: decision.Action == weir.DeadLetter}
	delete(f.attempts, at)
	r.search.SkipLast()
	return nil, nil
}

// checkpointed forgets records with committed offsets.
func (r *refusals) checkpointed() {
	r.trace.checkpointed()
	r.search.Forget(func(at offsets.Place) bool {
		t := r.tasks.reading(at.TopicPartition)
		committed := t == nil || t.input.Committed[at.Topic] > at.Offset
		if committed {
			delete(r.failures.left, at)
		}
		return committed
	})
}

// narrow makes the search for a refused record narrower, and goes back to the last checkpoint. It returns an error as that of refusals does.
func (w *Worker) narrow(ctx context.Context, refusal error) error {
	again, err := w.refusals.narrow(refusal)
	if err != nil {
		return err
	}
	cause := refusal
	if again != nil {
		cause = again.err
	}
	if !w.config.ExactlyOnce {
		if err := w.delivery.Replace(cause); err != nil {
			return err
		}
	}
	if again != nil {
		return w.tryRecordAgain(ctx, again)
	}
	return w.goBack(ctx, fmt.Errorf("%w: %w", broker.ErrAborted, refusal))
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
		for w.refusals.seeks() {
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
