package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// ResetOptions says from where an application begins again. The zero value is the first record of each topic.
type ResetOptions struct {
	// Time begins with the first records that have this time or a later one. The zero time means no time.
	Time time.Time
	// Latest begins behind the last record of each topic. It cannot be set together with Time.
	Latest bool
	// Offsets are those of single partitions, by topic and partition, in place of what the fields above say. Topics have their names on the cluster.
	Offsets map[string]map[int32]int64
	// DryRun changes nothing: Reset returns what it would do.
	DryRun bool
}

// ResetPlan lists the changes of a [App.Reset].
type ResetPlan struct {
	// Offsets are the positions of the input, sorted by topic and partition.
	Offsets []ResetOffset
	// Topics are the internal topics that are deleted: changelogs, repartition topics, positions of sources and the inventory.
	Topics []string
	// Directories have the state of this machine that is deleted, one per task.
	Directories []string
}

// ResetOffset is a new position of a partition.
type ResetOffset struct {
	Topic     string
	Partition int32
	// From is the committed offset, -1 if there is none, and To the new one. End is the end of the partition.
	From, To, End int64
}

// String returns the plan as text for people, a line for each change.
func (p *ResetPlan) String() string {
	var b strings.Builder
	for _, o := range p.Offsets {
		from := "none"
		if o.From >= 0 {
			from = fmt.Sprint(o.From)
		}
		fmt.Fprintf(&b, "offset of %s[%d]: %s becomes %d, %d records are read again or first\n", o.Topic, o.Partition, from, o.To, o.End-o.To)
	}
	for _, topic := range p.Topics {
		fmt.Fprintf(&b, "topic %s: deleted\n", topic)
	}
	for _, dir := range p.Directories {
		fmt.Fprintf(&b, "directory %s: deleted\n", dir)
	}
	return b.String()
}

// Reset makes an application begin again: it sets the committed offsets of its input, and deletes its internal topics and its state on this machine. Topics
// that the application writes itself, by To or by a source, begin at their ends, because what is in them is written again; sources begin at their start.
// Output, dead letters and what sinks have written stay, and are written a second time. Call it first with DryRun, and look at the plan.
//
// The application must not run anywhere: while its group has members, Reset changes nothing and returns a weir.ErrMembers that names them. Members that have left without
// a word, or are killed, stay members until their session ends. State on other machines is found to be of another time at their next start, and is restored.
//
// The order is offsets, state, topics. After an error or a crash call Reset again before the application runs: until then there may be new offsets with old state. It
// takes the rights to describe the group and to delete topics beside those of Run. Internal topics of former versions of the topology stay.
//
// The error wraps weir.ErrMembers while the application runs, weir.ErrConfiguration for options that contradict themselves, weir.ErrLocked while a process holds the state directory, and
// weir.ErrUnavailable or weir.ErrUnauthorized of the cluster.
func (a *App) Reset(ctx context.Context, options ResetOptions) (plan *ResetPlan, err error) {
	if options.Latest && !options.Time.IsZero() {
		return nil, fmt.Errorf("reset: %w: set Time or Latest, not both", weir.ErrConfiguration)
	}
	cluster, err := a.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("reset: %w", err)
	}
	defer a.close("the connection to the cluster", &err, cluster.Close)
	resetter, ok := cluster.(broker.Resetter)
	if !ok {
		return nil, errors.New("reset: the cluster cannot change groups")
	}
	if err := a.checkNoMembers(ctx, resetter); err != nil {
		return nil, err
	}
	if plan, err = a.planReset(ctx, cluster, options); err != nil {
		return nil, fmt.Errorf("reset: %w", err)
	}
	if options.DryRun {
		return plan, nil
	}
	offsets := map[broker.TopicPartition]int64{}
	for _, o := range plan.Offsets {
		offsets[broker.TopicPartition{Topic: o.Topic, Partition: o.Partition}] = o.To
	}
	if err := resetter.CommitAlone(ctx, a.plan.Group, offsets); err != nil {
		return plan, fmt.Errorf("reset: %w", err)
	}
	if plan.Directories, err = a.ClearState(ctx); err != nil {
		return plan, fmt.Errorf("reset: the offsets are new, and the state is not deleted; reset again before the application runs: %w", err)
	}
	if err := resetter.DeleteTopics(ctx, plan.Topics...); err != nil {
		return plan, fmt.Errorf("reset: the offsets are new, and topics with state are left; reset again before the application runs: %w", err)
	}
	a.config.Logger.Info("the application begins again", "group", a.plan.Group, "partitions", len(plan.Offsets), "topics", plan.Topics)
	return plan, nil
}

