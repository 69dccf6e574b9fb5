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
	"github.com/weirstreams/weir/internal/engine/reread"
	"github.com/weirstreams/weir/internal/errorpolicy"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// failures decides about the records of a worker that cannot be processed, by the policy: it skips them, writes them as dead letters, or has
// them tried again. It owns the numbers of attempts. Only the goroutine of the worker calls its methods.
type failures struct {
	policy  *errorpolicy.Policy
	logger  *slog.Logger
	letters *letters.Writer // nil if there is no topic for them
	reread  reread.Reader
	// attempts are the records that are tried again. It is empty as a rule.
	attempts map[offsets.Place]attempts
	// watched and onDropped are those of Config; onDropped is nil if nobody is told of dropped records.
	watched   func() bool
	onDropped func(task string, failure *weir.ProcessingError)
	// left are the records that are left out because the cluster refuses their output or their state, until their offsets are committed.
	left map[offsets.Place]leftOut
}

// newFailures returns the failures of a worker. uncommitted returns how many records no checkpoint covers yet.
func newFailures(config *Config, plan *graph.Plan, cluster broker.Cluster, out *outbox.Outbox, uncommitted func() int) *failures {
	f := &failures{
		policy: config.errorPolicy(plan), logger: config.Logger,
		watched: config.watched, onDropped: config.OnDropped,
		reread: reread.Reader{NewFetcher: func() (broker.Fetcher, error) { return cluster.NewFetcher(broker.FetcherConfig{}) }},
	}
	if options, some := f.policy.Letters(); some {
		f.letters = letters.New(letters.Config{
			Topic: plan.DeadLetters, Group: plan.Group, Options: options, Outbox: out, Clock: config.Clock, Uncommitted: uncommitted,
		})
	}
	return f
}

// leftOut is a record that is left out.
type leftOut struct {
	failure *weir.ProcessingError
	attempt int
	// letter says that the record is written as a dead letter in its place.
	letter bool
}

// attempts is how often a record has failed that is tried again.
type attempts struct {
	failed int
	// held is set if the offset of the record was committed when it failed: it waited in a store. last is the time of its last failure.
	held bool
	last time.Time
}

// tryAgainError says that the worker has to go back to its last checkpoint, because a record is to be tried again after a wait.
type tryAgainError struct {
	at      offsets.Place
	attempt int
	held    bool
	wait    time.Duration
	err     error
}

func (e *tryAgainError) Error() string {
	return fmt.Sprintf("attempt %d to process %s at offset %d has failed, the next comes after %v: %v", e.attempt, e.at.TopicPartition, e.at.Offset, e.wait, e.err)
}
func (e *tryAgainError) Unwrap() error { return e.err }

// isTryAgain reports whether a record is to be tried again.
func isTryAgain(err error) bool { return errors.As(err, new(*tryAgainError)) }

// judge asks the policy about a record that has failed, and does what it says. nil means that the worker goes on with the next record.
func (t *task) judge(failure *weir.ProcessingError) error {
	if ctx := t.env.Context; ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if operator.IsFatal(failure) || t.stores.Damage() != nil {
		return failure
	}
	f := t.failures
	at := offsets.Place{TopicPartition: broker.TopicPartition{Topic: failure.Topic, Partition: failure.Partition}, Offset: failure.Offset}
	attempt := f.attempts[at].failed + 1
	record := func() (*broker.Record, error) { return t.inputRecord(failure.Origin) }
	decision := f.policy.Decide(t.failedRecord(failure, attempt, record), false)
	switch decision.Action {
	case weir.Skip:
		f.logger.Error("record skipped", "error", failure)
	case weir.DeadLetter:
		r, err := record()
		if err != nil {
			return f.without(failure, at, attempt, err)
		}
		if err := t.writeLetter(r, failure, attempt); err != nil {
			return err
		}
		f.logger.Error("record written as a dead letter", "error", failure)
	case weir.TryAgain:
		if isFeed(t.part) {
			return fmt.Errorf("a record of a source outside of Kafka cannot be tried again: %w", failure)
		}
		return &tryAgainError{at: at, attempt: attempt, held: t.input.Committed[at.Topic] > at.Offset, wait: decision.Wait, err: failure}
	default:
		return failure
	}
	t.handled(at)
	return nil
}

// handled counts a record that has failed and that the worker goes on after.
func (t *task) handled(at offsets.Place) {
	t.skipped++
	delete(t.failures.attempts, at)
}

// without returns the error of a record that cannot be written as a dead letter because its bytes cannot be read.
func (f *failures) without(failure *weir.ProcessingError, at offsets.Place, attempt int, err error) error {
	if _, gone := errors.AsType[*reread.GoneError](err); gone {
		return operator.Fatal(fmt.Errorf("write a dead letter: %w (the record has failed: %v)", err, failure)) //nolint:errorlint // it is not the cause
	}
	// The cluster does not answer: the attempt does not count.
	return &tryAgainError{at: at, attempt: attempt - 1, wait: reread.Wait, err: fmt.Errorf("read the record again for a dead letter: %w (the record has failed: %v)", err, failure)} //nolint:errorlint // as above
}

