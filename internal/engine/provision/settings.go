package provision

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
)

// Settings of topics, by Kafka's names.
const (
	cleanupPolicy   = "cleanup.policy"
	retentionMillis = "retention.ms"
	retentionBytes  = "retention.bytes"
	maxMessageBytes = "max.message.bytes"
	compactionLag   = "min.compaction.lag.ms"
	timestampType   = "message.timestamp.type"
	segmentBytes    = "segment.bytes"
)

// timestampLimits bound the timestamps that a topic takes. Kafka before 3.6 knows the first one alone, Kafka from 4.0 on only the
// others (KIP-937); between them the first one is the default of the others.
var timestampLimits = []string{
	"message.timestamp.difference.max.ms", "message.timestamp.before.max.ms", "message.timestamp.after.max.ms",
}

const (
	// changelogLag is how old records of a changelog are when compaction begins to look at them. Until then records of an uncommitted
	// checkpoint, or of a process that has lost its tasks, hide no others: there is that much time to take them back.
	changelogLag = 15 * time.Minute
	// recordHeadroom is how much larger than a record of its inputs a record of an internal topic may be: it has another key,
	// headers, and fields of a join.
	recordHeadroom = 64 << 10
	// repartitionSegment is the size of the segments of a repartition topic: whole segments are freed when it is purged.
	repartitionSegment = 50 << 20
)

// isCompact reports whether a cleanup.policy keeps the last record of each key.
func isCompact(policy string) bool { return strings.Contains(policy, "compact") }

// number returns a numeric setting of a topic, and false if it is not known.
func number(config map[string]string, setting string) (int64, bool) {
	n, err := strconv.ParseInt(config[setting], 10, 64)
	return n, err == nil
}

// internalSettings returns the settings that a part's internal topics have in common. They take every record that its inputs take,
// with any time that an operator gives it.
func (p *preparation) internalSettings(part *graph.SubTopology) map[string]string {
	settings := map[string]string{}
	if p.clusterKnows(timestampType) {
		settings[timestampType] = "CreateTime"
	}
	for _, limit := range timestampLimits {
		if p.clusterKnows(limit) {
			settings[limit] = strconv.FormatInt(math.MaxInt64, 10)
		}
	}
	if n := p.largestRecord(part); n > 0 {
		settings[maxMessageBytes] = strconv.FormatInt(n, 10)
	}
	return settings
}

// changelogSettings are those of the changelogs of a part.
func (p *preparation) changelogSettings(part *graph.SubTopology) map[string]string {
	settings := p.internalSettings(part)
	settings[cleanupPolicy] = "compact"
	settings[compactionLag] = strconv.FormatInt(changelogLag.Milliseconds(), 10)
	settings[retentionMillis], settings[retentionBytes] = "-1", "-1"
	return settings
}

// repartitionSettings are those of the repartition topics that a part writes. Their records are kept until they are processed, and
// purged then: see purger.
func (p *preparation) repartitionSettings(part *graph.SubTopology) map[string]string {
	settings := p.internalSettings(part)
	settings[cleanupPolicy] = "delete"
	settings[retentionMillis], settings[retentionBytes] = "-1", "-1"
	settings[segmentBytes] = strconv.Itoa(repartitionSegment)
	return settings
}

// clusterKnows reports whether the cluster has listed a setting with any of the topics.
func (p *preparation) clusterKnows(setting string) bool {
	for name := range p.described {
		if _, ok := p.known[name].Config[setting]; ok {
			return true
		}
	}
	return false
}

// largestRecord returns max.message.bytes of the internal topics of a part, or 0 for the default of the cluster. The inputs of all parts in
// front count, those that are attached to each other too, and global tables: a part keeps, and hands on, what came from them.
func (p *preparation) largestRecord(part *graph.SubTopology) int64 {
	largest := int64(0)
	take := func(n *graph.Node, headroom int64) {
		if bytes, ok := number(p.known[p.plan.Topic(n)].Config, maxMessageBytes); ok {
			largest = max(largest, bytes+headroom)
		}
	}
	headroom := int64(recordHeadroom)
	if p.options.MaxRecordBytes > 0 {
		headroom = 0
	}
	seen := map[*graph.SubTopology]bool{}
	var visit func(part *graph.SubTopology)
	visit = func(part *graph.SubTopology) {
		if seen[part] {
			return
		}
		seen[part] = true
		for _, n := range part.Sources {
			switch {
			case n.Source.Repartition != nil:
				visit(p.plan.PartOf(n.Source.Repartition))
				take(n, 0)
			case n.Source.Slots > 0:
				take(n, 0)
			default:
				take(n, headroom)
			}
		}
	}
	visit(part)
	for _, n := range p.plan.Globals {
		take(n, headroom)
	}
	return min(max(largest, int64(p.options.MaxRecordBytes)), broker.DefaultMaxRecordBytes)
}

