// Package topicsetting holds the settings of topics that Kafka documents (Topic Configs, org.apache.kafka.common.config.TopicConfig), with the
// values that they take.
package topicsetting

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrUnknown says that Kafka has no such setting.
var ErrUnknown = errors.New("unknown setting")

// Check returns the mistake in a setting of a topic of Kafka 4, or nil. The error is ErrUnknown, or does not repeat the name.
func Check(name, value string) error {
	check, ok := settings[name]
	switch {
	case !ok:
		return ErrUnknown
	case check == nil:
		return nil
	default:
		return check(value)
	}
}

// Documented reports whether a version of Kafka has a setting.
func Documented(name string) bool {
	_, ok := settings[name]
	return ok || slices.Contains(former, name)
}

// former are settings that Kafka 4 has no more.
var former = []string{"message.downconversion.enable", "message.format.version", "message.timestamp.difference.max.ms"}

// settings are those of Kafka 4 with the check of their values, or nil if any value will do.
var settings = map[string]func(string) error{
	"cleanup.policy":                          checkPolicy,
	"compression.gzip.level":                  nil,
	"compression.lz4.level":                   nil,
	"compression.type":                        oneOf("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"),
	"compression.zstd.level":                  nil,
	"delete.retention.ms":                     atLeast(0),
	"file.delete.delay.ms":                    atLeast(0),
	"flush.messages":                          atLeast(1),
	"flush.ms":                                atLeast(0),
	"follower.replication.throttled.replicas": nil,
	"index.interval.bytes":                    atLeast(0),
	"leader.replication.throttled.replicas":   nil,
	"local.retention.bytes":                   atLeast(-2),
	"local.retention.ms":                      atLeast(-2),
	"max.compaction.lag.ms":                   atLeast(1),
	"max.message.bytes":                       atLeast(0),
	"message.timestamp.after.max.ms":          atLeast(0),
	"message.timestamp.before.max.ms":         atLeast(0),
	"message.timestamp.type":                  oneOf("CreateTime", "LogAppendTime"),
	"min.cleanable.dirty.ratio":               nil,
	"min.compaction.lag.ms":                   atLeast(0),
	"min.insync.replicas":                     atLeast(1),
	"preallocate":                             oneOf("true", "false"),
	"remote.log.copy.disable":                 oneOf("true", "false"),
	"remote.log.delete.on.disable":            oneOf("true", "false"),
	"remote.storage.enable":                   oneOf("true", "false"),
	"retention.bytes":                         atLeast(-1),
	"retention.ms":                            atLeast(-1),
	"segment.bytes":                           atLeast(14),
	"segment.index.bytes":                     atLeast(4),
	"segment.jitter.ms":                       atLeast(0),
	"segment.ms":                              atLeast(1),
	"unclean.leader.election.enable":          oneOf("true", "false"),
}

func checkPolicy(value string) error {
	for _, policy := range SplitPolicy(value) {
		if policy != "delete" && policy != "compact" {
			return errors.New(`must be "delete", "compact" or both, separated by a comma`)
		}
	}
	return nil
}

// SplitPolicy returns the policies that a cleanup.policy names.
func SplitPolicy(value string) []string {
	policies := strings.Split(value, ",")
	for i := range policies {
		policies[i] = strings.TrimSpace(policies[i])
	}
	return policies
}

func oneOf(values ...string) func(string) error {
	return func(value string) error {
		if !slices.Contains(values, value) {
			return fmt.Errorf("must be one of %s", strings.Join(values, ", "))
		}
		return nil
	}
}

func atLeast(least int64) func(string) error {
	return func(value string) error {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < least {
			return fmt.Errorf("must be a number of at least %d", least)
		}
		return nil
	}
}