// failedRecord returns a record for the policy. record returns its bytes.
func (t *task) failedRecord(failure *weir.ProcessingError, attempt int, record func() (*broker.Record, error)) *weir.FailedRecord {
	raw := func() (weir.Record[[]byte, []byte], error) {
		r, err := record()
		if err != nil {
			return weir.Record[[]byte, []byte]{}, err
		}
		origin := failure.Origin
		return weir.Record[[]byte, []byte]{
			Key: r.Key, Value: r.Value, Millis: r.Millis, Headers: r.Headers, Origin: &origin, KeyNull: r.Key == nil, ValueNull: r.Value == nil,
		}, nil
	}
	var decode func(weir.Record[[]byte, []byte]) (key, value any, err error)
	if d, ok := t.inputs[failure.Topic].(operator.Decoder); ok {
		decode = func(r weir.Record[[]byte, []byte]) (key, value any, err error) {
			return d.Decode(&broker.Record{Key: r.Key, Value: r.Value, Headers: r.Headers, Millis: r.Millis})
		}
	}
	return weir.NewFailedRecord(failure, attempt, raw, decode)
}

// note counts an attempt that has failed.
func (f *failures) note(e *tryAgainError, now time.Time) {
	if f.attempts == nil {
		f.attempts = map[offsets.Place]attempts{}
	}
	f.attempts[e.at] = attempts{failed: e.attempt, held: e.held, last: now}
}

// heldAttempts is how long the attempts of a record that waits in a store are remembered: nothing tells that it was processed.
const heldAttempts = time.Hour

// checkpointed forgets records that are processed by now, or that belong to closed tasks.
func (f *failures) checkpointed(tasks *taskSet, now time.Time) {
	for at, a := range f.attempts {
		t := tasks.reading(at.TopicPartition)
		processed := t != nil && !a.held && t.input.Committed[at.Topic] > at.Offset
		if t == nil || processed || a.held && now.Sub(a.last) > heldAttempts {
			delete(f.attempts, at)
		}
	}
}

// untilAgain returns how many of some records of a partition come before one that is tried again: it is to be the first after a checkpoint, so
// that an attempt repeats nothing else.
func (f *failures) untilAgain(tp broker.TopicPartition, records []broker.Record) int {
	for i := range records {
		if _, again := f.attempts[offsets.Place{TopicPartition: tp, Offset: records[i].Offset}]; again && i > 0 {
			return i
		}
	}
	return len(records)
}

// leaveOut passes over a record that was refused, and writes its dead letter if the policy says so.
func (t *task) leaveOut(tp broker.TopicPartition, r *broker.Record) error {
	if left := t.failures.left[offsets.Place{TopicPartition: tp, Offset: r.Offset}]; left.letter {
		failure := *left.failure
		failure.Size, failure.LeaderEpoch = len(r.Value), r.LeaderEpoch
		if err := t.writeLetter(r, &failure, left.attempt); err != nil {
			return err
		}
	}
	t.skipped++
	return nil
}

// inputRecord returns an input record of the task as it lies in its topic, valid until the end of the step.
func (t *task) inputRecord(origin weir.Origin) (*broker.Record, error) {
	if i, found := t.work.Find(origin); found {
		return &t.work.Records[i], nil
	}
	tp := broker.TopicPartition{Topic: origin.Topic, Partition: origin.Partition}
	if isFeed(t.part) {
		return nil, &reread.GoneError{TopicPartition: tp, Offset: origin.Offset, Reason: "it comes of a source outside of Kafka, and was not written to a topic yet: choose Skip or Fail for it"}
	}
	return t.failures.reread.Read(t.env.StepContext(), tp, origin.Offset)
}

// writeLetter writes the dead letter of a record of the task.
func (t *task) writeLetter(r *broker.Record, failure *weir.ProcessingError, attempt int) error {
	written, err := t.failures.letters.Write(t.name, r, failure, attempt, t.work.Before(failure.Origin))
	if written {
		t.letters++
	}
	return err
}

// drop does the action of the policy for a record that an operator leaves out without an error: the other operators get the record in any case. Only one
// letter is written for a record, an operator and a reason, however many records an input record became in front of the operator.
func (t *task) drop(d operator.DroppedRecord) error {
	action := t.failures.policy.Dropped(d.Reason)
	tell := t.failures.onDropped != nil && t.failures.watched()
	if action == weir.Skip && !tell {
		return nil
	}
	failure := t.plan.Graph.Nodes[d.Node].Failure(d.Origin, &weir.DroppedError{Reason: d.Reason, Detail: d.Detail})
	if tell {
		t.failures.onDropped(t.name, failure)
	}
	if action == weir.Skip {
		return nil
	}
	if action == weir.Fail {
		return operator.Fatal(failure.Err)
	}
	if t.outside {
		t.env.Logger.Warn("a record that no input record has made is dropped, and has no dead letter", "error", failure)
		return nil
	}
	last := droppedPlace{
		Place: offsets.Place{TopicPartition: broker.TopicPartition{Topic: d.Origin.Topic, Partition: d.Origin.Partition}, Offset: d.Origin.Offset},
		node:  d.Node, reason: d.Reason,
	}
	if t.dropped == last {
		return nil
	}
	r, err := t.inputRecord(d.Origin)
	if err != nil {
		return operator.Fatal(fmt.Errorf("write a dead letter: %w (the record is dropped: %v)", err, failure)) //nolint:errorlint // it is not the cause
	}
	if err := t.writeLetter(r, failure, 1); err != nil {
		return err
	}
	t.dropped = last
	return nil
}

// droppedPlace is a record that an operator has dropped.
type droppedPlace struct {
	offsets.Place
	node   int
	reason weir.DropReason
}
