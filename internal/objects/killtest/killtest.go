// Package killtest kills processes that bring objects by a topic into other objects.
package killtest

import (
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
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/internal/objects"
	"github.com/weirstreams/weir/internal/objects/objecttest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/sink"
	sinkfile "github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/source"
	sourcefile "github.com/weirstreams/weir/source/file"
	"github.com/weirstreams/weir/stream"
)

// Place is a bucket of a server. It is the same in the process of the test and in those that are killed.
type Place struct{ Endpoint, Name string }

// Store makes the parts of an application on a store.
type Store struct {
	// Open returns the part of the bucket below a prefix.
	Open func(p Place, prefix string) *objects.Bucket
	// Source and Sink read and write below a prefix.
	Source func(p Place, prefix string, o sourcefile.Options[string, int]) source.Source[string, int]
	Sink   func(p Place, prefix string, o sinkfile.Options[string, int]) sink.TwoPhase[string, int]
}

// memberVariable makes the test binary a member of the application below.
const memberVariable = "WEIR_TEST_MEMBER"

// Main is for TestMain: it runs a member if the process was started as one, and the tests otherwise.
func Main(m *testing.M, s Store) {
	if text := os.Getenv(memberVariable); text != "" {
		var c member
		err := json.Unmarshal([]byte(text), &c)
		if err == nil {
			err = c.run(s)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// member is a process of the application.
type member struct {
	Brokers                   []string
	Group, StateDir, Instance string
	Topic                     string
	Place                     Place
}

func (c *member) run(s Store) error {
	topic := stream.NewTopic(c.Topic, codec.String(), codec.Int())
	t := stream.NewTopology()
	read := t.FromSource(s.Source(c.Place, "in", sourcefile.Options[string, int]{BatchRecords: 5, Delay: time.Millisecond}), topic)
	read.Sink("archive", s.Sink(c.Place, "out", sinkfile.Options[string, int]{Compression: format.Zstd, MaxFileRecords: 20}))
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

// Run kills members again and again, at any time: each record of the objects that were read has to be in one object.
func Run(t *testing.T, s Store, place Place) {
	t.Helper()
	k := kafkatest.Start(t)
	kills := longtest.Cases(4, 20)
	root := t.TempDir()
	c := member{Brokers: k.Brokers, Group: k.Name("group"), Topic: k.Topic(t, "raw", 4), Place: place}
	store := objecttest.Store{Open: func(prefix string) *objects.Bucket { return s.Open(place, prefix) }}
	want := map[string]int{}
	in := store.Bucket(t, "in")
	for f := range 4 {
		var records []weir.Record[string, int]
		for i := range 100 * kills {
			key := fmt.Sprint(f, "-", i)
			want[key] = 1
			records = append(records, weir.Record[string, int]{Key: key, Value: i, Millis: 1767225600000})
		}
		objecttest.Write(t, in, fmt.Sprint(f, ".jsonl"), format.Format[string, int](format.JSONLines[string, int]{}), records...)
	}
	out := store.Bucket(t, "out")
	counts := func() map[string]int {
		counts := map[string]int{}
		for _, r := range objecttest.Records(t, out, format.Format[string, int](format.JSONLines[string, int]{})) {
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
		tick := time.NewTicker(50 * time.Millisecond)
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
	wrong := 0
	got := counts()
	for key, n := range got {
		if n != want[key] {
			wrong++
		}
	}
	if wrong > 0 || len(got) != len(want) {
		t.Errorf("%d of %d records are there, %d of them more than once", len(got), len(want), wrong)
	}
}
