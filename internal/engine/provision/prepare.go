// Package provision compares the topics of a plan with the cluster before an application begins: it reports all problems at once,
// creates the topics that are missing, and changes the settings of internal topics that would lose or refuse records.
package provision

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

// Options say how topics are made.
type Options struct {
	// Create makes topics of the user that do not exist. Internal topics are always made.
	Create bool
	// Replication is the number of replicas of topics of the user that are made; -1 is the cluster's default.
	Replication int16
	// Patience is how long a topic of the user may be unknown before it counts as missing: not every broker knows at
	// once of a topic that was made a moment ago. 0 asks once.
	Patience time.Duration
	// MaxRecordBytes is the least max.message.bytes of internal topics. 0 means that of their inputs and 64 KiB more.
	MaxRecordBytes int
	// DeadLetters describes the topic of dead letters, graph.Plan.DeadLetters.
	DeadLetters weir.DeadLetterOptions
	// Partly says that topics are made by a platform that takes some of their settings alone: the others are set afterwards.
	Partly bool
	// Review, if not nil, adds to the problems that are found. exists says whether a topic is there.
	Review func(ctx context.Context, exists func(topic string) bool) (problems []string, err error)
	// Approved, if not nil, is called when there are no problems, before topics are made. replication is the greatest of
	// the topics of the plan.
	Approved func(ctx context.Context, replication int16) error
	Logger   *slog.Logger
}

// Error holds everything that is wrong with the topics on the cluster, and with changes since the version before.
type Error struct {
	Problems []string
	// settings and changes say that there are problems of that kind.
	settings, changes bool
}

// Is reports whether there are such problems.
func (e *Error) Is(target error) bool {
	return target == weir.ErrTopicSettings && e.settings || target == weir.ErrDefinitionChanged && e.changes
}

// Error returns one line per problem, below a heading.
func (e *Error) Error() string {
	return fmt.Sprintf("topics: %d problem(s)\n\t%s", len(e.Problems), strings.Join(e.Problems, "\n\t"))
}

// Prepare checks that the topics of the plan are there and fit it, makes the internal ones that are missing, mends those that
// would lose records, and returns the properties of each that the engine needs. All problems are reported at once, as a *TopicError.
func Prepare(ctx context.Context, cluster broker.Cluster, plan *graph.Plan, options Options) (*Topics, error) {
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
		return nil, &Error{Problems: p.problems, settings: len(p.problems) > p.reviewed, changes: p.reviewed > 0}
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
	if options.Partly {
		if err := p.mendMade(ctx, cluster); err != nil {
			return nil, err
		}
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

// mendMade notes the settings of the internal topics that were made, as far as the cluster has other ones.
func (p *preparation) mendMade(ctx context.Context, cluster broker.Cluster) error {
	var names []string
	for _, spec := range p.missing {
		names = append(names, spec.Name)
	}
	made, err := cluster.Topics(ctx, names...)
	if err != nil {
		return fmt.Errorf("look up topics: %w", err)
	}
	for _, spec := range p.missing {
		if info, ok := made[spec.Name]; ok && p.internal[spec.Name] {
			p.known[spec.Name] = info
			p.mend(info, spec.Config)
		}
	}
	return nil
}

// Plan is the plan of Prepare.
type Plan struct {
	// Existing are the topics of the plan that are there, Missing those that would be made.
	Existing []broker.TopicInfo
	Missing  []broker.TopicSpec
	// Changes are the settings of existing internal topics that would be mended, by topic.
	Changes map[string]map[string]string
	// Problems prevent all changes: with one of them, no topic is made. Warnings do not.
	Problems, Warnings []string
}

// DryRun returns the plan of Prepare, and changes nothing.
func DryRun(ctx context.Context, cluster broker.Cluster, plan *graph.Plan, options Options) (*Plan, error) {
	p, err := prepare(ctx, cluster, plan, options)
	if err != nil {
		return nil, err
	}
	result := &Plan{Missing: p.missing, Changes: p.changes, Problems: p.problems, Warnings: p.warnings}
	for _, name := range slices.Sorted(maps.Keys(p.described)) {
		result.Existing = append(result.Existing, p.known[name])
	}
	return result, nil
}

// prepare compares the plan with the cluster.
func prepare(ctx context.Context, cluster broker.Cluster, plan *graph.Plan, options Options) (*preparation, error) {
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
	p.slotTopics()
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
	p.deadLetters()
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

// preparation is one run of Prepare.
type preparation struct {
	plan     *graph.Plan
	options  Options
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

func (p *preparation) problem(format string, args ...any) {
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
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
