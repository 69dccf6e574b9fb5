// Package letters writes the dead letters of a worker.
package letters

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

// Writer writes dead letters through the outbox of the worker: exactly once, they are part of the transaction of the checkpoint. A nil Writer has no topic. Only the
// goroutine of the worker calls its methods.
type Writer struct {
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

// ErrNoTopic says that the policy has no topic of dead letters.
var ErrNoTopic = errors.New("a Decide function has returned DeadLetter, and the policy has no topic of dead letters: set ErrorPolicy.DeadLetters.Topic, so that the topic " +
	"is made at the start")

// Config configures a Writer. All fields must be set.
type Config struct {
	// Topic is the topic of the letters, Group the consumer group.
	Topic, Group string
	Options      weir.DeadLetterOptions
	Outbox       *outbox.Outbox
	Clock        clock.Clock
	// Uncommitted returns how many records the worker has processed since the last checkpoint.
	Uncommitted func() int
}

// New returns a writer.
func New(config Config) *Writer {
	return &Writer{
		topic: config.Topic, outbox: config.Outbox, sender: letter.Sender{Group: config.Group, Spring: config.Options.SpringHeaders}, clock: config.Clock,
		breaker:     errorpolicy.Breaker{MaxShare: cmp.Or(config.Options.MaxShare, errorpolicy.DefaultMaxShare)},
		uncommitted: config.Uncommitted,
	}
}

// Write writes the letter of a record of a task. before is how many records of the running batch were processed when it failed. An error of
// it ends Run: no policy can decide about it.
func (l *Writer) Write(task string, r *broker.Record, failure *weir.ProcessingError, attempt, before int) (written bool, err error) {
	if l == nil {
		return false, operator.Fatal(fmt.Errorf("%w (the record has failed: %v)", ErrNoTopic, failure)) //nolint:errorlint // it is not the cause
	}
	sender := l.sender
	sender.Task = task
	if err := l.append(sender.New(r, failure, attempt, l.clock.Now()), failure.Partition); err != nil {
		return false, operator.Fatal(fmt.Errorf("write a dead letter to %s: %w (the record has failed: %v)", l.topic, err, failure)) //nolint:errorlint // as above
	}
	l.last = failure
	if l.breaker.Letter(l.uncommitted() + before) {
		return true, operator.Fatal(l.tooMany())
	}
	return true, nil
}

// tooMany returns the error of a share of letters that is too great.
func (l *Writer) tooMany() error {
	return fmt.Errorf("%w: %v records have become dead letters, which is more than ErrorPolicy.DeadLetters.MaxShare allows; mend the cause, and start again. The last error is: %s",
		weir.ErrTooManyLetters, &l.breaker, l.last.Error())
}

// Check returns an error if too great a share of the records of a checkpoint have become letters. It is called when none of them is committed.
func (l *Writer) Check() error {
	if l != nil && l.breaker.Closes(l.uncommitted()) {
		return l.tooMany()
	}
	return nil
}

// Idle reports whether no letter counts for the share of the next checkpoint.
func (l *Writer) Idle() bool { return l == nil || l.breaker.Idle() }

// Committed is called after a checkpoint.
func (l *Writer) Committed() {
	if l != nil {
		l.breaker.Checkpoint(l.uncommitted())
	}
}

// Rewound is called when the worker goes back to its last checkpoint.
func (l *Writer) Rewound() {
	if l != nil {
		l.breaker.Rewind()
	}
}

// append appends a letter, without its stack if it is too large with it.
func (l *Writer) append(r broker.Record, origin int32) error {
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

// Refused returns the error of a refusal of the cluster if it is about a letter: no input record that is skipped would help.
func (l *Writer) Refused(err error) error {
	if l == nil {
		return nil
	}
	if d, ok := errors.AsType[*broker.DeliveryError](err); ok && d.Topic == l.topic {
		return fmt.Errorf("write a dead letter to %s: %w", l.topic, refused.WithoutAbort(d.Err))
	}
	return nil
}
