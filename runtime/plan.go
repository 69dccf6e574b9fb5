package runtime

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weirstreams/weir/internal/engine/provision"
	"github.com/weirstreams/weir/stream"
)

// TopicPlan lists the topics that Run would find and make on the cluster.
type TopicPlan struct {
	// Existing are the topics of the topology, internal ones included, that are there; Missing are those that Run would
	// make.
	Existing, Missing []TopicSettings
	// Changed are internal topics that are there and would lose or refuse records, with the settings that Run would change.
	Changed []TopicSettings
	// Changes are those to the state of the version before under the group, if there is one. Those that lose or misread something and
	// are not in Config.Accept are in Problems too.
	Changes []stream.Change
	// Problems are mistakes. With one of them Run makes nothing and returns them as an error.
	Problems []string
	// Warnings are declarations of topics that the cluster contradicts without a change of the program's results: the number of
	// partitions, retention.ms and other settings. A topic that is compacted and not declared so, or the other way round, is one
	// of Problems. Run logs them.
	Warnings []string
}

// TopicSettings are those of one topic.
type TopicSettings struct {
	Name       string
	Partitions int32
	// Replication is the number of replicas; -1 is the default of the cluster.
	Replication int16
	// Config are settings by Kafka's names: cleanup.policy, retention.ms and retention.bytes of a topic that exists, and all
	// that would be set for one that is made.
	Config map[string]string
}

// shownConfig are the settings that matter to an application.
var shownConfig = []string{"cleanup.policy", "retention.bytes", "retention.ms"}

// Plan lists the topics that Run would find and make on the cluster, and all problems there. It changes nothing, and joins no group. An
// error says that the cluster cannot be asked: it wraps weir.ErrUnavailable or weir.ErrUnauthorized, or is the cause of the end of ctx. Errors of
// Config.Topics.Admin are returned as they are.
func (a *App) Plan(ctx context.Context) (plan *TopicPlan, err error) {
	cluster, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer a.close("the connection to the cluster", &err, cluster.Close)
	if err := a.awaitTopics(ctx); err != nil {
		return nil, err
	}
	upgrade, options := &upgrade{app: a, cluster: cluster}, a.topicOptions()
	options.Review = upgrade.review
	topics, err := provision.DryRun(ctx, cluster, a.plan, options)
	if err != nil {
		return nil, err
	}
	plan = &TopicPlan{Problems: topics.Problems, Warnings: topics.Warnings, Changes: upgrade.changes}
	for _, t := range topics.Existing {
		settings := TopicSettings{Name: t.Name, Partitions: t.Partitions, Replication: t.Replication, Config: map[string]string{}}
		for _, name := range shownConfig {
			if value, ok := t.Config[name]; ok {
				settings.Config[name] = value
			}
		}
		plan.Existing = append(plan.Existing, settings)
		if changes, ok := topics.Changes[t.Name]; ok {
			settings.Config = changes
			plan.Changed = append(plan.Changed, settings)
		}
	}
	for _, t := range topics.Missing {
		plan.Missing = append(plan.Missing, TopicSettings(t))
	}
	slices.SortFunc(plan.Missing, func(a, b TopicSettings) int { return strings.Compare(a.Name, b.Name) })
	return plan, nil
}

// String returns the plan as text for people, a line per topic, warning and problem.
func (p *TopicPlan) String() string {
	var b strings.Builder
	section := func(heading string, topics []TopicSettings) {
		if len(topics) == 0 {
			return
		}
		fmt.Fprintf(&b, "%s\n", heading)
		for _, t := range topics {
			fmt.Fprintf(&b, "  %s\n", t)
		}
	}
	section("exists:", p.Existing)
	section("is made:", p.Missing)
	section("is changed:", p.Changed)
	list := func(heading string, lines []string) {
		if len(lines) == 0 {
			return
		}
		fmt.Fprintf(&b, "%s\n", heading)
		for _, line := range lines {
			fmt.Fprintf(&b, "  %s\n", line)
		}
	}
	changes := make([]string, len(p.Changes))
	for i, change := range p.Changes {
		changes[i] = change.String()
	}
	list("changes:", changes)
	list("differs from the declaration:", p.Warnings)
	list("is wrong, so that nothing is made:", p.Problems)
	return b.String()
}

// String returns name, partitions, replicas and settings.
func (t TopicSettings) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d partitions", t.Name, t.Partitions)
	if t.Replication > 0 {
		fmt.Fprintf(&b, ", %d replicas", t.Replication)
	}
	for _, name := range slices.Sorted(maps.Keys(t.Config)) {
		fmt.Fprintf(&b, ", %s=%s", name, t.Config[name])
	}
	return b.String()
}
