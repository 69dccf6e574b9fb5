package redis_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	process "os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/redis"
	"github.com/weirstreams/weir/stream"
)

// pipeline is a process that writes each record of a topic to streams twice.
type pipeline struct{ State, Group, Prefix, Redis, Brokers string }

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

func (p pipeline) topic() stream.Topic[string, int] {
	return stream.NewTopic(p.Group+"-numbers", codec.String(), codec.JSON[int]()).WithPartitions(3)
}

func (p pipeline) run() error {
	t := stream.NewTopology()
	t.From(p.topic()).FlatMap(func(n int) []int { return []int{n, n} }).Sink("streams", redis.New(redis.Options[string, int]{
		URL: secret.New(p.Redis), Kind: redis.Stream, Prefix: p.Prefix, Once: true, OncePrefix: "once-" + p.Prefix, MaxRecords: 37,
	}))
	app, err := runtime.New(t, runtime.Config{
		Group: p.Group, Connection: kafka.Connection{Brokers: []string{p.Brokers}}, Workers: 2,
		State: runtime.StateConfig{Dir: p.State, LockWait: 10 * time.Second}, Checkpoint: runtime.CheckpointConfig{Interval: 100 * time.Millisecond},
		Topics: runtime.TopicConfig{Create: true}, Membership: runtime.MembershipConfig{InstanceID: "one", SessionTimeout: 10 * time.Second},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	return app.Run(context.Background())
}

// TestKilledPipelinesWriteEachRecordOnce kills a process again and again that writes to streams. Each stream must have the results of its key in order,
// each once.
func TestKilledPipelinesWriteEachRecordOnce(t *testing.T) {
	brokers := os.Getenv("WEIR_TEST_BROKERS")
	if brokers == "" {
		t.Skip("needs a Kafka too: go run github.com/weirstreams/weir/internal/testserver kafka,redis -- go test")
	}
	place := newPlace(t)
	random := rand.New(rand.NewPCG(longtest.Seed(t), 1))
	kills := longtest.Cases(4, 30)
	const keys = 7
	total := 1500 * kills
	p := pipeline{State: t.TempDir(), Group: strings.Trim(place.prefix, ":"), Prefix: place.prefix, Redis: place.url, Brokers: brokers}
	ctx := t.Context()
	running, exited := p.start(t) // it makes the topic
	length := func() (n int) {
		for key := range keys {
			n += int(place.client.XLen(ctx, fmt.Sprint(place.prefix, "key", key)).Val())
		}
		return n
	}
	sent := make(chan error, 1)
	go func() { sent <- p.send(ctx, total, keys) }()
	deadline := time.After(5 * time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	await := func(enough func(n int) bool) {
		t.Helper()
		for !enough(length()) {
			select {
			case err := <-exited:
				t.Fatalf("the process has ended: %v", err)
			case err := <-sent:
				must(t, err)
			case <-deadline:
				t.Fatalf("%d of %d entries after 5 minutes", length(), 2*total)
			case <-tick.C:
			}
		}
	}
	for range kills {
		least := min(2*total, length()+1+random.IntN(500))
		await(func(n int) bool { return n >= least })
		must(t, running.Process.Kill())
		<-exited
		running, exited = p.start(t)
	}
	await(func(n int) bool { return n >= 2*total })
	must(t, running.Process.Kill())
	<-exited
	for key := range keys {
		var got, want []string
		for _, e := range place.client.XRange(ctx, fmt.Sprint(place.prefix, "key", key), "-", "+").Val() {
			got = append(got, fmt.Sprint(e.Values["value"]))
		}
		for n := key; n < total; n += keys {
			want = append(want, fmt.Sprint(n), fmt.Sprint(n))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d kills: stream %d (-want +got):\n%.2000s", kills, key, diff)
		}
	}
}

// send writes the numbers to the topic.
func (p pipeline) send(ctx context.Context, total, keys int) error {
	producer, err := kafka.NewProducer(ctx, kafka.Config{Connection: kafka.Connection{Brokers: []string{p.Brokers}}}, kafka.ProducerOptions{})
	if err != nil {
		return err
	}
	defer producer.Close()
	for n := range total {
		r := weir.Record[string, int]{Key: fmt.Sprint("key", n%keys), Value: n, Millis: time.Now().UnixMilli()}
		for {
			err := producer.Send(ctx, p.topic(), r)
			if err == nil {
				break
			}
			if ctx.Err() != nil || n > 0 {
				return err
			}
			time.Sleep(100 * time.Millisecond) // the process makes the topic
		}
	}
	return producer.Flush(ctx)
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
