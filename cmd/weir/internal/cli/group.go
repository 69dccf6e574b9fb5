package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/IBM/sarama"
	"github.com/spf13/cobra"

	"github.com/weirstreams/weir/internal/broker"
)

func (s *Session) groupCommand() *cobra.Command {
	if s.Topology == nil {
		return group("group", "Look at consumer groups; programs that embed package weircli reset theirs", s.groupStatusCommand())
	}
	return group("group", "Look at the consumer group, and reset it", s.groupStatusCommand(), s.groupResetCommand())
}

// groupArgument returns the group of the argument, or that of the program.
func (s *Session) groupArgument(args []string) string {
	if len(args) > 0 {
		return s.connection.prefix + args[0]
	}
	return s.connection.prefix + s.Config.Group
}

// groupArguments accepts GROUP, which a program with a topology may leave out.
func (s *Session) groupArguments(verb string) (use string, accepts cobra.PositionalArgs) {
	if s.Topology == nil {
		return verb + " GROUP", cobra.ExactArgs(1)
	}
	return verb + " [GROUP]", cobra.MaximumNArgs(1)
}

// groupStatus is the output of group status.
type groupStatus struct {
	Group      string           `json:"group"`
	State      string           `json:"state"`
	Lag        int64            `json:"lag"`
	Members    []memberStatus   `json:"members"`
	Partitions []partitionState `json:"partitions"`
}

type memberStatus struct {
	ID         string   `json:"id"`
	Client     string   `json:"client"`
	Host       string   `json:"host"`
	Partitions []string `json:"partitions"`
}

type partitionState struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// Committed is -1 if the group has committed no offset, and Lag counts from the first record then.
	Committed int64 `json:"committed"`
	End       int64 `json:"end"`
	Lag       int64 `json:"lag"`
	// Client is the member that has the partition.
	Client string `json:"client,omitempty"`
}

func (s *Session) groupStatusCommand() *cobra.Command {
	use, arguments := s.groupArguments("status")
	command := &cobra.Command{
		Use:     use,
		Short:   "Show members, offsets and lag of a consumer group",
		Example: fmt.Sprintf("  %s\n  %s --output json", strings.TrimSpace(s.Name+" group status "+s.exampleGroup()), strings.TrimSpace(s.Name+" group status "+s.exampleGroup())),
		Args:    arguments,
		RunE: func(command *cobra.Command, args []string) (err error) {
			_, admin, err := s.administrate()
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, admin.Close()) }()
			cluster, err := s.connect(command.Context())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, cluster.Close()) }()
			status, err := describeGroup(admin, s.groupArgument(args))
			if err != nil {
				return err
			}
			if err := status.dropDeleted(command.Context(), cluster); err != nil {
				return err
			}
			var tps []broker.TopicPartition
			for _, p := range status.Partitions {
				tps = append(tps, broker.TopicPartition{Topic: p.Topic, Partition: p.Partition})
			}
			starts, err := cluster.Offsets(command.Context(), broker.Earliest, tps...)
			if err != nil {
				return err
			}
			ends, err := cluster.Offsets(command.Context(), broker.End, tps...)
			if err != nil {
				return err
			}
			for i, tp := range tps {
				p := &status.Partitions[i]
				p.End = ends[tp]
				p.Lag = max(p.End-max(p.Committed, starts[tp]), 0)
				status.Lag += p.Lag
			}
			return s.printGroup(status)
		},
	}
	s.connects(command)
	return command
}

func (s *Session) exampleGroup() string {
	if s.Topology == nil {
		return "word-count"
	}
	return ""
}

