package file_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/filetest"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/sink/csv"
	"github.com/weirstreams/weir/sink/file"
	sources "github.com/weirstreams/weir/source/file"
	"github.com/weirstreams/weir/stream"
)

// memberVariable makes the test binary a member of the application below.
const memberVariable = "WEIR_TEST_MEMBER"

func TestMain(m *testing.M) {
	if text := os.Getenv(memberVariable); text != "" {
		var c member
		err := json.Unmarshal([]byte(text), &c)
		if err == nil {
			err = c.run()
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// member is a process that brings files by a topic into files, and into a CSV file.
type member struct {
	Brokers                   []string
	Group, StateDir, Instance string
	Topic, In, Out            string
}

func (c *member) run() error {
	topic := stream.NewTopic(c.Topic, codec.String(), codec.Int())
	t := stream.NewTopology()
	read := t.FromSource(sources.New(c.In, sources.Options[string, int]{Order: sources.ByFolder, BatchRecords: 5, Delay: time.Millisecond}), topic)
	read.Sink("archive", file.New(filepath.Join(c.Out, "files"), file.Options[string, int]{Compression: format.Zstd, MaxFileRecords: 20}))
	read.Sink("look", csv.New(filepath.Join(c.Out, "out.csv"), csv.Options[string, int]{}))
	app, err := runtime.New(t, runtime.Config{
		Connection: kafka.Connection{Brokers: c.Brokers}, Group: c.Group, Guarantee: runtime.ExactlyOnce,
		State:      runtime.StateConfig{Dir: c.StateDir, LockWait: 10 * time.Second},
		Checkpoint: runtime.CheckpointConfig{Interval: 50 * time.Millisecond},
		Membership: runtime.MembershipConfig{InstanceID: c.Instance, SessionTimeout: 10 * time.Second, RebalanceTimeout: 10 * time.Second},
		Logger:     slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	return app.Run(context.Background())
}

// Whatever is killed, and whenever: each record of the files that were read is in one file, and has one line of the CSV file.
func TestKilledMembersWriteEachRecordOnce(t *testing.T) {
	k := kafkatest.Start(t)
	kills := longtest.Cases(5, 50)
	root := t.TempDir()
	in := filepath.Join(root, "in")
	want := map[string]int{}
	for f := range 4 {
		var content bytes.Buffer
		e := format.JSONLines[string, int]{}.NewEncoder(&content)
		for i := range 120 * kills {
			key := fmt.Sprint(f, "-", i)
			want[key] = 1
			if err := e.Encode(&weir.Record[string, int]{Key: key, Value: i, Millis: 1767225600000}); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(in, fmt.Sprint(f), "1.jsonl")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := member{Brokers: k.Brokers, Group: k.Name("group"), Topic: k.Topic(t, "raw", 4), In: in, Out: filepath.Join(root, "out")}
	counts := func() map[string]int {
		_, records := filetest.ReadAll(t, filepath.Join(c.Out, "files"), format.JSONLines[string, int]{})
		counts := map[string]int{}
		for _, r := range records {
			counts[r.Key]++
		}
		return counts
	}
	var members [2]*exec.Cmd
	var exited [2]chan struct{}
	start := func(i int) {
		c := c
		c.StateDir, c.Instance = filepath.Join(root, fmt.Sprint("state-", i)), fmt.Sprint("member-", i)
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		p := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0])
		p.Env, p.Stderr = append(os.Environ(), memberVariable+"="+string(text)), t.Output()
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = p.Wait()
		}()
		t.Cleanup(func() { _ = p.Process.Kill(); <-ended })
		members[i], exited[i] = p, ended
	}
	for i := range members {
		start(i)
	}
	await := func(what string, condition func() bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for !condition() {
			for i := range exited {
				select {
				case <-exited[i]:
					t.Fatalf("member %d has ended by itself", i)
				case <-ctx.Done():
					t.Fatalf("%s: not in time", what)
				case <-tick.C:
				}
			}
		}
	}
	random := rand.New(rand.NewPCG(1, uint64(os.Getpid())))
	for n := range kills {
		before := len(counts())
		await(fmt.Sprintf("progress after %d kills", n), func() bool {
			now := len(counts())
			return now > before+random.IntN(50) || now == len(want)
		})
		i := random.IntN(len(members))
		if err := members[i].Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-exited[i]
		if random.IntN(4) == 0 { // the state is lost, and restored from the changelog
			if err := os.RemoveAll(filepath.Join(root, fmt.Sprint("state-", i))); err != nil {
				t.Fatal(err)
			}
		}
		start(i)
	}
	await("all records", func() bool { return len(counts()) == len(want) })
	lines := map[string]int{}
	await("all lines", func() bool {
		clear(lines)
		data, err := os.ReadFile(filepath.Join(c.Out, "out.csv"))
		if err != nil {
			return false
		}
		for line := range bytes.Lines(data) {
			key, _, _ := bytes.Cut(line, []byte(","))
			lines[string(key)]++
		}
		delete(lines, "key")
		return len(lines) >= len(want)
	})
	for name, got := range map[string]map[string]int{"files": counts(), "CSV file": lines} {
		wrong := 0
		for key, n := range got {
			if n != want[key] {
				wrong++
			}
		}
		if wrong > 0 || len(got) != len(want) {
			t.Errorf("%s: %d of %d records are there, %d of them more than once", name, len(got), len(want), wrong)
		}
	}
}
