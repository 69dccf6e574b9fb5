package sim

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/weirstreams/weir/internal/broker"
)

// changelogRecord is a record of a changelog, and whether it counts.
type changelogRecord struct {
	broker.Record
	counts bool
}

// ownerHeader is the header of records and claims with the epoch of their owner.
const ownerHeader = "__owner__"

// readChangelog reads the rows in a partition of a changelog as a restore from nothing does (internal/engine/owner.go and
// changelog.go say how): records behind the claim of a later owner do not count, nor those of uncommitted input. Those of topics that
// were made anew since count.
func (w *world) readChangelog(tp broker.TopicPartition) []changelogRecord {
	committed := w.broker.Committed(groupName)
	var rows []changelogRecord
	var owner []byte
	for _, r := range w.broker.Read(tp, 0) {
		row := changelogRecord{r, true}
		claim := true
		for _, h := range r.Headers {
			switch h.Key {
			case ownerHeader:
				if row.counts = row.counts && bytes.Compare(h.Value, owner) >= 0; bytes.Compare(h.Value, owner) > 0 {
					owner = h.Value
				}
			case "__processed_tp_offsets__":
				claim = false
				var offsets map[string]int64
				if err := json.Unmarshal(h.Value, &offsets); err != nil {
					w.failf("%s at offset %d: %v", tp, r.Offset, err)
				}
				for topic, offset := range offsets {
					topic, id, _ := strings.Cut(topic, "@")
					input := broker.TopicPartition{Topic: topic, Partition: tp.Partition}
					if id != "" && id != w.topicID(input) {
						continue // of a topic that was made anew since, or truncated
					}
					row.counts = row.counts && offset < committed[input]
				}
			}
		}
		if !claim {
			rows = append(rows, row)
		}
	}
	return rows
}

// topicID returns the id of the topic of a partition, with the suffix that the committed offset gives to a log that was truncated.
func (w *world) topicID(tp broker.TopicPartition) string {
	id := w.broker.TopicID(tp.Topic)
	if commit, ok := w.broker.Commit(groupName, tp); ok {
		if noted := broker.DecodeCommitNote(commit.Metadata).TopicID; broker.BaseTopicID(noted) == id {
			return noted
		}
	}
	return id
}

// unretracted returns how many rows of a changelog have a last record that does not count and was written before some
// time: compaction would let it hide the valid row.
func (w *world) unretracted(changelog string, before time.Time) int {
	if w.config.engine.ExactlyOnce {
		return 0
	}
	n := 0
	for p := range w.partitions[changelog] {
		hidden := map[string]bool{}
		for _, r := range w.readChangelog(broker.TopicPartition{Topic: changelog, Partition: p}) {
			if r.counts {
				delete(hidden, string(r.Key))
			} else if r.Millis <= before.UnixMilli() {
				hidden[string(r.Key)] = true
			}
		}
		n += len(hidden)
	}
	return n
}
