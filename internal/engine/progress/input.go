// Package progress knows how far a task has come in its input, which of that the group has committed, and which topics that input is of.
package progress

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/weirstreams/weir/internal/broker"
)

// Input is the progress of a task in its input: positions by topic, and the topics that they belong to. The task moves Next with each
// record, and the checkpoint moves Committed. Only the goroutine of the worker uses it.
//
// It decides nothing: where a position is lost the worker asks the configuration.
type Input struct {
	// Task is the name of the task, Partition that of its input.
	Task      string
	Partition int32
	// Next are the next offsets to process, by topic.
	Next map[string]int64
	// Committed are the positions of the last checkpoint.
	Committed map[string]int64
	// Ends are the ends of the partitions as last seen, by topic.
	Ends map[string]int64
	// IDs are the ids of the topics, by topic.
	IDs map[string]string
	// Reflected are the next offsets that the database reflected when the task was opened, by topic. Uncommitted are the topics
	// without committed offsets, and Unsure those of them with a last checkpoint that may be incomplete.
	Reflected           map[string]int64
	Uncommitted, Unsure map[string]bool
	// Checkpoint is the number of the last checkpoint with changes in stores without a changelog that was begun.
	Checkpoint int64

	state State
	// topics are the topics that the task reads, in a fixed order.
	topics []string
	// partitions are the numbers of partitions of the topics when the task was opened.
	partitions map[string]int32
	// notes are those of the offsets that were committed when the task was opened, and metadata is that of the next commits, by topic.
	notes    map[string]broker.CommitNote
	metadata map[string]string
	// epochs are the leader epochs around the positions, by topic.
	epochs map[string]epochs
	// renamed are the ids of topics that were truncated, until the task is opened anew.
	renamed map[string]string
	// purged are the offsets before which records of repartition topics were deleted, by topic.
	purged map[string]int64
	// taken are the records that were processed, by topic.
	taken map[string]*Taken
}

// Taken counts the records of one topic that a task has processed or skipped since it was opened.
type Taken struct {
	Records int64
	// Millis is the timestamp of the last record, in milliseconds.
	Millis int64
}

// Took notes records of a topic that were processed. millis is the timestamp of the last one.
func (in *Input) Took(topic string, records int, millis int64) {
	t := in.taken[topic]
	if t == nil {
		t = &Taken{}
		in.taken[topic] = t
	}
	t.Records += int64(records)
	t.Millis = millis
}

// Taken returns the counts of a topic.
func (in *Input) Taken(topic string) Taken {
	if t := in.taken[topic]; t != nil {
		return *t
	}
	return Taken{}
}

// State is the state of a task, which reflects input.
type State interface {
	// TopicIDs returns the ids of an input topic that the stores reflect, one for each store and empty where it is not known.
	TopicIDs(topic string) []string
}

// NewInput returns the progress of a task that reads no topics yet.
func NewInput(task string, partition int32, state State) *Input {
	return &Input{
		Task: task, Partition: partition, state: state,
		Next: map[string]int64{}, Ends: map[string]int64{}, Reflected: map[string]int64{},
		Uncommitted: map[string]bool{}, Unsure: map[string]bool{},
		partitions: map[string]int32{}, notes: map[string]broker.CommitNote{}, metadata: map[string]string{},
		epochs: map[string]epochs{}, taken: map[string]*Taken{},
	}
}

// Add makes a topic part of the input.
func (in *Input) Add(topic string) {
	in.topics = append(in.topics, topic)
	slices.Sort(in.topics)
}

// Topics returns the topics that the task reads, in a fixed order. The caller must not change them.
func (in *Input) Topics() []string { return in.topics }

// Of returns the partition of a topic that the task reads.
func (in *Input) Of(topic string) broker.TopicPartition {
	return broker.TopicPartition{Topic: topic, Partition: in.Partition}
}

// Partitions returns the partitions that the task reads, in a fixed order.
func (in *Input) Partitions() []broker.TopicPartition {
	tps := make([]broker.TopicPartition, 0, len(in.topics))
	for _, topic := range in.topics {
		tps = append(tps, in.Of(topic))
	}
	return tps
}

// Load reads the committed offsets of the input, with their notes.
func (in *Input) Load(ctx context.Context, cluster broker.Cluster, group string) error {
	committed, err := cluster.Commits(ctx, group, in.Partitions()...)
	if err != nil {
		return fmt.Errorf("task %s: %w", in.Task, err)
	}
	for _, topic := range in.topics {
		c, ok := committed[in.Of(topic)]
		if !ok {
			in.Uncommitted[topic] = true
			continue
		}
		in.Next[topic], in.metadata[topic], in.notes[topic] = c.Offset, c.Metadata, broker.DecodeCommitNote(c.Metadata)
		in.Checkpoint = max(in.Checkpoint, in.notes[topic].Checkpoint)
		if in.notes[topic] != (broker.CommitNote{}) { // clients are about that commit epoch 0 with every offset
			in.NoteEpoch(topic, c.LeaderEpoch)
		}
	}
	return nil
}

// Committing adds the offsets of the next commit to offsets.
func (in *Input) Committing(offsets map[broker.TopicPartition]int64) {
	for topic, offset := range in.Next {
		offsets[in.Of(topic)] = offset
	}
}

// Checkpointed notes that the group has committed Next.
func (in *Input) Checkpointed() { in.CheckpointedAt(maps.Clone(in.Next)) }

// CheckpointedAt notes that the group has committed a former Next, which belongs to the input from then on.
func (in *Input) CheckpointedAt(next map[string]int64) {
	in.Committed = next
	for topic, e := range in.epochs {
		e.forget(next[topic])
		in.epochs[topic] = e
	}
}

// Rewind goes back to the last checkpoint.
func (in *Input) Rewind() { in.Next = maps.Clone(in.Committed) }

// Untouched reports whether no record was processed since the last checkpoint.
func (in *Input) Untouched() bool { return maps.Equal(in.Next, in.Committed) }

// UsedBefore reports whether the group has committed offsets of any topic of the input.
func (in *Input) UsedBefore() bool { return len(in.Uncommitted) < len(in.topics) }

// purgeable adds to offsets those of topics, as the function says, that were committed since the last call: records before them can be
// deleted.
func (in *Input) purgeable(internal func(topic string) bool, offsets map[broker.TopicPartition]int64) {
	for topic, offset := range in.Committed {
		if !internal(topic) || offset <= in.purged[topic] {
			continue
		}
		if in.purged == nil {
			in.purged = map[string]int64{}
		}
		offsets[in.Of(topic)] = offset
		in.purged[topic] = offset
	}
}
