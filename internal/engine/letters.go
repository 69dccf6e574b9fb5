package engine

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/engine/outbox"
	"github.com/weirstreams/weir/internal/engine/refused"
	"github.com/weirstreams/weir/internal/errorpolicy"
	"github.com/weirstreams/weir/internal/letter"
	"github.com/weirstreams/weir/operator"
)

// letterWriter writes dead letters through the outbox of the worker: exactly once, they are part of the transaction of the checkpoint.
type letterWriter struct {
	topic   string
	outbox  *outbox.Outbox
	sender  letter.Sender
	clock   clock.Clock
	breaker errorpolicy.Breaker
	// uncommitted returns how many records the worker has processed since the last checkpoint.
	uncommitted func() int
	// last is the error of the last letter.
	last *weir.ProcessingError
}

// errNoLetters says that the policy has no topic of dead letters.
var errNoLetters = errors.New("a Decide function has returned DeadLetter, and the policy has no topic of dead letters: set ErrorPolicy.DeadLetters.Topic, so that the topic " +
	"is made at the start")

// newLetterWriter returns the writer of a worker's letters, or nil if the policy has no topic of dead letters.
func newLetterWriter(w *Worker) *letterWriter {
	options, some := w.failures.policy.Letters()
	if !some {
		return nil
	}
	return &letterWriter{
		topic: w.plan.DeadLetters, outbox: w.outbox, sender: letter.Sender{Group: w.plan.Group, Spring: options.SpringHeaders}, clock: w.config.Clock,
		breaker:     errorpolicy.Breaker{MaxShare: cmp.Or(options.MaxShare, errorpolicy.DefaultMaxShare)},
		uncommitted: func() int { return w.schedule.Uncommitted() },
	}
}

// write writes the letter of a record of a task. An error of it ends Run: no policy can decide about it.
func (l *letterWriter) write(t *task, r *broker.Record, failure *weir.ProcessingError, attempt int) error {
	if l == nil {
		return operator.Fatal(fmt.Errorf("%w (the record has failed: %v)", errNoLetters, failure)) //nolint:errorlint // it is not the cause
	}
	sender := l.sender
	sender.Task = t.name
	if err := l.append(sender.New(r, failure, attempt, l.clock.Now()), failure.Partition); err != nil {
		return operator.Fatal(fmt.Errorf("write a dead letter to %s: %w (the record has failed: %v)", l.topic, err, failure)) //nolint:errorlint // as above
	}
	t.letters++
	l.last = failure
	if l.breaker.Letter(l.uncommitted() + t.work.before(failure.Origin)) {
		return operator.Fatal(l.tooMany())
	}
	return nil
}

// tooMany returns the error of a share of letters that is too great.
func (l *letterWriter) tooMany() error {
	return fmt.Errorf("%w: %v records have become dead letters, which is more than ErrorPolicy.DeadLetters.MaxShare allows; mend the cause, and start again. The last error is: %s",
		weir.ErrTooManyLetters, &l.breaker, l.last.Error())
}

// check returns an error if too great a share of the records of a checkpoint have become letters. It is called when none of them is committed.
func (l *letterWriter) check() error {
	if l != nil && l.breaker.Closes(l.uncommitted()) {
		return l.tooMany()
	}
	return nil
}

// committed is called after a checkpoint, and rewound when the worker goes back to the last one.
func (l *letterWriter) committed() {
	if l != nil {
		l.breaker.Checkpoint(l.uncommitted())
	}
}

func (l *letterWriter) rewound() {
	if l != nil {
		l.breaker.Rewind()
	}
}

// append appends a letter, without its stack if it is too large with it.
func (l *letterWriter) append(r broker.Record, origin int32) error {
	topic, err := l.outbox.Topic(l.topic)
	if err != nil {
		return err
	}
	partition := letter.PartitionOf(r.Key, origin, topic.Partitions())
	err = topic.Append(partition, &r)
	if _, refused := errors.AsType[*weir.ProduceError](err); refused {
		short := letter.WithoutStack(r)
		err = topic.Append(partition, &short)
	}
	return err
}

// refused returns the error of a refusal of the cluster if it is about a letter: no input record that is skipped would help.
func (l *letterWriter) refused(err error) error {
	if l == nil {
		return nil
	}
	if d, ok := errors.AsType[*broker.DeliveryError](err); ok && d.Topic == l.topic {
		return fmt.Errorf("write a dead letter to %s: %w", l.topic, refused.WithoutAbort(d.Err))
	}
	return nil
}
