package engine

import (
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/offsets"
	"github.com/weirstreams/weir/operator"
)

// drop does the action of the policy for a record that an operator leaves out without an error: the other operators get the record in any case. Only one
// letter is written for a record, an operator and a reason, however many records an input record became in front of the operator.
func (t *task) drop(d operator.DroppedRecord) error {
	action := t.failures.policy.Dropped(d.Reason)
	if action == weir.Skip {
		return nil
	}
	failure := t.plan.Graph.Nodes[d.Node].Failure(d.Origin, &weir.DroppedError{Reason: d.Reason, Detail: d.Detail})
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
	if err := t.failures.letters.write(t, r, failure, 1); err != nil {
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
