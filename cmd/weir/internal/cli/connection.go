package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/spf13/cobra"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/kafkaclient"
	"github.com/weirstreams/weir/kafka"
)

// environment is the prefix of variables with the settings of a connection.
const environment = "KAFKA_"

// defaultBroker is the address of a broker under development: that of weir dev.
const defaultBroker = "localhost:9092"

// connectionFlags are the flags of commands that speak to a cluster.
type connectionFlags struct {
	brokers []string
	options map[string]string
	prefix  string
	timeout time.Duration
	verbose bool
}

// connects adds the flags of a connection to commands.
func (s *Session) connects(commands ...*cobra.Command) {
	for _, command := range commands {
		flags := command.Flags()
		flags.StringSliceVarP(&s.connection.brokers, "brokers", "b", nil, "host:port of brokers; default "+s.defaultBrokers())
		flags.StringToStringVarP(&s.connection.options, "option", "X", nil, "option of librdkafka, as security.protocol=ssl")
		flags.StringVar(&s.connection.prefix, "prefix", s.Config.Prefix, "prefix of topics and groups, as Config.Prefix")
		flags.DurationVar(&s.connection.timeout, "timeout", 10*time.Second, "how long the cluster may be out of reach")
		flags.BoolVarP(&s.connection.verbose, "verbose", "v", false, "show the log of the client")
	}
}

func (s *Session) defaultBrokers() string {
	if s.Topology != nil {
		return "those of the program"
	}
	return "KAFKA_BOOTSTRAP_SERVERS, else " + defaultBroker
}

// connectionOf returns the settings of the program with those of flags on top. The program weir takes its own from the environment.
func (s *Session) connectionOf() (kafka.Connection, error) {
	connection := s.Config.Connection
	if s.Topology == nil {
		var err error
		if connection, err = kafka.ConnectionFromEnvironment(environment); err != nil {
			return connection, err
		}
	}
	if len(s.connection.options) > 0 {
		token, edit := connection.SASL.Token, connection.Sarama
		all := connection.Map()
		maps.Copy(all, s.connection.options)
		var err error
		if connection, err = kafka.ConnectionFromMap(all); err != nil {
			return connection, err
		}
		connection.SASL.Token, connection.Sarama = token, edit
	}
	if len(s.connection.brokers) > 0 {
		connection.Brokers = s.connection.brokers
	}
	if len(connection.Brokers) == 0 {
		connection.Brokers = []string{defaultBroker}
	}
	return connection, nil
}

func (s *Session) logger() *slog.Logger {
	if s.connection.verbose {
		return slog.New(slog.NewTextHandler(s.Err, nil))
	}
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}

// kafkaConfig returns the settings for producers and consumers.
func (s *Session) kafkaConfig() (kafka.Config, error) {
	connection, err := s.connectionOf()
	if err != nil {
		return kafka.Config{}, err
	}
	return kafka.Config{Connection: connection, Prefix: s.connection.prefix, BrokerTimeout: s.connection.timeout, Logger: s.logger()}, nil
}

// connect opens the cluster. The caller closes it.
func (s *Session) connect(ctx context.Context) (broker.Cluster, error) {
	connection, tune, err := s.tune()
	if err != nil {
		return nil, err
	}
	return saramabroker.Open(ctx, saramabroker.Config{
		Brokers: connection.Brokers, ClientID: "weir-cli", OpenTimeout: s.connection.timeout, Logger: s.logger(), Tune: tune,
	})
}

func (s *Session) tune() (kafka.Connection, saramabroker.Tune, error) {
	connection, err := s.connectionOf()
	if err != nil {
		return connection, nil, err
	}
	var problems []string
	saramabroker.CheckBrokers("--brokers", connection.Brokers, func(format string, args ...any) {
		problems = append(problems, fmt.Sprintf(format, args...))
	})
	if len(problems) > 0 {
		return connection, nil, fmt.Errorf("%w: %s", weir.ErrConfiguration, strings.Join(problems, "; "))
	}
	tune, err := kafkaclient.Tune(connection)
	return connection, tune, err
}

// administrate opens the cluster for requests that package broker has not. The caller closes it.
func (s *Session) administrate() (sarama.Client, sarama.ClusterAdmin, error) {
	connection, tune, err := s.tune()
	if err != nil {
		return nil, nil, err
	}
	config := sarama.NewConfig()
	config.Version = sarama.V3_6_0_0
	config.ClientID = "weir-cli"
	config.Metadata.Retry.Max = 1
	config.Net.DialTimeout = s.connection.timeout
	tune(config)
	client, err := sarama.NewClient(connection.Brokers, config)
	if err != nil {
		return nil, nil, fmt.Errorf("no broker of %s answers: %w: %w", strings.Join(connection.Brokers, ", "), weir.ErrUnavailable, err)
	}
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		_ = client.Close()
		return nil, nil, err
	}
	return client, admin, nil
}