// describeGroup asks for everything but the ends of the partitions.
func describeGroup(admin sarama.ClusterAdmin, name string) (*groupStatus, error) {
	described, err := admin.DescribeConsumerGroups([]string{name})
	if err != nil {
		return nil, fmt.Errorf("describe group %q: %w", name, err)
	}
	status := &groupStatus{Group: name, Members: []memberStatus{}, Partitions: []partitionState{}}
	owners := map[broker.TopicPartition]string{}
	for _, g := range described {
		if g.Err != sarama.ErrNoError && g.Err != sarama.ErrGroupIDNotFound {
			return nil, fmt.Errorf("describe group %q: %w", name, g.Err)
		}
		status.State = g.State
		for id, m := range g.Members {
			member := memberStatus{ID: id, Client: m.ClientId, Host: m.ClientHost, Partitions: []string{}}
			assignment, err := m.GetMemberAssignment()
			if err == nil && assignment != nil {
				for topic, partitions := range assignment.Topics {
					for _, p := range partitions {
						tp := broker.TopicPartition{Topic: topic, Partition: p}
						owners[tp] = m.ClientId
						member.Partitions = append(member.Partitions, fmt.Sprintf("%s:%d", topic, p))
					}
				}
			}
			slices.Sort(member.Partitions)
			status.Members = append(status.Members, member)
		}
	}
	offsets, err := admin.ListConsumerGroupOffsets(name, nil)
	if errors.Is(err, sarama.ErrGroupIDNotFound) {
		offsets, err = &sarama.OffsetFetchResponse{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("offsets of group %q: %w", name, err)
	}
	for topic, partitions := range offsets.Blocks {
		for p, block := range partitions {
			tp := broker.TopicPartition{Topic: topic, Partition: p}
			status.Partitions = append(status.Partitions, partitionState{Topic: topic, Partition: p, Committed: block.Offset, Client: owners[tp]})
			delete(owners, tp)
		}
	}
	for tp, client := range owners {
		status.Partitions = append(status.Partitions, partitionState{Topic: tp.Topic, Partition: tp.Partition, Committed: -1, Client: client})
	}
	if len(status.Partitions) == 0 && len(status.Members) == 0 {
		return nil, fmt.Errorf("group %q has no members and no offsets: it does not exist, or its offsets have expired", name)
	}
	slices.SortFunc(status.Members, func(a, b memberStatus) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(status.Partitions, func(a, b partitionState) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return status, nil
}

// dropDeleted leaves out offsets of topics that are deleted: the cluster forgets them some time later.
func (g *groupStatus) dropDeleted(ctx context.Context, cluster broker.Cluster) error {
	var names []string
	for _, p := range g.Partitions {
		names = append(names, p.Topic)
	}
	topics, err := cluster.Topics(ctx, slices.Compact(names)...)
	if err != nil {
		return err
	}
	g.Partitions = slices.DeleteFunc(g.Partitions, func(p partitionState) bool { return p.Partition >= topics[p.Topic].Partitions })
	return nil
}

func (s *Session) printGroup(status *groupStatus) error {
	if s.json {
		return s.PrintJSON(status)
	}
	fmt.Fprintf(s.Out, "group %s: %s, %s, lag %d\n\n", status.Group, strings.ToLower(status.State), count(int64(len(status.Members)), "member"), status.Lag)
	if len(status.Members) > 0 {
		var rows [][]string
		for _, m := range status.Members {
			rows = append(rows, []string{m.Client, m.Host, fmt.Sprint(len(m.Partitions)), m.ID})
		}
		if err := s.printTable([]string{"CLIENT", "HOST", "PARTITIONS", "MEMBER"}, rows); err != nil {
			return err
		}
		fmt.Fprintln(s.Out)
	}
	var rows [][]string
	for _, p := range status.Partitions {
		committed := "none"
		if p.Committed >= 0 {
			committed = fmt.Sprint(p.Committed)
		}
		rows = append(rows, []string{p.Topic, fmt.Sprint(p.Partition), committed, fmt.Sprint(p.End), fmt.Sprint(p.Lag), p.Client})
	}
	return s.printTable([]string{"TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "CLIENT"}, rows)
}
