package engine

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/topicname"
)

// TopicOptions say how topics are made.
type TopicOptions struct {
	// Create makes topics of the user that do not exist. Internal topics are always made.
	Create bool
	// Replication is the number of replicas of topics of the user that are made; -1 is the cluster's default.
	Replication int16
	// Patience is how long a topic of the user may be unknown before it counts as missing: not every broker knows at
	// once of a topic that was made a moment ago. 0 asks once.
	Patience time.Duration
	Logger   *slog.Logger
}

// TopicError holds everything that is wrong with the topics on the cluster.
type TopicError struct {
	Problems []string
}

// Error returns one line per problem, below a heading.
func (e *TopicError) Error() string {
	return fmt.Sprintf("topics: %d problem(s)\n\t%s", len(e.Problems), strings.Join(e.Problems, "\n\t"))
}

// changelogLag is how old records of a changelog are when compaction begins to look at them. Until then what an uncommitted
// checkpoint has left, or a process that has lost its tasks, takes nobody's place: there is that much time to take it back.
const changelogLag = 15 * time.Minute

// PrepareTopics checks that the topics of the plan are there and fit it, makes the internal ones that are missing, and
// returns the number of partitions of each. All problems are reported at once, as a *TopicError.
func PrepareTopics(ctx context.Context, cluster broker.Cluster, plan *graph.Plan, options TopicOptions) (map[string]int32, error) {
	p, err := prepare(ctx, cluster, plan, options)
	if err != nil {
		return nil, err
	}
	if len(p.problems) > 0 {
		return nil, &TopicError{p.problems}
	}
	for _, spec := range p.missing {
		options.Logger.Info("creating topic", "topic", spec.Name, "partitions", spec.Partitions)
	}
	if len(p.missing) > 0 {
		if err := cluster.CreateTopics(ctx, p.missing...); err != nil {
			return nil, fmt.Errorf("create topics: %w", err)
		}
	}
	partitions := make(map[string]int32, len(p.known))
	for name, info := range p.known {
		partitions[name] = info.Partitions
	}
	return partitions, nil
}

// TopicPlan is what PrepareTopics would do.
type TopicPlan struct {
	// Existing are the topics of the plan that are there, Missing those that would be made.
	Existing []broker.TopicInfo
	Missing  []broker.TopicSpec
	// Problems is what is wrong. If there is anything, nothing would be made.
	Problems []string
}

// PlanTopics says what PrepareTopics would do, and changes nothing.
func PlanTopics(ctx context.Context, cluster broker.Cluster, plan *graph.Plan, options TopicOptions) (*TopicPlan, error) {
	p, err := prepare(ctx, cluster, plan, options)
	if err != nil {
		return nil, err
	}
	result := &TopicPlan{Missing: p.missing, Problems: p.problems}
	made := func(name string) bool {
		return slices.ContainsFunc(p.missing, func(s broker.TopicSpec) bool { return s.Name == name })
	}
	for _, name := range slices.Sorted(maps.Keys(p.known)) {
		if !made(name) {
			result.Existing = append(result.Existing, p.known[name])
		}
	}
	return result, nil
}

// prepare compares the plan with the cluster.
func prepare(ctx context.Context, cluster broker.Cluster, plan *graph.Plan, options TopicOptions) (*preparation, error) {
	p := &preparation{plan: plan, options: options}
	if err := p.look(ctx, cluster); err != nil {
		return nil, err
	}
	p.userTopics()
	p.globalTopics()
	order := upstreamFirst(plan)
	for _, part := range order {
		if p.inputsKnown(part) {
			p.internalTopics(part)
		}
	}
	for _, part := range order {
		p.attachedTopics(part)
	}
	for _, part := range order {
		p.partitions(part)
	}
	return p, nil
}

// preparation is one run of PrepareTopics.
type preparation struct {
	plan     *graph.Plan
	options  TopicOptions
	known    map[string]broker.TopicInfo // what exists, and what will once missing is made
	missing  []broker.TopicSpec
	problems []string
}

