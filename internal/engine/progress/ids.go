package progress

import (
	"cmp"
	"context"
	"errors"
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

// LookUpIDs asks the cluster for the ids of the topics. Those of the committed offsets tell how often the topics were truncated.
func (in *Input) LookUpIDs(ctx context.Context, cluster broker.Cluster) error {
	infos, err := cluster.Topics(ctx, in.topics...)
	if err != nil {
		return fmt.Errorf("task %s: ids of the input topics: %w", in.Task, err)
	}
	in.IDs = map[string]string{}
	for _, topic := range in.topics {
		info := infos[topic]
		in.IDs[topic], in.partitions[topic] = info.ID, info.Partitions
		in.AdoptID(topic, in.notes[topic].TopicID)
	}
	return nil
}

// AdoptID takes over the suffix of an id that is known of a topic, if the topic is still that one.
func (in *Input) AdoptID(topic, known string) {
	if base, times := splitID(known); base != "" && base == broker.BaseTopicID(in.IDs[topic]) {
		if _, now := splitID(in.IDs[topic]); times > now {
			in.IDs[topic] = known
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
func (in *Input) note(topic string) broker.CommitNote {
	note := in.notes[topic]
	if madeAnew(note.TopicID, in.IDs[topic]) {
		note = broker.CommitNote{}
	}
	return broker.CommitNote{
		TopicID: cmp.Or(in.renamed[topic], in.IDs[topic]), FirstPartitions: cmp.Or(note.FirstPartitions, in.partitions[topic]), Checkpoint: in.Checkpoint,
	}
}

// Note sets the metadata of commits to come of one topic.
func (in *Input) Note(topic string) { in.metadata[topic] = in.note(topic).Encode() }

// NoteAll sets the metadata of commits to come. Before the positions are found it stays that of the offsets that were committed.
func (in *Input) NoteAll() {
	for _, topic := range in.topics {
		in.Note(topic)
	}
}

// Details adds the details of the next commit to details.
func (in *Input) Details(details broker.CommitDetails) {
	for topic, text := range in.metadata {
		details[in.Of(topic)] = broker.CommitDetail{LeaderEpoch: in.LeaderEpoch(topic), Metadata: text}
	}
}

// AddedLater reports whether the partition of a topic was added after the group has committed offsets of others. partitions are all
// partitions of the topic.
func (in *Input) AddedLater(ctx context.Context, cluster broker.Cluster, group, topic string, partitions []broker.TopicPartition) (bool, error) {
	commits, err := cluster.Commits(ctx, group, partitions...)
	if err != nil {
		return false, err
	}
	return broker.AddedLater(in.Of(topic), in.IDs[topic], commits), nil
}

// Truncated returns the offset from which on an input has lost its last records, and lost with the reason; ok is false if that is not
// it. It may be another topic if nothing tells the id of the one that the position is from.
func (in *Input) Truncated(lost error) (kept int64, reason error, ok bool) {
	out, ok := errors.AsType[*broker.OffsetOutOfRangeError](lost)
	if !ok || in.IDs[out.Topic] == "" || !in.Uncommitted[out.Topic] && in.KnownID(out.Topic) == "" {
		return 0, nil, false
	}
	if truncated, ok := errors.AsType[*broker.TruncatedError](lost); ok {
		return truncated.Kept, lost, true
	}
	if out.Offset <= out.End {
		return 0, nil, false
	}
	return out.End, fmt.Errorf("%w: the partition has lost its last records, as by an unclean election of a leader", out), true
}

// NoteTruncated makes the next checkpoint commit that an input was truncated.
func (in *Input) NoteTruncated(topic string) {
	base, times := splitID(in.IDs[topic])
	in.renamed = map[string]string{topic: fmt.Sprintf("%s+%d", base, times+1)}
	in.NoteAll()
}

// ReplacedBy returns an error if a topic has another id than the task knows.
func (in *Input) ReplacedBy(topic, id string) *broker.TopicReplacedError {
	if !madeAnew(in.IDs[topic], id) {
		return nil
	}
	return &broker.TopicReplacedError{TopicPartition: in.Of(topic), Former: in.IDs[topic], ID: id}
}

// KnownID returns the id of the topic that the state reflects or, if the state does not tell, of the one that the committed offset
// is from; empty if neither tells.
func (in *Input) KnownID(topic string) string {
	return cmp.Or(cmp.Or(in.state.TopicIDs(topic)...), in.notes[topic].TopicID)
}

// FormerID returns the id of the topic that the state or the committed offset is from if the one that has its name now is another one.
func (in *Input) FormerID(topic string) (id string, ok bool) {
	for _, id := range in.state.TopicIDs(topic) {
		if madeAnew(id, in.IDs[topic]) {
			return id, true
		}
	}
	id = in.KnownID(topic)
	return id, madeAnew(id, in.IDs[topic])
}
