package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/spf13/cobra"

	"github.com/weirstreams/weir/internal/broker"
)

// finding is a line of the output of doctor.
type finding struct {
	Check string `json:"check"`
	// Result is ok, warning or problem.
	Result string `json:"result"`
	Detail string `json:"detail"`
}

// The results of checks.
const (
	fine    = "ok"
	warning = "warning"
	problem = "problem"
)

func (s *Session) doctorCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "doctor",
		Short: "Check the connection, the brokers, their versions and the clocks",
		Long: `Check the settings of the connection, each broker and the requests that it knows, and look for records from the future: their times move
stream time forward, so that windows close early. In the topic __consumer_offsets such times come from the clocks of brokers. A clock of this
machine that is fast is not found.

A program with a topology checks its topics as well, as "topology check" does. Nothing is changed on the cluster. The exit code is 3 if there
is a problem.`,
		Example: fmt.Sprintf("  %s doctor\n  %[1]s doctor --brokers kafka:9092 -X security.protocol=ssl --output json", s.Name),
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			findings, err := s.examine(command.Context())
			if err != nil {
				return err
			}
			if s.json {
				err = s.PrintJSON(findings)
			} else {
				rows := make([][]string, len(findings))
				for i, f := range findings {
					rows[i] = []string{f.Result, f.Check, f.Detail}
				}
				err = s.printTable([]string{"RESULT", "CHECK", "DETAIL"}, rows)
			}
			if err == nil && slices.ContainsFunc(findings, func(f finding) bool { return f.Result == problem }) {
				err = Findings()
			}
			return err
		},
	}
	s.connects(command)
	return command
}

// examine runs the checks. Those behind one without which they make no sense are left out.
func (s *Session) examine(ctx context.Context) (findings []finding, err error) {
	connection, _, err := s.tune()
	if err != nil {
		return nil, err
	}
	findings = append(findings, finding{"settings", fine, connection.String()})
	reached := 0
	for _, address := range connection.Brokers {
		dialer := net.Dialer{Timeout: s.connection.timeout}
		c, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			findings = append(findings, finding{"address " + address, problem, err.Error()})
			continue
		}
		reached++
		findings = append(findings, finding{"address " + address, fine, "accepts connections"})
		_ = c.Close()
	}
	if reached == 0 {
		return findings, nil
	}
	client, admin, err := s.administrate()
	if err != nil {
		return append(findings, finding{"login", problem, err.Error()}), nil
	}
	defer func() { err = errors.Join(err, admin.Close()) }()
	findings = append(findings, s.examineBrokers(client)...)
	findings = append(findings, s.examineClocks(ctx))
	if s.Topology != nil {
		findings = append(findings, s.examineTopology(ctx)...)
	}
	return findings, nil
}

// examineBrokers asks each broker that the cluster names for its versions.
func (s *Session) examineBrokers(client sarama.Client) (findings []finding) {
	brokers := client.Brokers()
	slices.SortFunc(brokers, func(a, b *sarama.Broker) int { return cmp.Compare(a.ID(), b.ID()) })
	for _, b := range brokers {
		check := fmt.Sprintf("broker %d", b.ID())
		if err := b.Open(client.Config()); err != nil && !errors.Is(err, sarama.ErrAlreadyConnected) {
			findings = append(findings, finding{check, problem, fmt.Sprintf("%s: %v", b.Addr(), err)})
			continue
		}
		began := time.Now()
		response, err := b.ApiVersions(&sarama.ApiVersionsRequest{Version: 3, ClientSoftwareName: "weir", ClientSoftwareVersion: "1"})
		if err != nil {
			findings = append(findings, finding{
				check, problem,
				fmt.Sprintf("%s: %v; advertised.listeners of the broker has to be an address that this machine reaches", b.Addr(), err),
			})
			continue
		}
		findings = append(findings, finding{check, fine, fmt.Sprintf("%s answers in %v", b.Addr(), time.Since(began).Round(time.Millisecond))})
		findings = append(findings, versions(check, response))
	}
	return findings
}