func (p *preparation) problem(format string, args ...any) {
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

// look asks the cluster about all topics of the plan.
func (p *preparation) look(ctx context.Context, cluster broker.Cluster) error {
	names := map[string]bool{}
	for _, n := range p.plan.Graph.Nodes {
		if name := p.plan.Topic(n); name != "" {
			names[name] = true
		}
	}
	for _, part := range p.plan.Parts {
		for _, s := range part.Stores {
			names[s.Changelog] = true
		}
	}
	for begun := time.Now(); ; {
		var err error
		p.known, err = cluster.Topics(ctx, slices.Sorted(maps.Keys(names))...)
		if err != nil {
			return fmt.Errorf("look up topics: %w", err)
		}
		if p.options.Create || p.complete() || time.Since(begun) >= p.options.Patience {
			return nil
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return fmt.Errorf("look up topics: %w", context.Cause(ctx))
		}
	}
}

// lookAgain is how long to wait before topics that are unknown are looked up again.
const lookAgain = 100 * time.Millisecond

// complete reports whether all topics that the user declared are known.
func (p *preparation) complete() bool {
	for _, n := range p.plan.Graph.Nodes {
		if _, _, ok := n.Declared(); ok {
			if _, known := p.known[p.plan.Topic(n)]; !known {
				return false
			}
		}
	}
	return true
}

// userTopics checks the topics that the user declared, but for those of global tables.
func (p *preparation) userTopics() {
	for _, n := range p.plan.Graph.Nodes {
		if partitions, config, ok := n.Declared(); ok && n.Global == nil {
			p.userTopic(n, partitions, config)
		}
	}
}

// userTopic checks one of them, or makes it.
func (p *preparation) userTopic(n *graph.Node, partitions int32, config map[string]string) {
	name := p.plan.Topic(n)
	if info, ok := p.known[name]; ok {
		if partitions > 0 && info.Partitions != partitions {
			p.options.Logger.Warn("topic has another number of partitions than declared",
				"topic", name, "partitions", info.Partitions, "declared", partitions, "at", n.Site)
		}
		return
	}
	if !p.options.Create {
		p.problem("topic %q, declared at %s, does not exist: create it, or set Config.CreateTopics", name, n.Site)
		return
	}
	p.make(broker.TopicSpec{
		Name: name, Partitions: max(1, partitions), Replication: p.options.Replication, Config: config,
	})
}

// globalTopics checks the topics of global tables. One that is made is compacted, unless it is a topic of a stream as well or
// its declaration says otherwise.
func (p *preparation) globalTopics() {
	internal := map[string]bool{}
	for _, part := range p.plan.Parts {
		for _, s := range part.Stores {
			internal[s.Changelog] = true
		}
		for _, n := range part.Nodes {
			if n.Sink != nil && n.Sink.Repartition != "" {
				internal[p.plan.Topic(n)] = true
			}
		}
	}
	for _, n := range p.plan.Globals {
		name := p.plan.Topic(n)
		if internal[name] {
			p.problem("topic %q of the global table declared at %s is an internal topic of this application: write the stream or table to a topic of its own",
				name, n.Site)
			continue
		}
		info, ok := p.known[name]
		if policy, known := info.Config["cleanup.policy"]; ok && known && !strings.Contains(policy, "compact") && info.Config["retention.ms"] != "-1" {
			p.options.Logger.Warn("the topic of a global table is not compacted: rows that were written before its retention are missing after the next start",
				"topic", name, "cleanup.policy", policy, "at", n.Site)
		}
		config := maps.Clone(n.Global.Config)
		if _, set := config["cleanup.policy"]; !set {
			if config == nil {
				config = map[string]string{}
			}
			config["cleanup.policy"] = "compact"
		}
		p.userTopic(n, n.Global.Partitions, config)
	}
}

func (p *preparation) make(spec broker.TopicSpec) {
	if err := topicname.Check(spec.Name); err != nil {
		p.problem("topic %q cannot be made: %v: the group, topics, operations and stores that it is named after need shorter names", spec.Name, err)
	}
	p.missing = append(p.missing, spec)
	p.known[spec.Name] = broker.TopicInfo(spec)
}

// inputsKnown reports whether the inputs of a part, but for those that are attached to it, exist or will.
func (p *preparation) inputsKnown(part *graph.Part) bool {
	for _, n := range part.Sources {
		if _, ok := p.known[p.plan.Topic(n)]; !ok && !n.Source.Attached() {
			return false
		}
	}
	return true
}

// partitions checks that tasks of a part with stores own a partition of every input: records of the same key are in
// partitions of the same number then, if the producers choose partitions alike.
func (p *preparation) partitions(part *graph.Part) {
	if len(part.Stores) == 0 || p.equalPartitions(part.Sources) {
		return
	}
	sources, what := part.Sources, "of a stream with state"
	if own := slices.DeleteFunc(slices.Clone(sources), func(n *graph.Node) bool { return n.Source.Attached() }); !p.equalPartitions(own) {
		sources = own // what is attached has the number of one of them
	}
	for _, n := range part.Nodes {
		if met := n.FedBy(); len(n.Parents) > 1 && !p.equalPartitions(met) {
			sources, what = met, fmt.Sprintf("that meet in %s, declared at %s,", n, n.Site)
			break
		}
	}
	counts := make([]string, len(sources))
	for i, n := range sources {
		counts[i] = fmt.Sprintf("%q has %d (%s)", p.plan.Topic(n), p.known[p.plan.Topic(n)].Partitions, n.Site)
	}
	p.problem("the topics %s must have equal numbers of partitions: %s; bring them to one number with GroupByKeyWith and "+
		"Repartition.Partitions, or with topics made anew", what, strings.Join(counts, ", "))
}

// equalPartitions reports whether those of the topics that exist, or will, have equal numbers of partitions.
func (p *preparation) equalPartitions(sources []*graph.Node) bool {
	first := int32(0)
	for _, n := range sources {
		info, ok := p.known[p.plan.Topic(n)]
		switch {
		case !ok:
		case first == 0:
			first = info.Partitions
		case info.Partitions != first:
			return false
		}
	}
	return true
}

// internalTopics checks, and makes, the changelogs of a part and the repartition topics that it writes.
func (p *preparation) internalTopics(part *graph.Part) {
	derived := p.derive(part)
	p.grownInput(part, derived.Partitions)
	for _, s := range part.Stores {
		spec := broker.TopicSpec{
			Name: s.Changelog, Partitions: derived.Partitions, Replication: derived.Replication, Config: maps.Clone(derived.Config),
		}
		spec.Config["cleanup.policy"] = "compact"
		spec.Config["min.compaction.lag.ms"] = strconv.FormatInt(changelogLag.Milliseconds(), 10)
		info, ok := p.known[s.Changelog]
		if !ok {
			p.make(spec)
			continue
		}
		if policy, ok := info.Config["cleanup.policy"]; ok && policy != "compact" {
			p.problem("changelog %q of store %q has cleanup.policy=%s: records of the state would be deleted; set it to compact",
				s.Changelog, s.Name, policy)
		}
	}
	for _, n := range part.Nodes {
		if n.Sink == nil || n.Sink.Repartition == "" || n.Sink.Attached {
			continue
		}
		partitions := n.Sink.Partitions
		if partitions == 0 {
			partitions = derived.Partitions
		}
		info, ok := p.repartitionTopic(n, partitions, derived)
		if ok && n.Sink.Partitions > 0 && info.Partitions != n.Sink.Partitions {
			p.problem("topic %q has %d partitions, %d were declared at %s", info.Name, info.Partitions, n.Sink.Partitions, n.Site)
		}
	}
}

// repartitionTopic checks a repartition topic, or makes it, and reports whether it is there.
func (p *preparation) repartitionTopic(n *graph.Node, partitions int32, derived broker.TopicInfo) (info broker.TopicInfo, ok bool) {
	name := p.plan.Topic(n)
	if info, ok = p.known[name]; !ok {
		p.make(broker.TopicSpec{Name: name, Partitions: partitions, Replication: derived.Replication, Config: maps.Clone(derived.Config)})
		return info, false
	}
	if strings.Contains(info.Config["cleanup.policy"], "compact") {
		p.problem("topic %q has cleanup.policy=%s: records would be lost; set it to delete", name, info.Config["cleanup.policy"])
	}
	return info, true
}

// attachedTopics checks, and makes, the topics that a part reads and that are attached to it. They have the settings of the
// part that writes them.
func (p *preparation) attachedTopics(part *graph.Part) {
	for _, n := range part.Sources {
		if !n.Source.Attached() {
			continue
		}
		writer := p.plan.PartOf(n.Source.Repartition)
		if p.inputsKnown(part) && p.inputsKnown(writer) {
			p.repartitionTopic(n.Source.Repartition, p.derive(part).Partitions, p.derive(writer))
		}
	}
}

// derive returns the settings of a part's internal topics: the greatest of its inputs, but for those that are attached to the
// part, where -1 means without limit. An
// input that is yet to be made, with the default of the cluster, counts as without limit if another input has one: what
// the default is we cannot tell. If none has, the internal topics get the default too.
func (p *preparation) derive(part *graph.Part) broker.TopicInfo {
	derived := broker.TopicInfo{Replication: -1, Config: map[string]string{}}
	sources := slices.DeleteFunc(slices.Clone(part.Sources), func(n *graph.Node) bool { return n.Source.Attached() })
	for _, n := range sources {
		info := p.known[p.plan.Topic(n)]
		derived.Partitions = max(derived.Partitions, info.Partitions)
		derived.Replication = max(derived.Replication, info.Replication)
	}
	for _, key := range []string{"retention.ms", "retention.bytes"} {
		known := 0
		for _, n := range sources {
			if value, ok := p.known[p.plan.Topic(n)].Config[key]; ok {
				derived.Config[key] = longer(derived.Config[key], value)
				known++
			}
		}
		if known > 0 && known < len(sources) {
			derived.Config[key] = "-1"
		}
	}
	return derived
}

// longer returns the greater of two retentions. An empty one is none at all, and -1 is without limit.
func longer(a, b string) string {
	if a == "" {
		return b
	}
	x, errX := strconv.ParseInt(a, 10, 64)
	y, errY := strconv.ParseInt(b, 10, 64)
	if errX != nil || errY != nil || x < 0 || y < 0 {
		return "-1"
	}
	return strconv.FormatInt(max(x, y), 10)
}

// upstreamFirst orders the parts so that the one that writes a repartition topic comes before the one that reads it.
func upstreamFirst(plan *graph.Plan) []*graph.Part {
	var order []*graph.Part
	var visit func(part *graph.Part)
	visit = func(part *graph.Part) {
		if slices.Contains(order, part) {
			return
		}
		for _, n := range part.Sources {
			if w := n.Source.Repartition; w != nil && !n.Source.Attached() {
				visit(plan.PartOf(w))
			}
		}
		order = append(order, part)
	}
	for _, part := range plan.Parts {
		visit(part)
	}
	return order
}
