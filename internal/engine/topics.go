package engine

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir"
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
	// MaxRecordBytes is the least max.message.bytes of internal topics. 0 means that of their inputs and 64 KiB more.
	MaxRecordBytes int
	// Review, if not nil, adds to the problems that are found. exists says whether a topic is there.
	Review func(ctx context.Context, exists func(topic string) bool) (problems []string, err error)
	// Approved, if not nil, is called when there are no problems, before topics are made. replication is the greatest of
	// the topics of the plan.
	Approved func(ctx context.Context, replication int16) error
	Logger   *slog.Logger
}

// TopicError holds everything that is wrong with the topics on the cluster, and with changes since the version before.
type TopicError struct {
	Problems []string
	// settings and changes say that there are problems of that kind.
	settings, changes bool
}

// Is reports whether there are such problems.
func (e *TopicError) Is(target error) bool {
	return target == weir.ErrTopicSettings && e.settings || target == weir.ErrDefinitionChanged && e.changes
}

// Error returns one line per problem, below a heading.
func (e *TopicError) Error() string {
	return fmt.Sprintf("topics: %d problem(s)\n\t%s", len(e.Problems), strings.Join(e.Problems, "\n\t"))
}

// PrepareTopics checks that the topics of the plan are there and fit it, makes the internal ones that are missing, mends those that
// would lose records, and returns the properties of each that the engine needs. All problems are reported at once, as a *TopicError.
func PrepareTopics(ctx context.Context, cluster broker.Cluster, plan *graph.Plan, options TopicOptions) (*Topics, error) {
	p, err := prepare(ctx, cluster, plan, options)
	if err == nil && len(p.problems) == 0 && p.makesUserTopics() {
		// Internal topics follow the settings of their inputs, which the cluster tells when it has made them.
		if err = p.create(ctx, cluster, false); err == nil {
			made := p
			if p, err = prepare(ctx, cluster, plan, options); err == nil {
				p.adopt(made)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	for _, warning := range p.warnings {
		options.Logger.Warn(warning)
	}
	if len(p.problems) > 0 {
		return nil, &TopicError{Problems: p.problems, settings: len(p.problems) > p.reviewed, changes: p.reviewed > 0}
	}
	if options.Approved != nil {
		replication := int16(-1)
		for _, info := range p.known {
			replication = max(replication, info.Replication)
		}
		if err := options.Approved(ctx, replication); err != nil {
			return nil, err
		}
	}
	if err := p.create(ctx, cluster, true); err != nil {
		return nil, err
	}
	if err := p.configure(ctx, cluster); err != nil {
		return nil, err
	}
	if len(p.missing) > 0 || len(p.changes) > 0 {
		now, err := cluster.Topics(ctx, slices.Sorted(maps.Keys(p.known))...)
		if err != nil {
			return nil, fmt.Errorf("look up topics: %w", err)
		}
		for name, info := range now {
			if info.Partitions == p.known[name].Partitions { // else the broker does not know all of it yet
				p.known[name] = info
			}
		}
	}
	return p.topics(), nil
}

// makesUserTopics reports whether topics of the user are missing.
func (p *preparation) makesUserTopics() bool {
	return slices.ContainsFunc(p.missing, func(s broker.TopicSpec) bool { return !p.internal[s.Name] })
}

// adopt takes over the topics that an earlier preparation has made, and that not every broker knows yet.
func (p *preparation) adopt(made *preparation) {
	p.missing = slices.DeleteFunc(p.missing, func(s broker.TopicSpec) bool { return !p.internal[s.Name] })
	for _, s := range made.missing {
		if _, ok := p.known[s.Name]; !ok {
			p.known[s.Name] = broker.TopicInfo{Name: s.Name, Partitions: s.Partitions, Replication: s.Replication, Config: s.Config}
		}
	}
}

// create makes the missing topics, internal ones or those of the user.
func (p *preparation) create(ctx context.Context, cluster broker.Cluster, internal bool) error {
	var specs []broker.TopicSpec
	for _, spec := range p.missing {
		if p.internal[spec.Name] == internal {
			p.options.Logger.Info("creating topic", "topic", spec.Name, "partitions", spec.Partitions)
			specs = append(specs, spec)
		}
	}
	if len(specs) == 0 {
		return nil
	}
	if err := cluster.CreateTopics(ctx, specs...); err != nil {
		return err // which says that topics were to be made
	}
	return nil
}

// TopicPlan is the plan of PrepareTopics.
type TopicPlan struct {
	// Existing are the topics of the plan that are there, Missing those that would be made.
	Existing []broker.TopicInfo
	Missing  []broker.TopicSpec
	// Changes are the settings of existing internal topics that would be mended, by topic.
	Changes map[string]map[string]string
	// Problems prevent all changes: with one of them, no topic is made. Warnings do not.
	Problems, Warnings []string
}

// PlanTopics returns the plan of PrepareTopics, and changes nothing.
func PlanTopics(ctx context.Context, cluster broker.Cluster, plan *graph.Plan, options TopicOptions) (*TopicPlan, error) {
	p, err := prepare(ctx, cluster, plan, options)
	if err != nil {
		return nil, err
	}
	result := &TopicPlan{Missing: p.missing, Changes: p.changes, Problems: p.problems, Warnings: p.warnings}
	for _, name := range slices.Sorted(maps.Keys(p.described)) {
		result.Existing = append(result.Existing, p.known[name])
	}
	return result, nil
}

// prepare compares the plan with the cluster.
func prepare(ctx context.Context, cluster broker.Cluster, plan *graph.Plan, options TopicOptions) (*preparation, error) {
	p := &preparation{plan: plan, options: options, internal: internalNames(plan), changes: map[string]map[string]string{}}
	if err := p.look(ctx, cluster); err != nil {
		return nil, err
	}
	p.described = make(map[string]bool, len(p.known))
	for name := range p.known {
		p.described[name] = true
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
	if options.Review != nil {
		problems, err := options.Review(ctx, func(topic string) bool {
			_, known := p.known[topic]
			return known && !slices.ContainsFunc(p.missing, func(s broker.TopicSpec) bool { return s.Name == topic })
		})
		if err != nil {
			return nil, err
		}
		p.problems, p.reviewed = append(p.problems, problems...), len(problems)
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
	warnings []string
	reviewed int // number of problems that Review has found
	// described are the topics that the cluster has described, internal those that the application makes.
	described, internal map[string]bool
	// changes are the settings of existing internal topics that have to change, by topic.
	changes map[string]map[string]string
}

// internalNames returns the names of the internal topics of a plan.
func internalNames(plan *graph.Plan) map[string]bool {
	internal := map[string]bool{}
	for _, part := range plan.SubTopologies {
		for _, s := range part.Stores {
			if s.Changelog != "" {
				internal[s.Changelog] = true
			}
		}
		for _, n := range part.Nodes {
			if n.Sink != nil && n.Sink.Repartition != "" {
				internal[plan.Topic(n)] = true
			}
		}
	}
	return internal
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
	for _, part := range p.plan.SubTopologies {
		for _, s := range part.Stores {
			if s.Changelog != "" {
				names[s.Changelog] = true
			}
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
		p.compare(n, info, partitions, config)
		return
	}
	if !p.options.Create {
		p.problem("topic %q, declared at %s, does not exist: create it, or set Config.Topics.Create", name, n.Site)
		return
	}
	p.make(broker.TopicSpec{
		Name: name, Partitions: max(1, partitions), Replication: p.options.Replication, Config: config,
	})
}

// globalTopics checks the topics of global tables. One that is made is compacted, unless it is a topic of a stream as well or
// its declaration says otherwise.
func (p *preparation) globalTopics() {
	for _, n := range p.plan.Globals {
		name := p.plan.Topic(n)
		if p.internal[name] {
			p.problem("topic %q of the global table declared at %s is an internal topic of this application: write the stream or table to a topic of its own",
				name, n.Site)
			continue
		}
		info, ok := p.known[name]
		if policy, known := info.Config["cleanup.policy"]; ok && known && !strings.Contains(policy, "compact") && info.Config["retention.ms"] != "-1" {
			p.warn("topic %q of the global table declared at %s has cleanup.policy=%s: rows that were written before its retention are missing "+
				"after the next start", name, n.Site, policy)
		}
		config := maps.Clone(n.Global.Config)
		if ok {
			p.compare(n, info, n.Global.Partitions, config)
			continue
		}
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
	p.known[spec.Name] = broker.TopicInfo{Name: spec.Name, Partitions: spec.Partitions, Replication: spec.Replication, Config: spec.Config}
}

// inputsKnown reports whether the inputs of a part, but for those that are attached to it, exist or will.
func (p *preparation) inputsKnown(part *graph.SubTopology) bool {
	for _, n := range part.Sources {
		if _, ok := p.known[p.plan.Topic(n)]; !ok && !n.Source.Attached() {
			return false
		}
	}
	return true
}

// partitions checks that tasks of a part with stores own a partition of every input: records of the same key are in
// partitions of the same number then, if the producers choose partitions alike.
func (p *preparation) partitions(part *graph.SubTopology) {
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
func (p *preparation) internalTopics(part *graph.SubTopology) {
	derived := p.derive(part)
	p.grownInput(part, derived.Partitions)
	for _, s := range part.Stores {
		if s.Changelog == "" {
			p.warn("store %q, of the operator declared at %s, has no changelog: its state is lost with the disk of the machine, and when another "+
				"member takes over a task", s.Name, s.Node.Site)
			continue
		}
		spec := broker.TopicSpec{
			Name: s.Changelog, Partitions: derived.Partitions, Replication: derived.Replication, Config: p.changelogSettings(part),
		}
		info, ok := p.known[s.Changelog]
		if !ok {
			p.make(spec)
			continue
		}
		if policy, ok := info.Config["cleanup.policy"]; ok && policy != "compact" {
			p.problem("changelog %q of store %q has cleanup.policy=%s: records of the state would be deleted; set it to compact",
				s.Changelog, s.Name, policy)
		}
		p.mend(info, spec.Config)
	}
	for _, n := range part.Nodes {
		if n.Sink == nil || n.Sink.Repartition == "" || n.Sink.Attached {
			continue
		}
		partitions := n.Sink.Partitions
		if partitions == 0 {
			partitions = derived.Partitions
		}
		info, ok := p.repartitionTopic(n, part, partitions, derived.Replication)
		if ok && n.Sink.Partitions > 0 && info.Partitions != n.Sink.Partitions {
			p.problem("topic %q has %d partitions, %d were declared at %s", info.Name, info.Partitions, n.Sink.Partitions, n.Site)
		}
	}
}

// repartitionTopic checks a repartition topic that a part writes, or makes it, and reports whether it is there.
func (p *preparation) repartitionTopic(n *graph.Node, writer *graph.SubTopology, partitions int32, replication int16) (info broker.TopicInfo, ok bool) {
	name, settings := p.plan.Topic(n), p.repartitionSettings(writer)
	if info, ok = p.known[name]; !ok {
		p.make(broker.TopicSpec{Name: name, Partitions: partitions, Replication: replication, Config: settings})
		return info, false
	}
	if policy := info.Config[cleanupPolicy]; isCompact(policy) {
		p.problem("topic %q has cleanup.policy=%s: records would be lost; set it to delete", name, policy)
	}
	p.mend(info, settings)
	return info, true
}

// attachedTopics checks, and makes, the topics that a part reads and that are attached to it. They have the settings of the
// part that writes them.
func (p *preparation) attachedTopics(part *graph.SubTopology) {
	for _, n := range part.Sources {
		if !n.Source.Attached() {
			continue
		}
		writer := p.plan.PartOf(n.Source.Repartition)
		if p.inputsKnown(part) && p.inputsKnown(writer) {
			p.repartitionTopic(n.Source.Repartition, writer, p.derive(part).Partitions, p.derive(writer).Replication)
		}
	}
}

// derive returns the partitions and replicas of a part's internal topics: the greatest of its inputs, but for those that are attached
// to the part.
func (p *preparation) derive(part *graph.SubTopology) broker.TopicInfo {
	derived := broker.TopicInfo{Replication: -1}
	for _, n := range part.Sources {
		if n.Source.Attached() {
			continue
		}
		info := p.known[p.plan.Topic(n)]
		derived.Partitions = max(derived.Partitions, info.Partitions)
		derived.Replication = max(derived.Replication, info.Replication)
	}
	return derived
}

// upstreamFirst orders the parts so that the one that writes a repartition topic comes before the one that reads it.
func upstreamFirst(plan *graph.Plan) []*graph.SubTopology {
	var order []*graph.SubTopology
	var visit func(part *graph.SubTopology)
	visit = func(part *graph.SubTopology) {
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
	for _, part := range plan.SubTopologies {
		visit(part)
	}
	return order
}