// needed are the requests, by Kafka's API keys, that Weir sends, with the version of Kafka that brought them.
var needed = []struct {
	key        int16
	name, from string
}{
	{22, "InitProducerId", "0.11"},
	{23, "OffsetForLeaderEpoch", "0.11"},
	{26, "EndTxn", "0.11"},
	{28, "TxnOffsetCommit", "0.11"},
	{44, "IncrementalAlterConfigs", "2.3"},
}

func versions(check string, response *sarama.ApiVersionsResponse) finding {
	has := map[int16]bool{}
	for _, k := range response.ApiKeys {
		has[k.ApiKey] = true
	}
	var missing []string
	for _, n := range needed {
		if !has[n.key] {
			missing = append(missing, fmt.Sprintf("%s (Kafka %s)", n.name, n.from))
		}
	}
	if len(missing) > 0 {
		return finding{check + " version", problem, "it does not know " + strings.Join(missing, ", ")}
	}
	return finding{check + " version", fine, fmt.Sprintf("it knows all requests of Weir, and %d in all", len(response.ApiKeys))}
}

// examineTopology compares the topology with the cluster.
func (s *Session) examineTopology(ctx context.Context) (findings []finding) {
	app, err := s.app(s.once)
	if err != nil {
		return []finding{{"topology", problem, err.Error()}}
	}
	plan, err := app.Plan(ctx)
	if err != nil {
		return []finding{{"topology", problem, err.Error()}}
	}
	for _, p := range plan.Problems {
		findings = append(findings, finding{"topology", problem, p})
	}
	for _, w := range plan.Warnings {
		findings = append(findings, finding{"topology", warning, w})
	}
	if len(plan.Problems) == 0 {
		findings = append(findings, finding{"topology", fine, fmt.Sprintf("topics that exist: %d, that a start makes: %d", len(plan.Existing), len(plan.Missing))})
	}
	return findings
}

// clockTolerance is by how much the time of a record may be after that of this machine: commits and clocks synchronized by NTP differ by less.
const clockTolerance = 10 * time.Second

// examineClocks looks for records from the future, in the topic of offsets and in the input of the topology.
func (s *Session) examineClocks(ctx context.Context) finding {
	names := []string{"__consumer_offsets"}
	if s.Topology != nil {
		for _, name := range Inputs(s.Topology.Inventory()) {
			names = append(names, s.connection.prefix+name)
		}
	}
	early, looked, err := s.fromTheFuture(ctx, names)
	switch {
	case err != nil:
		return finding{"clock", warning, fmt.Sprintf("not compared: %v", err)}
	case len(early) > 0:
		return finding{"clock", warning, fmt.Sprintf("records are more than %v ahead of this machine's clock: %s", clockTolerance, strings.Join(early, ", "))}
	case looked == 0:
		return finding{"clock", fine, "not compared: no topic to compare with"}
	}
	return finding{"clock", fine, fmt.Sprintf("no record is more than %v ahead of this machine's clock; partitions: %d", clockTolerance, looked)}
}

// fromTheFuture returns the places of the first records from the future, and the number of partitions that it asked.
func (s *Session) fromTheFuture(ctx context.Context, names []string) (early []string, looked int, err error) {
	cluster, err := s.connect(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, cluster.Close()) }()
	topics, err := cluster.Topics(ctx, names...)
	if err != nil {
		return nil, 0, err
	}
	var tps []broker.TopicPartition
	for name, info := range topics {
		for i := range info.Partitions {
			tps = append(tps, broker.TopicPartition{Topic: name, Partition: i})
		}
	}
	if len(tps) == 0 {
		return nil, 0, nil
	}
	offsets, err := cluster.OffsetsAtTime(ctx, time.Now().Add(clockTolerance).UnixMilli(), tps...)
	if err != nil {
		return nil, 0, err
	}
	for tp, offset := range offsets {
		early = append(early, fmt.Sprintf("%s[%d]@%d", tp.Topic, tp.Partition, offset))
	}
	slices.Sort(early)
	return early, len(tps), nil
}
