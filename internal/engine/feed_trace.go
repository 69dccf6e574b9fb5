package engine

import (
	"errors"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
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

// seekFed makes the worker seek a record of a source, after a refusal that may be one of a source's record. It reports whether it has
// begun to seek.
func (r *refusals) seekFed(refusal error) bool {
	d, ok := errors.AsType[*broker.DeliveryError](refusal)
	if !ok || r.trace.left > 0 || r.trace.fed == 0 || !r.tasks.fedBySource(d.Topic) {
		return false
	}
	r.trace.left = r.trace.fed
	r.logger.Warn("the cluster refuses a record; looking for the record of a source that it is", "records", r.trace.fed, "error", refusal)
	return true
}

// judgeFed asks the policy about the record of a source that was refused, and notes that it is left out.
func (r *refusals) judgeFed(refusal error) error {
	fed, t := r.trace.suspect, r.trace.of
	r.trace.suspect, r.trace.of = nil, nil
	failure := r.blame(t, refusal)
	failure.Origin = fed.Origin
	failure.Err = fmt.Errorf("%s: %w", fed.Place, failure.Err)
	record := func() (*broker.Record, error) { return t.inputRecord(failure.Origin) }
	switch decision := r.failures.policy.Decide(t.failedRecord(failure, 1, record), true); decision.Action {
	case weir.Skip:
		r.failures.logger.Error("record skipped", "error", failure)
	case weir.DeadLetter:
		_, err := record()                                                                     // the error says that there is none
		return fmt.Errorf("write a dead letter: %w (the record has failed: %v)", err, failure) //nolint:errorlint // it is not the cause
	case weir.TryAgain:
		return fmt.Errorf("a record of a source outside of Kafka cannot be tried again: %w", failure)
	default:
		return failure
	}
	t.skipped++
	if r.trace.leftOut == nil {
		r.trace.leftOut = map[TaskID][]*operator.FedRecord{}
	}
	r.trace.leftOut[t.id] = append(r.trace.leftOut[t.id], fed)
	return nil
}

// suspects notes the record of a task's source that was refused.
func (tr *feedTrace) suspects(t *task, fed operator.FedRecord) { tr.suspect, tr.of = &fed, t }

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
