package engine

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/changelog"
)

// Each committed offset carries a note, broker.CommitNote: the id of the topic, and its number of partitions at the first commit. So a
// start knows of a part without state, too, that a topic was made anew; and that a partition was added after the group has begun.
//
// A log that was truncated is not another topic for the cluster, but its offsets stand for other records from there on. So its id gets
// a suffix, as ID+1, which counts how often it was: changelog records of the former offsets count as those of a former topic.

// loadCommits reads the committed offsets of a task's input, with their notes.
func (w *Worker) loadCommits(ctx context.Context, t *task) error {
	committed, err := w.cluster.Commits(ctx, w.plan.Group, t.inputPartitions()...)
	if err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	for topic := range t.inputs {
		c, ok := committed[broker.TopicPartition{Topic: topic, Partition: t.id.Partition}]
		if !ok {
			t.uncommitted[topic] = true
			continue
		}
		t.positions[topic], t.metadata[topic], t.notes[topic] = c.Offset, c.Metadata, broker.DecodeCommitNote(c.Metadata)
		t.checkpoint = max(t.checkpoint, t.notes[topic].Checkpoint)
	}
	return nil
}

// lookUpTopicIDs asks the cluster for the ids of the input topics.
func (w *Worker) lookUpTopicIDs(ctx context.Context, t *task) error {
	infos, err := w.cluster.Topics(ctx, t.inputTopics()...)
	if err != nil {
		return fmt.Errorf("task %s: ids of the input topics: %w", t.name, err)
	}
	t.topicIDs = map[string]string{}
	for topic := range t.inputs {
		info := infos[topic]
		t.topicIDs[topic], t.topicPartitions[topic] = info.ID, info.Partitions
		t.adoptID(topic, t.notes[topic].TopicID)
		if t.database == nil {
			continue
		}
		reflected, err := t.reflectedTopic(topic)
		if err != nil {
			return fmt.Errorf("task %s: %w", t.name, err)
		}
		t.adoptID(topic, reflected)
	}
	return nil
}

// adoptID takes over the suffix of an id that is known of a topic, if the topic is still that one.
func (t *task) adoptID(topic, known string) {
	if base, times := splitID(known); base != "" && base == broker.BaseTopicID(t.topicIDs[topic]) {
		if _, now := splitID(t.topicIDs[topic]); times > now {
			t.topicIDs[topic] = known
		}
	}
}

// splitID returns the id that the cluster knows, and how often the topic was truncated.
func splitID(id string) (base string, truncated int) {
	base = broker.BaseTopicID(id)
	truncated, _ = strconv.Atoi(strings.TrimPrefix(id[len(base):], "+")) // "" is 0
	return base, truncated
}

// madeAnew reports whether ids are known to be those of two topics, which had the same name one after the other.
func madeAnew(a, b string) bool {
	return changelog.OtherTopic(broker.BaseTopicID(a), broker.BaseTopicID(b))
}

// note returns the note of the next commit of an input.
func (t *task) note(topic string) broker.CommitNote {
	note := t.notes[topic]
	if madeAnew(note.TopicID, t.topicIDs[topic]) {
		note = broker.CommitNote{}
	}
	return broker.CommitNote{
		TopicID: cmp.Or(t.renamed[topic], t.topicIDs[topic]), FirstPartitions: cmp.Or(note.FirstPartitions, t.topicPartitions[topic]), Checkpoint: t.checkpoint,
	}
}

// noteTopics sets the metadata of commits to come. Before the positions are found it stays that of the offsets that were committed.
func (t *task) noteTopics() {
	for topic := range t.inputs {
		t.metadata[topic] = t.note(topic).Encode()
	}
}

// addedLater reports whether a partition was added to its topic after the group has committed offsets of others.
func (w *Worker) addedLater(ctx context.Context, t *task, tp broker.TopicPartition) (bool, error) {
	partitions, err := w.presentPartitions(ctx, tp)
	if err != nil {
		return false, err
	}
	commits, err := w.cluster.Commits(ctx, w.plan.Group, partitions...)
	if err != nil {
		return false, err
	}
	return broker.AddedLater(tp, t.topicIDs[tp.Topic], commits), nil
}

// truncated returns an error that says so if an input has lost its last records, and nil if that is not it. It may be another topic if
// nothing tells the id of the one that the position is from.
func (t *task) truncated(out *broker.OffsetOutOfRangeError) error {
	known := t.uncommitted[out.Topic] || t.knownTopic(out.Topic) != ""
	if out.Offset <= out.End || t.topicIDs[out.Topic] == "" || !known {
		return nil
	}
	return fmt.Errorf("%w: the partition has lost its last records, as by an unclean election of a leader", out)
}

// noteTruncated makes the next checkpoint commit that an input was truncated.
func (t *task) noteTruncated(topic string) {
	base, times := splitID(t.topicIDs[topic])
	t.renamed = map[string]string{topic: fmt.Sprintf("%s+%d", base, times+1)}
	t.noteTopics()
}

// commitMetadata returns the metadata of the commits of tasks.
func commitMetadata(tasks ...*task) map[broker.TopicPartition]string {
	metadata := map[broker.TopicPartition]string{}
	for _, t := range tasks {
		for topic, text := range t.metadata {
			metadata[broker.TopicPartition{Topic: topic, Partition: t.id.Partition}] = text
		}
	}
	return metadata
}
