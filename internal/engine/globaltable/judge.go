package globaltable

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/backoff"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/operator"
)

// LetterWriter writes dead letters of global tables. Each process reads a global table whole at each start, and meets the same records again:
// a record has one letter all the same.
type LetterWriter interface {
	// Write returns when the letter is acknowledged, or was there already.
	Write(ctx context.Context, r *broker.Record, failure *weir.ProcessingError, attempt int) error
	Close() error
}

// errNoLetters says that the policy has no topic of dead letters.
var errNoLetters = errors.New("a Decide function has returned DeadLetter, and the policy has no topic of dead letters: set ErrorPolicy.DeadLetters.Topic, so that the topic " +
	"is made at the start")

// judge asks the policy about a record that could not be made a row, and follows its decision: again is set if the record is to be tried again at once.
func (g *Tables) judge(ctx context.Context, t *table, r *broker.Record, failure *weir.ProcessingError, attempt int) (again bool, err error) {
	if operator.IsFatal(failure.Err) {
		return false, failure
	}
	decision := g.config.Policy.Decide(t.failedRecord(r, failure, attempt), false)
	switch decision.Action {
	case weir.Skip:
		t.log.Error("record skipped", "error", failure)
		return false, nil
	case weir.DeadLetter:
		if err := g.writeLetter(ctx, t, r, failure, attempt); err != nil {
			return false, err
		}
		t.log.Error("record written as a dead letter", "error", failure)
		return false, nil
	case weir.TryAgain:
		t.log.Warn("a record of a global table is tried again", "attempt", attempt, "wait", decision.Wait, "error", failure)
		if err := backoff.Sleep(ctx, decision.Wait); err != nil {
			return false, context.Cause(ctx)
		}
		return true, nil
	default:
		return false, failure
	}
}

// writeLetter writes the dead letter of a record.
func (g *Tables) writeLetter(ctx context.Context, t *table, r *broker.Record, failure *weir.ProcessingError, attempt int) error {
	err := errNoLetters
	if g.config.Letters != nil {
		err = g.config.Letters.Write(ctx, r, failure, attempt)
	}
	if err != nil {
		return fmt.Errorf("write a dead letter: %w (the record has failed: %v)", err, failure) //nolint:errorlint // it is not the cause
	}
	t.letters++
	return nil
}

// failedRecord returns a record for the policy.
func (t *table) failedRecord(r *broker.Record, failure *weir.ProcessingError, attempt int) *weir.FailedRecord {
	raw := func() (weir.Record[[]byte, []byte], error) {
		origin := failure.Origin
		return weir.Record[[]byte, []byte]{
			Key: r.Key, Value: r.Value, Millis: r.Millis, Headers: r.Headers, Origin: &origin, KeyNull: r.Key == nil, ValueNull: r.Value == nil,
		}, nil
	}
	var decode func(weir.Record[[]byte, []byte]) (key, value any, err error)
	if d, ok := t.input.(operator.Decoder); ok {
		decode = func(weir.Record[[]byte, []byte]) (key, value any, err error) { return d.Decode(r) }
	}
	return weir.NewFailedRecord(failure, attempt, raw, decode)
}

// drop does the action of the policy for a record that is no row, without an error.
func (g *Tables) drop(t *table, d operator.DroppedRecord) error {
	action := g.config.Policy.Dropped(d.Reason)
	if action == weir.Skip {
		return nil
	}
	failure := t.node.Failure(d.Origin, &weir.DroppedError{Reason: d.Reason, Detail: d.Detail})
	if action == weir.Fail {
		return operator.Fatal(failure.Err)
	}
	i, found := slices.BinarySearchFunc(t.batch, d.Origin.Offset, func(r broker.Record, offset int64) int { return cmp.Compare(r.Offset, offset) })
	if !found {
		return operator.Fatal(fmt.Errorf("the record of %s[%d] at offset %d is not at hand", d.Origin.Topic, d.Origin.Partition, d.Origin.Offset))
	}
	return operator.Fatal(g.writeLetter(t.context, t, &t.batch[i], failure, 1))
}
