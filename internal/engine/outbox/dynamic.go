package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/topicname"
	"github.com/weirstreams/weir/operator"
)

const (
	// lookUnknownAgain is how long records for a topic that does not exist fail before the cluster is asked for it again.
	lookUnknownAgain = time.Second
	// maxUnknown bounds the names of topics that are remembered as unknown.
	maxUnknown = 1000
)

// Dynamic are the topics that functions name for records. It looks them up at first use, and creates those that are missing if
// it is told to.
type Dynamic struct {
	Outbox  *Outbox
	Cluster broker.Cluster
	// ClusterName returns the name on the cluster of a topic that a function names. Inputs are the topics that the application reads.
	ClusterName func(topic string) string
	Inputs      []string
	// Sources are the topics that sources of the application write.
	Sources []string
	// DeadLetters is the topic of dead letters, empty if there is none.
	DeadLetters string
	// Create makes topics that do not exist, with so many partitions, 0 meaning 1, and replicas, unless their template says otherwise.
	Create      bool
	Partitions  int32
	Replication int16
	Clock       clock.Clock
	Logger      *slog.Logger
	// unknown are topics that the cluster does not know, with the time to ask for them again.
	unknown map[string]time.Time
}

// Find returns the name on the cluster of a topic that a function has named, and makes sure that the outbox knows it. An error is that
// of the record, except if the cluster could not be asked.
func (d *Dynamic) Find(ctx context.Context, name string, template operator.TopicTemplate) (topic string, err error) {
	topic = d.ClusterName(name)
	if d.Outbox.NodeOf(topic) != nil {
		return topic, nil // it was found to be right
	}
	if err = d.look(ctx, name, topic, template); err != nil && !operator.IsFatal(err) {
		err = &weir.ProduceError{Topic: topic, Partition: weir.NoPartition, Err: err}
	}
	return topic, err
}

// Found notes the node with the function that has named a topic of find.
func (d *Dynamic) Found(topic string, by *graph.Node) { d.Outbox.topics[topic].node = by }

// look makes sure that the outbox knows a topic.
func (d *Dynamic) look(ctx context.Context, name, topic string, template operator.TopicTemplate) error {
	if err := d.check(name, topic); err != nil {
		return err
	}
	if _, ok := d.Outbox.known.Partitions[topic]; ok {
		return nil // the topology declares it, too
	}
	if _, ok := d.Outbox.found[topic]; ok {
		return nil
	}
	now := d.Clock.Now()
	if again, ok := d.unknown[topic]; ok && now.Before(again) {
		return errDoesNotExist
	}
	info, ok, err := d.lookUp(ctx, topic)
	if err == nil && !ok && d.Create {
		info, err = d.make(ctx, topic, template)
		ok = err == nil
	}
	switch {
	case err != nil:
		return err
	case !ok:
		if d.unknown == nil || len(d.unknown) >= maxUnknown {
			d.unknown = map[string]time.Time{}
		}
		d.unknown[topic] = now.Add(lookUnknownAgain)
		return errDoesNotExist
	}
	delete(d.unknown, topic)
	d.Outbox.found[topic] = info
	return nil
}

var errDoesNotExist = errors.New("the topic does not exist: create it, or set Config.Topics.Create")

// check returns the mistake in the name of a topic.
func (d *Dynamic) check(name, topic string) error {
	if err := topicname.Check(name); err != nil {
		return fmt.Errorf("%w: the function that computes the topic has returned this name", err)
	}
	if err := topicname.Check(topic); err != nil {
		return fmt.Errorf("%w: the function that computes the topic has returned %q, and this is its name on the cluster", err, name)
	}
	if slices.Contains(d.Inputs, topic) {
		return errors.New("the application reads the topic, and its records could come back to it without end: " +
			"write a topic that is read with To, so that it is checked at the start")
	}
	if slices.Contains(d.Sources, topic) {
		return errors.New("a source of the application writes the topic, and takes all of its records for its own: write to another topic, and merge the two")
	}
	if strings.HasPrefix(name, "changelog__") || strings.HasPrefix(name, "repartition__") || strings.HasPrefix(name, "slots__") ||
		strings.HasPrefix(name, "deadletters__") || topic == d.DeadLetters {
		return errors.New("names that begin with changelog__, repartition__, slots__ or deadletters__ belong to internal topics")
	}
	return nil
}

// lookUp asks the cluster for a topic, and returns false if it does not exist.
func (d *Dynamic) lookUp(ctx context.Context, topic string) (broker.TopicInfo, bool, error) {
	infos, err := d.Cluster.Topics(ctx, topic)
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

// make creates a topic, and returns its description from the cluster: another process may have made it meanwhile.
func (d *Dynamic) make(ctx context.Context, topic string, template operator.TopicTemplate) (broker.TopicInfo, error) {
	partitions := cmp.Or(template.Partitions, d.Partitions, 1)
	spec := broker.TopicSpec{Name: topic, Partitions: partitions, Replication: d.Replication, Config: template.Config}
	d.Logger.Info("creating topic", "topic", topic, "partitions", spec.Partitions)
	if err := d.Cluster.CreateTopics(ctx, spec); err != nil {
		err = fmt.Errorf("create the topic: %w", err)
		if ctx.Err() != nil || errors.Is(err, weir.ErrUnavailable) {
			err = operator.Fatal(err) // no record is to blame
		}
		return broker.TopicInfo{}, err
	}
	info, ok, err := d.lookUp(ctx, topic)
	if err == nil && !ok { // not every broker knows it yet
		info = broker.TopicInfo{Name: topic, Partitions: spec.Partitions, Replication: spec.Replication, Config: spec.Config}
	}
	return info, err
}
