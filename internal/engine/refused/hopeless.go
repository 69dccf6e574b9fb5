package refused

import (
	"errors"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
)

// IsHopeless reports whether the cluster refuses a request for a reason that neither another try nor another record changes, such as a
// missing permission. Going back to the last checkpoint is of no use then.
func IsHopeless(err error) bool {
	return errors.Is(err, weir.ErrUnauthorized) || errors.Is(err, broker.ErrHopeless)
}

// Hopeless makes the final error of one that IsHopeless. It names the topic that could not be written, the operator that writes it,
// and the remedy. dynamic returns the operator that writes a topic which is not in the plan, or nil.
func Hopeless(err error, plan *graph.Plan, dynamic func(topic string) *graph.Node) error {
	d, ok := errors.AsType[*broker.DeliveryError](err)
	switch {
	case !ok && errors.Is(err, broker.ErrAborted):
		return fmt.Errorf("checkpoint: %w", WithoutAbort(err))
	case !ok:
		return err
	}
	remedy := ""
	switch {
	case errors.Is(err, weir.ErrUnauthorized):
		remedy = ": allow the application to write and describe the topic"
	case errors.Is(err, weir.ErrUnknownTopic):
		remedy = ": create the topic again"
	}
	written := d.TopicPartition.String()
	n, store := writerOf(d.Topic, plan)
	if n == nil {
		n = dynamic(d.Topic)
	}
	if store != "" {
		written = fmt.Sprintf("changelog %s of store %q", written, store)
	}
	if n == nil {
		return fmt.Errorf("write %s: %w%s", written, WithoutAbort(d.Err), remedy)
	}
	return fmt.Errorf("%s (%s): write %s: %w%s", n, n.Site, written, WithoutAbort(d.Err), remedy)
}

// writerOf returns the operator that writes a topic, and the name of its store if the topic is a changelog. The operator is nil if the
// plan does not have the topic.
func writerOf(topic string, plan *graph.Plan) (n *graph.Node, store string) {
	for _, part := range plan.SubTopologies {
		for _, s := range part.Stores {
			if s.Changelog == topic {
				return s.Node, s.Name
			}
		}
		for _, n := range part.Nodes {
			if n.Sink != nil && plan.Topic(n) == topic {
				return n, ""
			}
		}
	}
	return nil, ""
}
