package elasticsearch_test

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
	"github.com/weirstreams/weir/sink/elasticsearch"
	"github.com/weirstreams/weir/stream"
)

// pipeline is a process that writes each record of a topic to two indexes: the newest document of each key, and all of them.
type pipeline struct{ State, Group, Newest, All, Engine, Brokers string }

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
	numbers := t.From(p.topic())
	numbers.Sink("newest", elasticsearch.New(p.Engine, elasticsearch.Options[string, int]{
		Index: p.Newest, Version: elasticsearch.OffsetVersion[string, int], MaxRecords: 37,
	}))
	numbers.Sink("all", elasticsearch.New(p.Engine, elasticsearch.Options[string, int]{
		Index: p.All, Mode: elasticsearch.Append, ID: elasticsearch.OffsetID[string, int], MaxRecords: 53, Gzip: true,
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

// TestKilledPipelinesWriteEachDocumentOnce kills a process again and again that writes documents. One index must have the newest of each key, and the
// other one each record once.
func TestKilledPipelinesWriteEachDocumentOnce(t *testing.T) {
	brokers := os.Getenv("WEIR_TEST_BROKERS")
	if brokers == "" {
		t.Skip("needs a Kafka too: go run ./internal/testserver kafka,elasticsearch,opensearch -- go test ./sink/elasticsearch")
	}
	e := newEngine(t, "WEIR_TEST_OPENSEARCH")
	random := rand.New(rand.NewPCG(longtest.Seed(t), 1))
	kills := longtest.Cases(3, 10)
	const keys = 7
	total := min(600*kills, 10_000) // as many as one search finds
	p := pipeline{
		State: t.TempDir(), Group: strings.Trim(e.prefix, "-"), Newest: e.create(t, "newest", "{}"), All: e.create(t, "all", "{}"), Engine: e.address, Brokers: brokers,
	}
	running, exited := p.start(t) // it makes the topic
	count := func() (n int) {
		var answer struct{ Count int }
		e.do(t, "POST", "/"+p.All+"/_refresh", "", nil)
		e.do(t, "GET", "/"+p.All+"/_count", "", &answer)
		return answer.Count
	}
	sent := make(chan error, 1)
	go func() { sent <- p.send(t.Context(), total, keys) }()
	deadline := time.After(5 * time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	await := func(least int) {
		t.Helper()
		for count() < least {
			select {
			case err := <-exited:
				t.Fatalf("the process has ended: %v", err)
			case err := <-sent:
				must(t, err)
			case <-deadline:
				t.Fatalf("%d of %d documents after 5 minutes", count(), total)
			case <-tick.C:
			}
		}
	}
	for range kills {
		await(min(total, count()+1+random.IntN(300)))
		must(t, running.Process.Kill())
		<-exited
		running, exited = p.start(t)
	}
	await(total)
	newest := map[string]string{}
	for key := range keys {
		last := total - 1 - (total-1-key)%keys
		newest[fmt.Sprint("key", key)] = fmt.Sprintf(`{"value":%d}`, last)
	}
	for !cmp.Equal(newest, e.documents(t, p.Newest)) {
		select {
		case <-deadline:
			t.Fatalf("%d kills: the newest documents (-want +got):\n%s", kills, cmp.Diff(newest, e.documents(t, p.Newest)))
		case <-tick.C:
		}
	}
	must(t, running.Process.Kill())
	<-exited
	got := map[string]int{}
	for _, text := range e.documents(t, p.All) {
		got[text]++
	}
	for n := range total {
		if text := fmt.Sprintf(`{"value":%d}`, n); got[text] != 1 {
			t.Errorf("%d kills: %s is there %d times", kills, text, got[text])
		}
	}
	if len(got) != total {
		t.Errorf("%d kills: %d documents, want %d", kills, len(got), total)
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
