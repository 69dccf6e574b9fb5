package mqtt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	process "os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/longtest"
	client "github.com/weirstreams/weir/internal/mqtt"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/mqtt"
	sourcemqtt "github.com/weirstreams/weir/source/mqtt"
	"github.com/weirstreams/weir/stream"
)

// pipeline is a process that reads messages into a topic of Kafka, and publishes its records as messages again.
type pipeline struct{ State, Group, Root, Broker, Brokers string }

const pipelineVariable = "WEIR_TEST_PIPELINE"

func TestMain(m *testing.M) {
	if text := os.Getenv(pipelineVariable); text != "" {
		var p pipeline
		err := json.Unmarshal([]byte(text), &p)
		if err == nil {
			err = p.run()
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func (p pipeline) run() error {
	t := stream.NewTopology()
	topic := stream.NewTopic(p.Group+"-messages", codec.String(), codec.String()).WithPartitions(2)
	t.FromSource(sourcemqtt.New(sourcemqtt.Options[string, string]{
		URL: secret.New(p.Broker), ClientID: p.Group, Topics: []string{p.Root + "in/#"}, Share: "g", Readers: 2,
	}), topic).Sink("out", mqtt.New(mqtt.Options[string, string]{URL: secret.New(p.Broker), Name: p.Root + "out"}))
	app, err := runtime.New(t, runtime.Config{
		Group: p.Group, Connection: kafka.Connection{Brokers: []string{p.Brokers}}, Guarantee: runtime.ExactlyOnce, Workers: 2,
		State: runtime.StateConfig{Dir: p.State, LockWait: 10 * time.Second}, Checkpoint: runtime.CheckpointConfig{Interval: 100 * time.Millisecond},
		Topics: runtime.TopicConfig{Create: true}, Membership: runtime.MembershipConfig{InstanceID: "one", SessionTimeout: 10 * time.Second},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	return app.Run(context.Background())
}

// TestKilledPipelinesLoseNoMessage kills a process again and again between two topics of MQTT, with a topic of Kafka in between. Each message must come out.
func TestKilledPipelinesLoseNoMessage(t *testing.T) {
	brokers := os.Getenv("WEIR_TEST_BROKERS")
	if brokers == "" {
		t.Skip("needs a Kafka too: go run ./internal/testserver kafka,mosquitto -- go test")
	}
	url := variable(t, "WEIR_TEST_MQTT")
	random := rand.New(rand.NewPCG(longtest.Seed(t), 1))
	kills := longtest.Cases(3, 12)
	total := 2000 * kills
	top := root()
	p := pipeline{State: t.TempDir(), Group: strings.Trim(top, "/"), Root: top, Broker: url, Brokers: brokers}
	// The sessions have to be there before the first message.
	for n := range 2 {
		c := dial(t, url, client.Config{ClientID: fmt.Sprintf("%s-%d", p.Group, n), SessionExpiry: 3600})
		must(t, c.Subscribe(t.Context(), []string{"$share/g/" + top + "in/#"}))
		must(t, c.Close())
	}
	box := newInbox(t, top+"out")
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		w := open(t, mqtt.Options[string, string]{URL: secret.New(url), Prefix: top + "in/"})
		for i := range total {
			if w.add(fmt.Sprint("k", i%10), fmt.Sprint(i)) != nil || i%50 == 49 && w.flush() != nil {
				return // the messages are missed
			}
		}
		w.close()
	})
	seen := map[string]bool{}
	running, exited := p.start(t)
	deadline := time.After(4 * time.Minute)
	await := func(least int) {
		t.Helper()
		for len(seen) < least {
			select {
			case m := <-box.messages:
				seen[string(m.Payload)] = true
			case err := <-exited:
				t.Fatalf("the process has ended: %v", err)
			case <-deadline:
				t.Fatalf("%d of %d messages after 4 minutes", len(seen), total)
			}
		}
	}
	for range kills {
		await(min(total, len(seen)+1+random.IntN(1500)))
		must(t, running.Process.Kill())
		<-exited
		running, exited = p.start(t)
	}
	await(total)
	must(t, running.Process.Kill())
	<-exited
	var missing []int
	for i := range total {
		if !seen[fmt.Sprint(i)] {
			missing = append(missing, i)
		}
	}
	if len(missing) > 0 {
		t.Errorf("%d kills: %d messages are lost: %v", kills, len(missing), slices.Clip(missing[:min(len(missing), 20)]))
	}
}

// start starts a process.
func (p pipeline) start(t *testing.T) (*process.Cmd, <-chan error) {
	t.Helper()
	text, err := json.Marshal(p)
	must(t, err)
	program, err := os.Executable()
	must(t, err)
	c := process.Command(program, "-test.run=^$")
	var output strings.Builder
	c.Env, c.Stderr = append(os.Environ(), pipelineVariable+"="+string(text)), &output
	must(t, c.Start())
	exited := make(chan error, 1)
	go func() { exited <- fmt.Errorf("%w: %s", c.Wait(), output.String()) }()
	t.Cleanup(func() { _ = c.Process.Kill() })
	return c, exited
}
