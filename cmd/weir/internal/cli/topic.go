package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirstreams/weir/internal/broker"
)

func (s *Session) topicCommand() *cobra.Command {
	return group("topic", "List and create topics, write and read records",
		s.topicListCommand(), s.topicCreateCommand(), s.topicProduceCommand(), s.topicTailCommand())
}

// topicLine is a topic in the output of topic list and topic create.
type topicLine struct {
	Name        string            `json:"name"`
	Partitions  int32             `json:"partitions"`
	Replication int16             `json:"replication"`
	Config      map[string]string `json:"config,omitempty"`
}

func (s *Session) topicListCommand() *cobra.Command {
	var all bool
	command := &cobra.Command{
		Use:     "list",
		Short:   "List the topics of the cluster",
		Example: fmt.Sprintf("  %s topic list\n  %[1]s topic list --all --output json", s.Name),
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) (err error) {
			_, admin, err := s.administrate()
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, admin.Close()) }()
			topics, err := admin.ListTopics()
			if err != nil {
				return fmt.Errorf("list topics: %w", err)
			}
			lines := []topicLine{}
			for _, name := range slices.Sorted(maps.Keys(topics)) {
				if all || !strings.HasPrefix(name, "__") && strings.HasPrefix(name, s.connection.prefix) {
					lines = append(lines, topicLine{Name: name, Partitions: topics[name].NumPartitions, Replication: topics[name].ReplicationFactor})
				}
			}
			return s.printTopics(lines)
		},
	}
	command.Flags().BoolVar(&all, "all", false, "topics without the prefix and those of the cluster (__consumer_offsets) too")
	s.connects(command)
	return command
}

func (s *Session) printTopics(lines []topicLine) error {
	if s.json {
		return s.PrintJSON(lines)
	}
	rows := make([][]string, len(lines))
	for i, t := range lines {
		replication := "default"
		if t.Replication > 0 {
			replication = fmt.Sprint(t.Replication)
		}
		var config []string
		for _, name := range slices.Sorted(maps.Keys(t.Config)) {
			config = append(config, name+"="+t.Config[name])
		}
		rows[i] = []string{t.Name, fmt.Sprint(t.Partitions), replication, strings.Join(config, " ")}
	}
	return s.printTable([]string{"TOPIC", "PARTITIONS", "REPLICAS", "SETTINGS"}, rows)
}

func (s *Session) topicCreateCommand() *cobra.Command {
	var (
		partitions  int32
		replication int16
		config      map[string]string
		dryRun      bool
	)
	command := &cobra.Command{
		Use:   "create TOPIC...",
		Short: "Create topics",
		Long:  "Create topics. If one of them exists already, none is created.",
		Example: fmt.Sprintf(`  %s topic create lines counts
  %[1]s topic create rows --partitions 12 --set cleanup.policy=compact
  %[1]s topic create rows --dry-run`, s.Name),
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, names []string) (err error) {
			if partitions < 1 {
				return Usagef("--partitions %d: a topic has at least one", partitions)
			}
			cluster, err := s.connect(command.Context())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, cluster.Close()) }()
			var lines []topicLine
			var specs []broker.TopicSpec
			for i, name := range names {
				names[i] = s.connection.prefix + name
				specs = append(specs, broker.TopicSpec{Name: names[i], Partitions: partitions, Replication: replication, Config: config})
				lines = append(lines, topicLine{names[i], partitions, replication, config})
			}
			there, err := cluster.Topics(command.Context(), names...)
			if err != nil {
				return err
			}
			if len(there) > 0 {
				return fmt.Errorf("topics exist already: %s", strings.Join(slices.Sorted(maps.Keys(there)), ", "))
			}
			if !dryRun {
				if err := cluster.CreateTopics(command.Context(), specs...); err != nil {
					return err
				}
			}
			return s.printTopics(lines)
		},
	}
	command.Flags().Int32Var(&partitions, "partitions", 1, "number of partitions")
	command.Flags().Int16Var(&replication, "replicas", -1, "number of replicas; -1 is the default of the cluster")
	command.Flags().StringToStringVar(&config, "set", nil, "setting of the topic, as retention.ms=-1")
	command.Flags().BoolVar(&dryRun, "dry-run", false, "create nothing: show the topics that would be created")
	s.connects(command)
	return command
}

// partitionsOf returns the partitions of a topic that exists.
func partitionsOf(ctx context.Context, cluster broker.Cluster, topic string) ([]broker.TopicPartition, error) {
	topics, err := cluster.Topics(ctx, topic)
	if err != nil {
		return nil, err
	}
	info, ok := topics[topic]
	if !ok {
		return nil, fmt.Errorf("topic %q does not exist", topic)
	}
	tps := make([]broker.TopicPartition, info.Partitions)
	for i := range tps {
		tps[i] = broker.TopicPartition{Topic: topic, Partition: int32(i)}
	}
	return tps, nil
}
