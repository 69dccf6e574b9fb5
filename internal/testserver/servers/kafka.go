//go:build unix

package servers

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/server"
)

// Kafka is an Apache Kafka cluster of one broker and one controller.
//
// The controller is a process of its own, and a restart waits until it has fenced the broker. A broker that comes back sooner
// believes for a moment that it still leads its partitions, and Kafka 4 then forgets how transactions have ended (KAFKA-20734):
// a coordinator whose metadata show no leader of a partition takes it for deleted, and writes no marker there. Clusters of
// several brokers elect another leader instead.
var Kafka = server.Server{
	Name: "kafka",
	About: "Apache Kafka " + kafkaVersion + ", one broker (Java 17, Maven). WEIR_KAFKA_HEAP is its heap, default 768m; " +
		"WEIR_KAFKA_LOG its log level, default WARN; WEIR_KAFKA_CONFIG has more lines for its server.properties, and a later " +
		"line wins over an earlier one",
	Variables: []string{
		"WEIR_TEST_BROKERS: host:port",
		"WEIR_TEST_KAFKA_JARS: the class path of the broker and of the console clients",
		"WEIR_TEST_SECURE, if WEIR_KAFKA_SECURE is set: a directory that says how else to reach the broker. The files sasl, tls " +
			"and sasl_tls have the addresses of listeners, ca.pem is their authority, client.pem and client.key are a " +
			"certificate that tls asks for. The user weir has the password \"right\" for PLAIN and SCRAM; OAUTHBEARER takes " +
			"tokens without a signature",
	},
	Sources: []fetch.Source{kafkaJars, kafkaTools},
	Start: func(ctx context.Context, i *server.Instance) error {
		if err := requireJava(ctx, 17); err != nil {
			return err
		}
		jars, err := i.Fetch(ctx, kafkaJars)
		if err != nil {
			return err
		}
		tools, err := i.Fetch(ctx, kafkaTools)
		if err != nil {
			return err
		}
		k := &kafka{Instance: i, jars: jars}
		if err := k.configure(ctx); err != nil {
			return err
		}
		if err := k.format(ctx); err != nil {
			return err
		}
		if _, err := k.Start(ctx, k.node("controller"), started); err != nil {
			return err
		}
		if k.broker, err = k.Start(ctx, k.node("broker"), started); err != nil {
			return err
		}
		i.Export("WEIR_TEST_BROKERS", server.Address(k.port))
		i.Export("WEIR_TEST_KAFKA_JARS", filepath.Join(jars, "*")+":"+filepath.Join(tools, "*"))
		i.On("kill", func(context.Context) error { return k.endBroker(syscall.SIGKILL) })
		i.On("restart", k.restart)
		i.Say("Apache Kafka %s ready at %s", kafkaVersion, server.Address(k.port))
		return nil
	},
}

// started is a line of a broker and of a controller; log4j2 has its logger at INFO.
var started = server.Prints("Kafka Server started")

// kafka is a cluster.
type kafka struct {
	*server.Instance
	jars             string
	port, controller int
	secured          bool
	broker           *server.Program
	fencedBefore     int // how often the broker had been fenced when it was ended
}

// java is the command of a class of Kafka.
func (k *kafka) java(options ...string) []string {
	return append([]string{
		"java", "-Dlog4j2.configurationFile=" + filepath.Join(k.Dir, "log4j2.properties"), "-Djava.awt.headless=true",
		"-cp", filepath.Join(k.jars, "*"),
	}, options...)
}

// format prepares the directories of the controller and the broker.
func (k *kafka) format(ctx context.Context) error {
	cluster, err := clusterID()
	if err != nil {
		return err
	}
	format := func(role string, more ...string) server.Command {
		args := k.java("-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format", "-t", cluster, "-c", k.properties(role))
		return server.Command{Name: "format-" + role, Args: append(args, more...)}
	}
	var users []string
	if k.secured {
		for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
			users = append(users, "--add-scram", mechanism+"=[name=weir,password=right]")
		}
	}
	var both sync.WaitGroup
	var controller, broker error
	both.Go(func() { controller = k.Run(ctx, format("controller", users...)) })
	both.Go(func() { broker = k.Run(ctx, format("broker")) })
	both.Wait()
	return errors.Join(controller, broker)
}

// clusterID returns 16 random bytes in Kafka's form. The first three are constant, so that the text does not begin with a
// dash: a program would take it for an option.
func clusterID() (string, error) {
	id := append([]byte("\xc1\xe8\xab"), make([]byte, 13)...) // weir...
	_, err := rand.Read(id[3:])
	return base64.RawURLEncoding.EncodeToString(id), err
}

// node is the command of the broker or the controller.
func (k *kafka) node(role string) server.Command {
	options := []string{"-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}
	if role == "broker" {
		options = []string{"-Xms256m", "-Xmx" + cmp.Or(os.Getenv("WEIR_KAFKA_HEAP"), "768m")}
	}
	options = append(options, "-XX:+ExitOnOutOfMemoryError", "kafka.Kafka", k.properties(role))
	return server.Command{Name: role, Args: k.java(options...)}
}

func (k *kafka) properties(role string) string { return filepath.Join(k.Dir, role+".properties") }

// endBroker ends the broker with a signal, if it runs.
func (k *kafka) endBroker(signal syscall.Signal) (err error) {
	if !k.broker.Running() {
		return nil
	}
	if k.fencedBefore, err = k.fenced(); err != nil {
		return err
	}
	k.broker.End(signal)
	return nil
}

// restart ends the broker in order if it runs, and starts it again, with the same ports and data.
func (k *kafka) restart(ctx context.Context) (err error) {
	if err := k.endBroker(syscall.SIGTERM); err != nil {
		return err
	}
	if err := k.awaitFence(ctx); err != nil {
		return err
	}
	k.broker, err = k.Start(ctx, k.node("broker"), started)
	return err
}

// awaitFence waits until the controller has noticed that the broker has ended.
func (k *kafka) awaitFence(ctx context.Context) error {
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the controller did not fence the broker within %v", patience))
	defer cancel()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		switch fenced, err := k.fenced(); {
		case err != nil:
			return err
		case fenced > k.fencedBefore:
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-poll.C:
		}
	}
}

// fenced returns how often the broker was fenced.
func (k *kafka) fenced() (int, error) {
	output, err := k.Output("controller")
	return bytes.Count(output, []byte("Fencing broker")), err
}
