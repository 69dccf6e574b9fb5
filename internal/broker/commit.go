package broker

import (
	"strings"

	"github.com/bytedance/sonic"
)

// NoLeaderEpoch stands for a leader epoch that is not known.
const NoLeaderEpoch = -1

// Commit is a committed offset.
type Commit struct {
	// Offset is the next offset to read.
	Offset int64
	CommitDetail
}

// CommitDetail is committed with an offset. Other programs may have written it.
type CommitDetail struct {
	// LeaderEpoch is the leader epoch of the log before the offset, or NoLeaderEpoch.
	LeaderEpoch int32
	// Metadata is a text of at most 4,096 bytes by default: see [DecodeCommitNote].
	Metadata string
}

// CommitDetails are the details of commits. nil has none.
type CommitDetails map[TopicPartition]CommitDetail

// Of returns the details of a partition, or those of a commit without any.
func (d CommitDetails) Of(tp TopicPartition) CommitDetail {
	if detail, ok := d[tp]; ok {
		return detail
	}
	return CommitDetail{LeaderEpoch: NoLeaderEpoch}
}

// Offsets returns the offsets of commits.
func Offsets(commits map[TopicPartition]Commit) map[TopicPartition]int64 {
	offsets := make(map[TopicPartition]int64, len(commits))
	for tp, c := range commits {
		offsets[tp] = c.Offset
	}
	return offsets
}

// CommitNote is the metadata that Weir writes into its commits.
type CommitNote struct {
	// TopicID is the id of the topic that the offset belongs to, empty if the cluster has none. An offset alone does not tell two
	// topics of one name apart. A suffix "+1", "+2" and so on counts how often the log of the partition was truncated.
	TopicID string `json:"topic_id,omitempty"`
	// FirstPartitions is the number of partitions that the topic had when the group committed the partition for the first time, or 0
	// if it is not known: partitions from this number on were added later.
	FirstPartitions int32 `json:"first_partitions,omitempty"`
	// Checkpoint is the number of the checkpoint that committed the offset, if the task has stores without a changelog: it tells whether
	// a checkpoint that moved no offset was committed.
	Checkpoint int64 `json:"checkpoint,omitempty"`
}

// writtenNote is a CommitNote with the mark that tells it from the metadata of others.
type writtenNote struct {
	Weir int `json:"weir"`
	CommitNote
}

// Encode returns the note as metadata, a JSON object.
func (n CommitNote) Encode() string {
	text, err := sonic.ConfigStd.MarshalToString(writtenNote{Weir: 1, CommitNote: n})
	if err != nil {
		return "" // a struct of a string and numbers has no error
	}
	return text
}

// DecodeCommitNote returns the note in some metadata; the zero one if there is none, as in the metadata of other programs.
func DecodeCommitNote(metadata string) CommitNote {
	var note writtenNote
	if err := sonic.ConfigStd.UnmarshalFromString(metadata, &note); err != nil || note.Weir != 1 {
		return CommitNote{}
	}
	return note.CommitNote
}

// BaseTopicID returns the id of a topic without the suffix of a note.
func BaseTopicID(id string) string {
	base, _, _ := strings.Cut(id, "+")
	return base
}

// AddedLater reports whether a partition was added to its topic after a group had committed one of the given offsets. Offsets of another
// topic do not count; topicID is the id of this one, or empty if the cluster has none.
func AddedLater(tp TopicPartition, topicID string, commits map[TopicPartition]Commit) bool {
	for other, c := range commits {
		note := DecodeCommitNote(c.Metadata)
		id := BaseTopicID(note.TopicID)
		same := other.Topic == tp.Topic && (id == "" || topicID == "" || id == BaseTopicID(topicID))
		if same && note.FirstPartitions > 0 && tp.Partition >= note.FirstPartitions {
			return true
		}
	}
	return false
}
