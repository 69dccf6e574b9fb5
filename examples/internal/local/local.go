// Package local has the shared parts of the example programs: flags, and a Kafka broker in the same process.
package local

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/weirstreams/weir/internal/kafkatest/inprocess"
	"github.com/weirstreams/weir/runtime"
)

// Program is an example: it runs with a configuration that is ready, and writes its results.
type Program func(ctx context.Context, out io.Writer, config runtime.Config) error

// Main runs a program with the flags --brokers and -v, until it ends or is interrupted.
func Main(name string, program Program) {
	brokers := flag.String("brokers", "", "host:port of a Kafka cluster; empty starts one in this process")
	verbose := flag.Bool("v", false, "show the log")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := Run(ctx, os.Stdout, name, *brokers, *verbose, program); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// Run runs a program on a cluster, or on a broker of its own if brokers is empty, with state in a folder that is removed at
// the end. On a cluster that others use the names of topics begin with the time, so that every run starts from nothing.
func Run(ctx context.Context, out io.Writer, name, brokers string, verbose bool, program Program) (err error) {
	config := runtime.Config{Group: name, Topics: runtime.TopicConfig{Create: true}, Logger: slog.New(slog.DiscardHandler)}
	if verbose {
		config.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if brokers == "" {
		addresses, stop, err := Broker(out)
		if err != nil {
			return err
		}
		defer stop()
		config.Connection.Brokers = addresses
	} else {
		config.Connection.Brokers = strings.Split(brokers, ",")
		config.Prefix = fmt.Sprintf("%d-", time.Now().Unix())
	}
	if config.State.Dir, err = os.MkdirTemp("", name+"-state-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(config.State.Dir) }()
	return program(ctx, out, config)
}

// Broker starts a Kafka broker in this process, which listens on TCP, and says so.
func Broker(out io.Writer) (addresses []string, stop func(), err error) {
	cluster, err := inprocess.Start()
	if err != nil {
		return nil, nil, err
	}
	addresses = cluster.ListenAddrs()
	fmt.Fprintln(out, "started a broker at", strings.Join(addresses, ","))
	return addresses, cluster.Close, nil
}
