package postgres_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	process "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/postgres"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/file"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// payment is a line of the files, and a row of the table with the balance of its account so far.
type payment struct {
	ID      string `json:"id"`
	Account string `json:"account"`
	Cents   int64  `json:"cents"`
	// Noise is another one each time that the record is processed.
	Noise int64 `json:"noise,omitempty"`
}

// pipeline is a process that reads files into a topic, adds up the payments of each account, and writes rows.
type pipeline struct{ Files, State, Group, Schema, Database, Brokers string }

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
	payments := stream.NewTopic(p.Group+"-payments", codec.String(), codec.JSON[payment]()).WithPartitions(3)
	balances := store.NewCell[payment]("balances")
	t.FromSourceWith(source.Options{Slots: 4}, file.New(p.Files, file.Options[string, payment]{
		Format: format.JSONLines[string, payment]{Plain: true}, Order: file.Independent, BatchRecords: 20,
		Key: func(v payment) (string, error) { return v.Account, nil },
	}), payments).
		Reduce(balances, func(sum, next payment) payment {
			next.Cents += sum.Cents
			next.Noise = rand.Int64()
			return next
		}).
		Sink("balances", postgres.NewExactlyOnce(postgres.Options[string, payment]{URL: secret.New(p.Database), Schema: p.Schema, Table: "balances"}))
	app, err := runtime.New(t, runtime.Config{
		Group: p.Group, Connection: kafka.Connection{Brokers: []string{p.Brokers}}, Guarantee: runtime.ExactlyOnce, Workers: 2,
		State: runtime.StateConfig{Dir: p.State, LockWait: 10 * time.Second}, Checkpoint: runtime.CheckpointConfig{Interval: 100 * time.Millisecond},
		Topics:     runtime.TopicConfig{Create: true},
		Membership: runtime.MembershipConfig{InstanceID: "one", SessionTimeout: 10 * time.Second},
		Logger:     slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	return app.Run(context.Background())
}

// TestKilledPipelinesWriteEachRowOnce reads files into a topic and writes running sums to a table, while the process is killed again and again. The
// table must have the rows of a plain loop over the files, each once.
func TestKilledPipelinesWriteEachRowOnce(t *testing.T) {
	brokers := os.Getenv("WEIR_TEST_BROKERS")
	if brokers == "" {
		t.Skip("needs a Kafka too: go run github.com/weirstreams/weir/internal/testserver kafka,postgres -- go test")
	}
	s := schema(t)
	random := rand.New(rand.NewPCG(longtest.Seed(t), 1))
	kills := longtest.Cases(5, 50)
	p := pipeline{Files: t.TempDir(), State: t.TempDir(), Group: s, Schema: s, Database: server, Brokers: brokers}
	var want []string
	total := 0
	for n := range 6 {
		name := filepath.Join(p.Files, fmt.Sprintf("day-%d.jsonl", n))
		out, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		w := bufio.NewWriter(out)
		sums := map[string]int64{}
		for i := range 100 * kills {
			v := payment{ID: fmt.Sprintf("p-%d-%d", n, i), Account: fmt.Sprintf("a-%d-%d", n, i*i%17), Cents: int64(i)}
			sums[v.Account] += v.Cents
			want = append(want, fmt.Sprintf("(%s,%s,%d)", v.ID, v.Account, sums[v.Account]))
			line, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			w.Write(append(line, '\n'))
			total++
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
	}
	count := func() int {
		if len(query(t, "SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'balances'", s)) == 0 {
			return 0
		}
		return len(query(t, "SELECT 1 FROM "+s+".balances"))
	}
	running, exited := p.start(t)
	deadline := time.NewTimer(5 * time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	await := func(what string, enough func(rows int) bool) {
		for !enough(count()) {
			select {
			case err := <-exited:
				t.Fatalf("the process has ended while %s: %v", what, err)
			case <-deadline.C:
				t.Fatalf("%d of %d rows after 5 minutes, while %s", count(), total, what)
			case <-tick.C:
			}
		}
	}
	for n := range kills {
		before := count()
		more := 1 + random.IntN(300)
		await(fmt.Sprintf("waiting for progress after %d kills", n), func(rows int) bool { return rows >= min(total, before+more) })
		pause := time.NewTimer(time.Duration(random.IntN(150)) * time.Millisecond)
		select {
		case <-pause.C:
		case err := <-exited:
			t.Fatalf("the process has ended: %v", err)
		}
		if err := running.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-exited
		if random.IntN(4) == 0 { // the state has to come from the changelogs
			if err := os.RemoveAll(p.State); err != nil {
				t.Fatal(err)
			}
		}
		running, exited = p.start(t)
	}
	await("waiting for the end", func(rows int) bool { return rows >= total })
	if err := running.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-exited
	got := query(t, "SELECT id, account, cents FROM "+s+".balances ORDER BY split_part(id, '-', 2)::int, split_part(id, '-', 3)::int")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%d kills: rows (-want +got):\n%.2000s", kills, diff)
	}
}

// start starts a process.
func (p pipeline) start(t *testing.T) (*process.Cmd, <-chan error) {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := process.Command(program, "-test.run=^$")
	var output strings.Builder
	c.Env, c.Stderr = append(os.Environ(), pipelineVariable+"="+string(text)), &output
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- fmt.Errorf("%w: %s", c.Wait(), output.String()) }()
	t.Cleanup(func() { _ = c.Process.Kill() })
	return c, exited
}
