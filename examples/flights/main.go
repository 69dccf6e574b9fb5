// Command flights computes delays of flights by airport and hour: read from a Kafka topic, brought together by airport
// through another, aggregated in windows of an hour, written to a third.
//
// Without flags it starts a broker of its own, in the same process and over TCP.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/examples/internal/local"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/window"
)

func main() {
	brokers := flag.String("brokers", "", "host:port of a Kafka cluster; empty starts one in this process")
	name := flag.String("name", "", "prefix of topics, and consumer group (default flights, or a new name with --brokers)")
	verbose := flag.Bool("v", false, "show the log")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *brokers, *name, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "flights:", err)
		os.Exit(1)
	}
}

// run is the command without the process around it.
func run(ctx context.Context, out io.Writer, brokers, name string, verbose bool) (err error) {
	if brokers == "" {
		addresses, stop, err := local.Broker(out)
		if err != nil {
			return err
		}
		defer stop()
		brokers = strings.Join(addresses, ",")
		if name == "" {
			name = "flights"
		}
	}
	if name == "" {
		name = fmt.Sprintf("flights-%d", time.Now().Unix())
	}
	logs := slog.New(slog.DiscardHandler)
	if verbose {
		logs = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	state, err := os.MkdirTemp("", "flights-state-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(state) }()
	summary, err := pipeline(ctx, out, name, runtime.Config{
		Connection: kafka.Connection{Brokers: strings.Split(brokers, ",")}, Group: name,
		State: runtime.StateConfig{Dir: state}, Topics: runtime.TopicConfig{Create: true}, Logger: logs,
	})
	if err != nil {
		return err
	}
	airports, err := readAirports()
	if err != nil {
		return err
	}
	printWorst(out, worst(summary.hours, 10), airports)
	fmt.Fprintf(out, "%d records in, %d out, %.2f s, %.0f records per second\n",
		summary.in, summary.out, summary.took.Seconds(), float64(summary.in)/summary.took.Seconds())
	return nil
}

// summary describes a run of the pipeline.
type summary struct {
	in, out int
	took    time.Duration
	hours   []Hour
}

// pipeline loads the flights, runs the topology until all of them are processed, and reads its output.
func pipeline(ctx context.Context, out io.Writer, name string, config runtime.Config) (*summary, error) {
	flights, err := readFlights()
	if err != nil {
		return nil, err
	}
	airports, err := readAirports()
	if err != nil {
		return nil, err
	}
	client, err := sarama.NewClient(config.Connection.Brokers, clientConfig())
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", strings.Join(config.Connection.Brokers, ","), err)
	}
	defer client.Close()

	topics := NewTopics(name, 4)
	if err := createTopic(client, topics.Flights.Name(), 4); err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := write(client, topics.Flights.Name(), flights, airports); err != nil {
		return nil, fmt.Errorf("load flights: %w", err)
	}
	fmt.Fprintf(out, "wrote %d flights to topic %q (%.2f s)\n", len(flights), topics.Flights.Name(), time.Since(begin).Seconds())

	var read, grouped atomic.Int64
	app, err := runtime.New(Topology(topics, func(Flight) { read.Add(1) }, func(Flight) { grouped.Add(1) }), config)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	done := make(chan error, 1)
	begin = time.Now()
	go func() { done <- app.Run(ctx) }()

	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for shown := time.Now(); ; {
		select {
		case err := <-done:
			if err == nil {
				err = errors.New("stopped before all flights were processed")
			}
			return nil, err
		case <-tick.C:
		}
		finished := grouped.Load() >= int64(len(flights))
		if finished || time.Since(shown) > 250*time.Millisecond {
			shown = time.Now()
			fmt.Fprintf(out, "  %6d of %d read, %6d at their airport\n", read.Load(), len(flights), grouped.Load())
		}
		if finished {
			break
		}
	}
	took := time.Since(begin)
	stop(nil)
	if err := <-done; err != nil {
		return nil, err
	}
	s := &summary{in: len(flights), took: took}
	err = readTopic(client, topics.Totals, func(string, Delays) { s.out++ })
	if err != nil {
		return nil, err
	}
	err = readTopic(client, topics.Hours, func(airport string, r window.Result[Delays]) {
		s.out++
		s.hours = append(s.hours, Hour{airport, r})
	})
	return s, err
}

func clientConfig() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.Producer.Return.Successes = true
	c.Consumer.MaxWaitTime = 20 * time.Millisecond // closing a partition waits for it
	return c
}

func createTopic(client sarama.Client, topic string, partitions int32) error {
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return err
	}
	keep := "-1"
	err = admin.CreateTopic(topic, &sarama.TopicDetail{
		NumPartitions: partitions, ReplicationFactor: -1, ConfigEntries: map[string]*string{"retention.ms": &keep},
	}, false)
	if errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return nil
	}
	return err
}
