package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstreams/weir/cmd/weir/internal/cli"
	"github.com/weirstreams/weir/internal/kafkatest/inprocess"
)

// devOptions are the flags of weir dev.
type devOptions struct {
	port       int
	data       string
	topics     []string
	inventory  string
	partitions int32
	auto       bool
}

// devTopic is a topic of the output.
type devTopic struct {
	Name       string `json:"name"`
	Partitions int32  `json:"partitions"`
}

func devCommand(s *cli.Session) *cobra.Command {
	var o devOptions
	command := &cobra.Command{
		Use:   "dev",
		Short: "Run a Kafka broker for development in this process",
		Long: `Run a Kafka broker for development in this process, until Ctrl-C. It listens on the loopback interface, asks for no login, and is not for production.

Records are in memory and end with the process, unless --data names a directory. Topics come from --topic, and from the inventory of a
topology: the inputs of its sub-topologies and global tables. The program makes its internal topics itself. --inventory takes the output of "topology show --output json"
of a program that embeds package weircli, or Topology.Inventory as JSON.`,
		Example: `  weir dev
  weir dev --topic lines --topic orders:12 --data ./kafka
  go run . topology show --output json > inventory.json && weir dev --inventory inventory.json`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			topics, err := o.allTopics()
			if err != nil {
				return err
			}
			cluster, created, err := o.start(topics)
			if err != nil {
				return err
			}
			defer cluster.Close()
			if err := printDev(s, cluster.ListenAddrs(), o.data, created); err != nil {
				return err
			}
			<-command.Context().Done()
			return nil
		},
	}
	flags := command.Flags()
	flags.IntVar(&o.port, "port", 9092, "port of the broker; 0 chooses one")
	flags.StringVar(&o.data, "data", "", "directory that keeps topics, records and offsets")
	flags.StringArrayVarP(&o.topics, "topic", "t", nil, "topic to create if it is not there, as NAME or NAME:PARTITIONS")
	flags.StringVar(&o.inventory, "inventory", "", "file with the inventory of a topology")
	flags.Int32Var(&o.partitions, "partitions", 1, "partitions of topics without a number of their own")
	flags.BoolVar(&o.auto, "auto-create", false, "create topics that clients ask for")
	return command
}

// allTopics returns the topics of flags and inventory.
func (o *devOptions) allTopics() ([]devTopic, error) {
	if o.partitions < 1 {
		return nil, cli.Usagef("--partitions %d: a topic has at least one", o.partitions)
	}
	var topics []devTopic
	for _, text := range o.topics {
		name, number, given := strings.Cut(text, ":")
		n := int64(o.partitions)
		if given {
			var err error
			if n, err = strconv.ParseInt(number, 10, 32); err != nil || n < 1 {
				return nil, cli.Usagef("--topic %q: give NAME or NAME:PARTITIONS", text)
			}
		}
		topics = append(topics, devTopic{name, int32(n)})
	}
	if o.inventory == "" {
		return topics, nil
	}
	inventory, err := cli.ReadInventory(o.inventory)
	if err != nil {
		return nil, err
	}
	for _, name := range cli.Inputs(inventory) {
		if !slices.ContainsFunc(topics, func(t devTopic) bool { return t.Name == name }) {
			topics = append(topics, devTopic{name, o.partitions})
		}
	}
	return topics, nil
}

// start starts the broker, and creates the topics that a directory with data has not yet.
func (o *devOptions) start(topics []devTopic) (*kfake.Cluster, []devTopic, error) {
	options := []kfake.Opt{kfake.Ports(o.port), kfake.DefaultNumPartitions(int(o.partitions))}
	if o.data != "" {
		if err := os.MkdirAll(o.data, 0o755); err != nil {
			return nil, nil, err
		}
		options = append(options, kfake.DataDir(o.data))
	}
	if o.auto {
		options = append(options, kfake.AllowAutoTopicCreation())
	}
	cluster, err := inprocess.Start(options...)
	if err != nil {
		return nil, nil, fmt.Errorf("%w; --port 0 chooses a free port", err)
	}
	for i, t := range topics {
		if there := cluster.PartitionInfos(t.Name); len(there) > 0 {
			topics[i].Partitions = int32(len(there))
			continue
		}
		if err := cluster.CreateTopic(t.Name, t.Partitions, nil); err != nil {
			cluster.Close()
			return nil, nil, fmt.Errorf("create topic %q: %w", t.Name, err)
		}
	}
	return cluster, topics, nil
}

func printDev(s *cli.Session, addresses []string, data string, topics []devTopic) error {
	if s.JSON() {
		return json.NewEncoder(s.Out).Encode(map[string]any{"brokers": addresses, "data": data, "topics": topics, "production": false})
	}
	where := "in memory: they end with this process; --data DIR keeps them"
	if data != "" {
		where = "in " + data
	}
	address := strings.Join(addresses, ",")
	fmt.Fprintf(s.Out, "Kafka for development, not for production\n\n  brokers  %s\n  records  %s\n", address, where)
	for _, t := range topics {
		fmt.Fprintf(s.Out, "  topic    %s, partitions: %d\n", t.Name, t.Partitions)
	}
	topic, create := "lines", "  weir topic create lines\n"
	if len(topics) > 0 {
		topic, create = topics[0].Name, ""
	}
	_, err := fmt.Fprintf(s.Out, `
In another terminal:
  export KAFKA_BOOTSTRAP_SERVERS=%s
%s  echo 'to be or not to be' | weir topic produce %s
  weir topic tail %[3]s --follow
Ctrl-C ends it.
`, address, create, topic)
	return err
}
