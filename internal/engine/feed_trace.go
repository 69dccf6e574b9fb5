package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/refused"
	"github.com/weirstreams/weir/operator"
)

// feedTrace is the search for the record of a source that the cluster refuses. A refusal tells the topic of a whole batch, and comes
// when many more records were handed on. So the worker goes back to its last checkpoint, lets sources hand on batches with a checkpoint behind each, and waits
// behind each record until the cluster has it: a refusal is that of the record then, and the policy decides about it. It goes back again, and leaves a skipped
// record out.
//
// [refused.Search] is the same for input records. It makes checkpoints of fewer and fewer records, which is not possible here: a batch of a source counts as a whole.
type feedTrace struct {
	// left is how many records of sources are handed on one by one; 0 while nothing is sought.
	left int
	// fed is how many records sources have handed on since the last checkpoint.
	fed int
	// suspect is the record that was refused last, and of the task that has handed it on.
	suspect *operator.FedRecord
	of      *task
	// leftOut are the records that the policy skips, by task, until a checkpoint covers them.
	leftOut map[TaskID][]*operator.FedRecord
}

// awaitFed is called behind each record that a source hands on while a record is sought.
func (w *Worker) awaitFed(ctx context.Context, t *task, r operator.FedRecord) error {
	err := w.delivery.Flush(ctx)
	if refused.Is(err) {
		w.trace.suspect, w.trace.of = &r, t
	}
	return err
}

// seekFed makes the worker seek a record of a source, after a refusal that may be one of a source's record. It reports whether it has
// begun to seek.
func (w *Worker) seekFed(refusal error) bool {
	d, ok := errors.AsType[*broker.DeliveryError](refusal)
	if !ok || w.trace.left > 0 || w.trace.fed == 0 || !w.fedBySource(d.Topic) {
		return false
	}
	w.trace.left = w.trace.fed
	w.config.Logger.Warn("the cluster refuses a record; looking for the record of a source that it is", "records", w.trace.fed, "error", refusal)
	return true
}

// fedBySource reports whether a task of the worker writes a topic with the records of a source.
func (w *Worker) fedBySource(topic string) bool {
	for _, t := range w.tasks.byID {
		if len(t.env.Feeds) == 0 {
			continue
		}
		for _, n := range t.part.Nodes {
			if n.Sink != nil && w.plan.Topic(n) == topic {
				return true
			}
		}
	}
	return false
}

// judgeFed asks the policy about the record of a source that was refused, and notes that it is left out.
func (w *Worker) judgeFed(refusal error) error {
	r, t := w.trace.suspect, w.trace.of
	w.trace.suspect, w.trace.of = nil, nil
	failure := w.blame(t, refusal)
	failure.Origin = r.Origin
	failure.Err = fmt.Errorf("%s: %w", r.Place, failure.Err)
	record := func() (*broker.Record, error) { return t.inputRecord(failure.Origin) }
	switch decision := w.failures.policy.Decide(t.failedRecord(failure, 1, record), true); decision.Action {
	case weir.Skip:
		w.failures.logger.Error("record skipped", "error", failure)
	case weir.DeadLetter:
		_, err := record()                                                                     // the error says that there is none
		return fmt.Errorf("write a dead letter: %w (the record has failed: %v)", err, failure) //nolint:errorlint // it is not the cause
	case weir.TryAgain:
		return fmt.Errorf("a record of a source outside of Kafka cannot be tried again: %w", failure)
	default:
		return failure
	}
	t.skipped++
	if w.trace.leftOut == nil {
		w.trace.leftOut = map[TaskID][]*operator.FedRecord{}
	}
	w.trace.leftOut[t.id] = append(w.trace.leftOut[t.id], r)
	return nil
}

// wentBack notes that the worker has gone back to its last checkpoint.
func (tr *feedTrace) wentBack() {
	if tr.left > 0 {
		tr.left += tr.fed
	}
	tr.fed = 0
	for _, records := range tr.leftOut {
		for _, r := range records {
			r.Passed = false
		}
	}
}

// took counts records that were handed on.
func (tr *feedTrace) took(records int) {
	tr.fed += records
	tr.left = max(0, tr.left-records)
}

// checkpointed forgets the records that a checkpoint covers.
func (tr *feedTrace) checkpointed() {
	tr.fed = 0
	for id, records := range tr.leftOut {
		var ahead []*operator.FedRecord
		for _, r := range records {
			if !r.Passed {
				ahead = append(ahead, r)
			}
		}
		if tr.leftOut[id] = ahead; len(ahead) == 0 {
			delete(tr.leftOut, id)
		}
	}
}
