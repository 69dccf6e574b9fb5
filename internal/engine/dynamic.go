package engine

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/topicname"
	"github.com/weirstreams/weir/operator"
)

const (
	// lookUnknownAgain is how long records for a topic that does not exist fail before the cluster is asked for it again.
	lookUnknownAgain = time.Second
	// maxUnknown bounds the names of topics that are remembered as unknown.
	maxUnknown = 1000
)

// dynamicOutput returns the name on the cluster, and the output, of a topic that the function of a node has named. It looks the
// topic up at first use, and creates it if Config.Topics.Create is set. An error is that of the record, except if the
// cluster could not be asked.
func (w *Worker) dynamicOutput(t *task, node int, name string, template operator.TopicTemplate) (string, operator.Output, error) {
	topic := w.plan.Prefix + name
	if w.outbox.topics[topic] == nil || w.outbox.topics[topic].node == nil { // else it was found to be right
		if err := w.findDynamic(name, topic, template); err != nil {
			if !operator.IsFatal(err) {
				err = &weir.ProduceError{Topic: topic, Partition: weir.NoPartition, Err: err}
			}
			return topic, nil, err
		}
	}
	out, err := w.output(t, topic)
	if err == nil {
		w.outbox.topics[topic].node = w.plan.Graph.Nodes[node]
	}
	return topic, out, err
}

// findDynamic makes sure that the outbox knows a topic.
func (w *Worker) findDynamic(name, topic string, template operator.TopicTemplate) error {
	if err := w.checkDynamic(name, topic); err != nil {
		return err
	}
	if _, ok := w.outbox.known.Partitions[topic]; ok {
		return nil // the topology declares it, too
	}
	if _, ok := w.outbox.found[topic]; ok {
		return nil
	}
	now := w.config.Clock.Now()
	if again, ok := w.unknown[topic]; ok && now.Before(again) {
		return errDoesNotExist
	}
	info, ok, err := w.lookUp(topic)
	if err == nil && !ok && w.config.CreateTopics {
		info, err = w.create(topic, template)
		ok = err == nil
	}
	switch {
	case err != nil:
		return err
	case !ok:
		if len(w.unknown) >= maxUnknown {
			clear(w.unknown)
		}
		w.unknown[topic] = now.Add(lookUnknownAgain)
		return errDoesNotExist
	}
	delete(w.unknown, topic)
	w.outbox.found[topic] = info
	return nil
}

var errDoesNotExist = errors.New("the topic does not exist: create it, or set Config.Topics.Create")

// checkDynamic returns the mistake in the name of a topic.
func (w *Worker) checkDynamic(name, topic string) error {
	if err := topicname.Check(name); err != nil {
		return fmt.Errorf("%w: the function that computes the topic has returned this name", err)
	}
	if err := topicname.Check(topic); err != nil {
		return fmt.Errorf("%w: the function that computes the topic has returned the name behind Config.Prefix", err)
	}
	if slices.Contains(w.inputs, topic) {
		return errors.New("the application reads the topic, and its records could come back to it without end: " +
			"write a topic that is read with To, so that it is checked at the start")
	}
	if strings.HasPrefix(name, "changelog__") || strings.HasPrefix(name, "repartition__") || strings.HasPrefix(name, "slots__") {
		return errors.New("names that begin with changelog__, repartition__ or slots__ belong to internal topics")
	}
	return nil
}

// lookUp asks the cluster for a topic, and returns false if it does not exist.
func (w *Worker) lookUp(topic string) (broker.TopicInfo, bool, error) {
	infos, err := w.cluster.Topics(w.outbox.context, topic)
	if err != nil {
		err = fmt.Errorf("look up the topic: %w", err)
		if !errors.Is(err, weir.ErrUnauthorized) {
			err = operator.Fatal(err) // no record is to blame
		}
		return broker.TopicInfo{}, false, err
	}
	info, ok := infos[topic]
	return info, ok && info.Partitions > 0, nil
}

// create makes a topic, and returns its description from the cluster: another process may have made it meanwhile.
func (w *Worker) create(topic string, template operator.TopicTemplate) (broker.TopicInfo, error) {
	partitions := cmp.Or(template.Partitions, w.config.Partitions, 1)
	spec := broker.TopicSpec{Name: topic, Partitions: partitions, Replication: w.config.Replication, Config: template.Config}
	w.config.Logger.Info("creating topic", "topic", topic, "partitions", spec.Partitions)
	if err := w.cluster.CreateTopics(w.outbox.context, spec); err != nil {
		err = fmt.Errorf("create the topic: %w", err)
		if w.outbox.context.Err() != nil || errors.Is(err, weir.ErrUnavailable) {
			err = operator.Fatal(err) // no record is to blame
		}
		return broker.TopicInfo{}, err
	}
	info, ok, err := w.lookUp(topic)
	if err == nil && !ok { // not every broker knows it yet
		info = broker.TopicInfo{Name: topic, Partitions: spec.Partitions, Replication: spec.Replication, Config: spec.Config}
	}
	return info, err
}
