package simbroker

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/topicname"
	"github.com/weirstreams/weir/internal/topicsetting"
)

// brokers is how many brokers the cluster seems to have: the limit of a replication factor.
const brokers = 3

type topic struct {
	name        string
	id          string
	replication int16
	config      map[string]string
	partitions  []*partition
}

// createTopic creates a topic as a broker would. One that exists is left as it is.
func (b *Broker) createTopic(spec broker.TopicSpec) error {
	if b.topics[spec.Name] != nil {
		return nil
	}
	if err := b.checkTopic(spec); err != nil {
		return fmt.Errorf("create topic %q: %w", spec.Name, err)
	}
	b.created++
	t := &topic{name: spec.Name, id: fmt.Sprintf("topic-%d", b.created), replication: spec.Replication, config: defaultTopicConfig()}
	if t.replication == -1 {
		t.replication = 1
	}
	maps.Copy(t.config, spec.Config)
	for number := range spec.Partitions {
		t.partitions = append(t.partitions, &partition{
			TopicPartition: broker.TopicPartition{Topic: spec.Name, Partition: number},
			topic:          t,
		})
	}
	b.topics[spec.Name] = t

	for _, g := range b.groups {
		g.topicChanged(spec.Name, b.clock.Now())
	}
	return nil
}

func (b *Broker) checkTopic(spec broker.TopicSpec) error {
	if err := topicname.Check(spec.Name); err != nil {
		return err
	}
	for _, other := range slices.Sorted(maps.Keys(b.topics)) {
		// The names of metrics write both as an underscore.
		if strings.ReplaceAll(other, ".", "_") == strings.ReplaceAll(spec.Name, ".", "_") {
			return fmt.Errorf("the name collides with topic %q: period and underscore count as equal", other)
		}
	}
	if spec.Partitions <= 0 {
		return fmt.Errorf("%d partitions: there must be at least one", spec.Partitions)
	}
	if spec.Replication != -1 && (spec.Replication < 1 || spec.Replication > brokers) {
		return fmt.Errorf("replication factor %d: the cluster has %d brokers; -1 is its default", spec.Replication, brokers)
	}
	for _, key := range slices.Sorted(maps.Keys(spec.Config)) {
		if err := topicsetting.Check(key, spec.Config[key]); err != nil {
			return fmt.Errorf("configuration %s=%q: %w", key, spec.Config[key], err)
		}
	}
	return nil
}

func (t *topic) info() broker.TopicInfo {
	return broker.TopicInfo{
		Name:        t.name,
		Partitions:  int32(len(t.partitions)),
		Replication: t.replication,
		Config:      maps.Clone(t.config),
		ID:          t.id,
	}
}

func (t *topic) compacted() bool {
	return slices.Contains(topicsetting.SplitPolicy(t.config["cleanup.policy"]), "compact")
}

func (t *topic) logAppendTime() bool {
	return t.config["message.timestamp.type"] == "LogAppendTime"
}

func (t *topic) maxMessageBytes() int {
	n, _ := strconv.Atoi(t.config["max.message.bytes"]) // checked by createTopic
	return n
}

// timeLimits returns the timestamps, in milliseconds, that the topic takes at a time (KIP-937).
func (t *topic) timeLimits(now time.Time) (earliest, latest int64) {
	if t.logAppendTime() {
		return math.MinInt64, math.MaxInt64
	}
	before, _ := strconv.ParseInt(t.config["message.timestamp.before.max.ms"], 10, 64) // checked by createTopic
	after, _ := strconv.ParseInt(t.config["message.timestamp.after.max.ms"], 10, 64)   // checked by createTopic
	millis := now.UnixMilli()
	earliest, latest = math.MinInt64, math.MaxInt64
	if before < math.MaxInt64 {
		earliest = millis - before
	}
	if after < math.MaxInt64-max(0, millis) {
		latest = millis + after
	}
	return earliest, latest
}

func (t *topic) deleteRetention() time.Duration {
	millis, _ := strconv.ParseInt(t.config["delete.retention.ms"], 10, 64) // checked by createTopic
	return time.Duration(millis) * time.Millisecond
}

func (t *topic) compactionLag() time.Duration {
	millis, _ := strconv.ParseInt(t.config["min.compaction.lag.ms"], 10, 64) // checked by createTopic; none is 0
	return time.Duration(millis) * time.Millisecond
}

// defaultTopicConfig returns the defaults of a broker that are reported and used. Unlike those of Kafka 4 they take records of
// any time.
func defaultTopicConfig() map[string]string {
	return map[string]string{
		"cleanup.policy":                  "delete",
		"delete.retention.ms":             "86400000",
		"max.message.bytes":               "1048588",
		"message.timestamp.after.max.ms":  strconv.FormatInt(math.MaxInt64, 10),
		"message.timestamp.before.max.ms": strconv.FormatInt(math.MaxInt64, 10),
		"message.timestamp.type":          "CreateTime",
		"retention.bytes":                 "-1",
		"retention.ms":                    "604800000",
	}
}