// mend notes the settings of an internal topic that exists and would lose records, or not take them.
func (p *preparation) mend(info broker.TopicInfo, want map[string]string) {
	changes := map[string]string{}
	differs := func(setting string, short func(have, want int64) bool) {
		have, ok := number(info.Config, setting)
		wanted, asked := number(want, setting)
		if ok && asked && short(have, wanted) {
			changes[setting] = want[setting]
		}
	}
	shorter := func(have, want int64) bool { return have < want }
	if !isCompact(info.Config[cleanupPolicy]) { // else retention has no effect
		finite := func(have, _ int64) bool { return have >= 0 }
		differs(retentionMillis, finite)
		differs(retentionBytes, finite)
	}
	differs(compactionLag, shorter)
	differs(maxMessageBytes, shorter)
	for _, limit := range timestampLimits {
		differs(limit, shorter)
	}
	if have, ok := info.Config[timestampType]; ok && have != "CreateTime" {
		changes[timestampType] = "CreateTime"
	}
	if len(changes) > 0 {
		p.changes[info.Name] = changes
	}
}

// losesRecords are the settings that cannot be left as they are.
var losesRecords = []string{retentionMillis, retentionBytes, timestampType}

// configure mends the internal topics that exist. Settings that would lose records must be mended; without the others only some
// records are refused.
func (p *preparation) configure(ctx context.Context, cluster broker.Cluster) error {
	must, may := map[string]map[string]string{}, map[string]map[string]string{}
	for _, topic := range slices.Sorted(maps.Keys(p.changes)) {
		for _, setting := range slices.Sorted(maps.Keys(p.changes[topic])) {
			set := may
			if slices.Contains(losesRecords, setting) {
				set = must
			}
			if set[topic] == nil {
				set[topic] = map[string]string{}
			}
			set[topic][setting] = p.changes[topic][setting]
			p.options.Logger.Warn("an internal topic would lose or refuse records: mending it",
				"topic", topic, "setting", setting, "is", p.known[topic].Config[setting], "becomes", p.changes[topic][setting])
		}
	}
	change := func(settings map[string]map[string]string) error {
		if len(settings) == 0 {
			return nil
		}
		return cluster.ConfigureTopics(ctx, settings)
	}
	if err := change(must); err != nil {
		return fmt.Errorf("mend internal topics, which would lose records: %w; set retention.ms and retention.bytes to -1, and "+
			"message.timestamp.type to CreateTime, or give this application the right AlterConfigs", err)
	}
	if err := change(may); err != nil {
		p.options.Logger.Warn("internal topics could not be mended; records that they do not take are errors", "error", err)
	}
	return nil
}

func (p *preparation) warn(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(p.warnings, text) {
		p.warnings = append(p.warnings, text)
	}
}

// Limits bound the records that a topic takes.
type Limits struct {
	// MaxMessageBytes is max.message.bytes of the topic, or 0 if that is not known.
	MaxMessageBytes int
	// Compacted topics take no records without a key.
	Compacted bool
	// Internal topics are made by the application.
	Internal bool
}

// Topics are the topics of a plan, by name.
type Topics struct {
	Partitions map[string]int32
	Limits     map[string]Limits
}

// topics returns the topics as known now.
func (p *preparation) topics() *Topics {
	t := &Topics{Partitions: make(map[string]int32, len(p.known)), Limits: make(map[string]Limits, len(p.known))}
	for name, info := range p.known {
		limits := LimitsOf(info)
		limits.Internal = p.internal[name]
		t.Partitions[name], t.Limits[name] = info.Partitions, limits
	}
	return t
}

// LimitsOf returns the limits of a topic that is not internal.
func LimitsOf(info broker.TopicInfo) Limits {
	bytes, _ := number(info.Config, maxMessageBytes)
	return Limits{MaxMessageBytes: int(bytes), Compacted: isCompact(info.Config[cleanupPolicy])}
}