func (a *App) checkNoMembers(ctx context.Context, cluster broker.Resetter) error {
	members, err := cluster.Members(ctx, a.plan.Group)
	if err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	if len(members) > 0 {
		return fmt.Errorf("reset: %w: stop the application everywhere, and wait for the end of the session of members that were killed: %q", weir.ErrMembers, members)
	}
	return nil
}

// planReset finds out about the changes of a reset.
func (a *App) planReset(ctx context.Context, cluster broker.Cluster, options ResetOptions) (*ResetPlan, error) {
	input, own := a.resetTopics()
	infos, err := cluster.Topics(ctx, input...)
	if err != nil {
		return nil, err
	}
	var tps []broker.TopicPartition
	for _, name := range input {
		info, ok := infos[name]
		if !ok {
			return nil, fmt.Errorf("topic %q does not exist", name)
		}
		for p := range info.Partitions {
			tps = append(tps, broker.TopicPartition{Topic: name, Partition: p})
		}
	}
	starts, ends, err := bothEnds(ctx, cluster, tps)
	if err != nil {
		return nil, err
	}
	committed, err := cluster.CommittedOffsets(ctx, a.plan.Group, tps...)
	if err != nil {
		return nil, err
	}
	timed := map[broker.TopicPartition]int64{}
	if !options.Time.IsZero() {
		if timed, err = cluster.OffsetsAtTime(ctx, options.Time.UnixMilli(), tps...); err != nil {
			return nil, err
		}
	}
	plan := &ResetPlan{}
	for _, tp := range tps {
		o := ResetOffset{Topic: tp.Topic, Partition: tp.Partition, From: -1, To: starts[tp], End: ends[tp]}
		if from, ok := committed[tp]; ok {
			o.From = from
		}
		at, given := timed[tp]
		switch {
		case options.Latest || own[tp.Topic] || !options.Time.IsZero() && !given:
			o.To = o.End
		case given:
			o.To = at
		}
		plan.Offsets = append(plan.Offsets, o)
	}
	if err := plan.setOffsets(options.Offsets, starts); err != nil {
		return nil, err
	}
	slices.SortFunc(plan.Offsets, func(x, y ResetOffset) int {
		return cmp.Or(strings.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition))
	})
	internal := append(a.plan.InternalTopics(), a.inventoryTopic())
	there, err := cluster.Topics(ctx, internal...)
	if err != nil {
		return nil, err
	}
	plan.Topics = slices.Sorted(maps.Keys(there))
	plan.Directories, err = a.stateDirectories()
	return plan, err
}

// setOffsets puts given offsets in place of those of the plan.
func (p *ResetPlan) setOffsets(given map[string]map[int32]int64, starts map[broker.TopicPartition]int64) error {
	var wrong []error
	for topic, partitions := range given {
		for partition, offset := range partitions {
			i := slices.IndexFunc(p.Offsets, func(o ResetOffset) bool { return o.Topic == topic && o.Partition == partition })
			if i < 0 {
				wrong = append(wrong, fmt.Errorf("the application does not read %s[%d], for which an offset is given", topic, partition))
				continue
			}
			if start := starts[broker.TopicPartition{Topic: topic, Partition: partition}]; offset < start || offset > p.Offsets[i].End {
				wrong = append(wrong, fmt.Errorf("%s[%d] has the offsets %d to %d, and %d is given", topic, partition, start, p.Offsets[i].End, offset))
			}
			p.Offsets[i].To = offset
		}
	}
	slices.SortFunc(wrong, func(x, y error) int { return strings.Compare(x.Error(), y.Error()) })
	return errors.Join(wrong...)
}

// resetTopics returns the topics of the input that are not internal, and the topics that the application writes itself.
func (a *App) resetTopics() (input []string, own map[string]bool) {
	internal := a.plan.InternalTopics()
	input = slices.DeleteFunc(a.plan.InputTopics(), func(topic string) bool { return slices.Contains(internal, topic) })
	own = map[string]bool{}
	for _, part := range a.plan.SubTopologies {
		for _, n := range part.Nodes {
			if n.Sink != nil || n.Source != nil && n.Source.Fed {
				own[a.plan.Topic(n)] = true
			}
		}
	}
	return slices.Compact(input), own
}

// bothEnds returns the first offset of each partition, and the one behind its last record.
func bothEnds(ctx context.Context, cluster broker.Cluster, tps []broker.TopicPartition) (starts, ends map[broker.TopicPartition]int64, err error) {
	if starts, err = cluster.Offsets(ctx, broker.Earliest, tps...); err != nil {
		return nil, nil, err
	}
	ends, err = cluster.Offsets(ctx, broker.Latest, tps...)
	return starts, ends, err
}
