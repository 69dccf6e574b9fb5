package runtime_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

func TestAllThatIsWrongWithAConfigurationIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	p := pipeline{input: "in", output: "out"}
	_, err := runtime.New(p.topology(), runtime.Config{
		Connection:      kafka.Connection{Brokers: []string{"localhost:9092", "localhost"}},
		Group:           "a/b",
		State:           runtime.StateConfig{LockWait: -1, CacheBytes: -1},
		Workers:         -1,
		Checkpoint:      runtime.CheckpointConfig{Interval: -1, Records: -1, Bytes: -1},
		Topics:          runtime.TopicConfig{OffsetReset: 7, Replication: -1, Compression: "rar", MaxRecordBytes: -1, PurgeInterval: -1},
		Membership:      runtime.MembershipConfig{SessionTimeout: -1, RebalanceTimeout: -1},
		ShutdownTimeout: -1,
	})
	want := strings.Join([]string{
		`config: Connection.Brokers: address 2 is not host:port`,
		`Group "a/b": the character at 1 is not a letter, digit, '.', '_' or '-'; it is part of topic names`,
		`State.LockWait is negative`,
		`Workers is negative`,
		`Checkpoint.Interval is negative`,
		`Checkpoint.Records is negative`,
		`Checkpoint.Bytes is negative`,
		`State.CacheBytes is negative`,
		`Topics.Replication is negative`,
		`Membership.SessionTimeout is negative`,
		`Membership.RebalanceTimeout is negative`,
		`ShutdownTimeout is negative`,
		`Topics.MaxRecordBytes is negative`,
		`Topics.PurgeInterval is negative`,
		`Topics.OffsetReset: unknown value 7`,
		`Topics.Compression: unknown value "rar"`,
	}, "\n")
	if err == nil {
		t.Fatal("the configuration was accepted")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}

	_, err = runtime.New(p.topology(), runtime.Config{})
	want = "config: Connection.Brokers is empty: give the address of a broker, as host:port\nGroup is empty: give the application a name"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	for _, address := range []string{"localhost:", ":", "a:b:c"} {
		if _, err := runtime.New(p.topology(), runtime.Config{Group: "g", Connection: kafka.Connection{Brokers: []string{address}}}); err == nil {
			t.Errorf("the address %q was accepted", address)
		}
	}
}

func TestAnInvalidTopologyIsRefusedBeforeTheConfigurationIsLookedAt(t *testing.T) {
	t.Parallel()
	s := stream.NewTopology()
	in := stream.NewTopic("in", codec.String(), codec.String())
	s.From(in).To(stream.NewTopic[string, string]("out", nil, nil))
	s.From(in).To(stream.NewTopic("o k", codec.String(), codec.String()))
	_, err := runtime.New(s, runtime.Config{})
	var invalid *stream.ValidationError
	if !errors.As(err, &invalid) {
		t.Fatalf("got %v, want a ValidationError", err)
	}
	for _, want := range []string{
		`topic "out" has no key codec`, `topic "out" has no value codec`, `topic "o k": the character at 1`,
		`topic "in" is read already, by the stream declared at runtime/start_test.go:`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	for _, f := range invalid.Findings {
		if !strings.HasPrefix(f.Site, "runtime/start_test.go:") {
			t.Errorf("%q is said of line %q", f.Problem, f.Site)
		}
	}
}

func TestAnApplicationRunsOnce(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
	app := run(t, p.topology(), k.config())
	app.await("running", func(s runtime.Status) bool { return s.State == runtime.Running })
	if err := app.App.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "an App runs once") {
		t.Errorf("while it runs: %v", err)
	}
	if s := app.Status().State; s != runtime.Running {
		t.Errorf("the application is %v", s)
	}
	app.stop()
	if err := app.App.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "an App runs once") {
		t.Errorf("after it has stopped: %v", err)
	}
}

func TestAllTopicsThatDoNotExistAreNamedAtOnce(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out, second := k.Name("in"), k.Name("out"), k.Name("in")
	s := pipeline{input: in, output: out}.topology()
	s.From(stream.NewTopic(second, codec.String(), codec.String())).
		To(stream.NewTopic(k.Topic(t, "there", 1), codec.String(), codec.String()))
	err := run(t, s, k.config()).failure()
	if err == nil {
		t.Fatal("the application ran")
	}
	for topic, file := range map[string]string{in: "support_test.go", out: "support_test.go", second: "start_test.go"} {
		want := regexp.MustCompile(`topic "` + topic + `", declared at runtime/` + file + `:\d+, does not exist: .*Config.Topics.Create`)
		if !want.MatchString(err.Error()) {
			t.Errorf("the error does not say %s: %v", want, err)
		}
	}
	if strings.Count(err.Error(), "does not exist") != 3 {
		t.Errorf("got %v", err)
	}
	// Nothing was made before everything was known to be right.
	if infos, err := k.Topics(t.Context(), "changelog__"+k.group+"--"+in+"--sum"); err != nil || len(infos) != 0 {
		t.Errorf("internal topics %v, %v", infos, err)
	}
}

func TestTopicsAreCreatedOnRequest(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	p := pipeline{input: k.Name("in"), output: k.Name("out")}
	config := k.config()
	config.Topics.Create = true
	app := run(t, p.topology(), config)
	app.await("running", func(s runtime.Status) bool { return s.State == runtime.Running })
	k.write(p.input, 0, numbers(0, 10)...)
	app.awaitProcessed(10)
	app.stop()
	k.checkTotals(p.output, numbers(0, 10))
}

// D-58, K-31.
func TestAChangelogWithAnotherNumberOfPartitionsIsRefused(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	p := pipeline{input: k.Topic(t, "in", 2), output: k.Topic(t, "out", 1)}
	changelog := "changelog__" + k.group + "--" + p.input + "--sum"
	if err := k.CreateTopics(t.Context(), broker.TopicSpec{Name: changelog, Partitions: 3, Replication: -1}); err != nil {
		t.Fatal(err)
	}
	err := run(t, p.topology(), k.config()).failure()
	for _, want := range []string{
		`topic "` + p.input + `" has 2 partitions, and the state behind it was made for 3 (changelogs: ` + changelog + `)`,
		"There are two ways out", "make the topic anew with 3 partitions", "build the state anew for 2 partitions",
		`cleanup.policy=delete: records of the state would be deleted; set it to compact`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

func TestInputsOfOneStatefulStreamWithUnequalPartitionsAreRefused(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	a, b := k.Topic(t, "a", 2), k.Topic(t, "b", 3)
	s := stream.NewTopology()
	s.From(stream.NewTopic(a, codec.String(), codec.Int())).
		Merge(s.From(stream.NewTopic(b, codec.String(), codec.Int()))).
		MapState(store.NewCell[int]("count"), func(*store.Cell[int], int) int { return 0 }).
		To(stream.NewTopic(k.Topic(t, "out", 1), codec.String(), codec.Int()))
	err := run(t, s, k.config()).failure()
	if err == nil || !strings.Contains(err.Error(), a+`" has 2 (runtime/start_test.go:`) || !strings.Contains(err.Error(), b+`" has 3 (runtime/start_test.go:`) {
		t.Fatalf("got %v", err)
	}
}

func TestNoResetNeedsACommittedOffset(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
	config := k.config()
	config.Topics.OffsetReset = kafka.NoReset
	err := run(t, p.topology(), config).failure()
	if err == nil || !strings.Contains(err.Error(), k.group) || !strings.Contains(err.Error(), p.input+"[0]") {
		t.Fatalf("got %v", err)
	}
}

// deadAddress refuses connections. The system gives its port to no listener that asks for any port, as the in-process clusters of other
// tests do.
const deadAddress = "127.0.0.1:1"

func TestABrokerThatIsNotThereIsAnErrorAfterBrokerTimeout(t *testing.T) {
	t.Parallel()
	p := pipeline{input: "in", output: "out"}
	dir := t.TempDir()
	begun := time.Now()
	err := run(t, p.topology(), runtime.Config{
		Connection: kafka.Connection{Brokers: []string{deadAddress}}, Group: "g", State: runtime.StateConfig{Dir: dir}, IgnoreSignals: true, Logger: logger(t), BrokerTimeout: time.Second,
	}).failure()
	if !errors.Is(err, weir.ErrUnavailable) || !strings.Contains(err.Error(), deadAddress) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("state directory: %v, %v", entries, err)
	}
}

func TestAClientConfigurationThatIsWrongIsAnError(t *testing.T) {
	t.Parallel()
	p := pipeline{input: "in", output: "out"}
	err := run(t, p.topology(), runtime.Config{
		Group: "g", State: runtime.StateConfig{Dir: t.TempDir()}, IgnoreSignals: true, Logger: logger(t),
		Connection: kafka.Connection{Brokers: []string{deadAddress}, Sarama: func(c *sarama.Config) { c.Net.SASL.Enable = true }},
	}).failure()
	var wrong sarama.ConfigurationError
	if !errors.As(err, &wrong) {
		t.Fatalf("got %v", err)
	}
}

// A stop during the start is no error, whatever the start waits for.
func TestAStopDuringTheStartIsNoError(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
	locked := k.config()
	locked.State.LockWait = time.Hour
	lock, err := state.LockDir(t.Context(), filepath.Join(locked.State.Dir, locked.Group), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	dead := k.config()
	dead.Connection.Brokers = []string{deadAddress}

	for name, config := range map[string]runtime.Config{"connecting": dead, "waiting for the state directory": locked} {
		for how, stop := range map[string]func(context.Context) (context.Context, func()){
			"cancel": func(ctx context.Context) (context.Context, func()) { return context.WithCancel(ctx) },
			"cancel with a cause": func(ctx context.Context) (context.Context, func()) {
				ctx, cancel := context.WithCancelCause(ctx)
				return ctx, func() { cancel(errors.New("enough")) }
			},
			"deadline": func(ctx context.Context) (context.Context, func()) {
				ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
				return ctx, func() { <-ctx.Done(); cancel() }
			},
			"ended before": func(ctx context.Context) (context.Context, func()) {
				ctx, cancel := context.WithCancel(ctx)
				cancel()
				return ctx, func() {}
			},
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				app, err := runtime.New(p.topology(), config)
				if err != nil {
					t.Fatal(err)
				}
				ctx, end := stop(t.Context())
				done := make(chan error, 1)
				go func() { done <- app.Run(ctx) }()
				end()
				select {
				case err := <-done:
					if err != nil {
						t.Errorf("got %v", err)
					}
				case <-within(t).Done():
					t.Fatal("the application did not stop")
				}
				if s := app.Status(); s.State != runtime.Stopped || len(s.Tasks) != 0 {
					t.Errorf("status %+v", s)
				}
			})
		}
	}
}

func TestAStateDirectoryThatAnotherProcessHoldsIsAnErrorThatNamesIt(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
	k.write(p.input, 0, numbers(0, 10)...)
	config := k.config()
	config.State.LockWait = 100 * time.Millisecond
	dir := filepath.Join(config.State.Dir, config.Group)
	holder := start(t, child{LockDir: dir})
	holder.awaitReady()
	err := run(t, p.topology(), config).failure()
	if !errors.Is(err, weir.ErrLocked) {
		t.Fatalf("got %v, want ErrLocked", err)
	}
	for _, want := range []string{dir, "process " + jsonText(holder.Process.Pid)} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	if got := k.committed(p.input, 0); got != 0 {
		t.Errorf("committed offset %d", got)
	}

	// A process that is waited for may end in any way.
	config.State.LockWait = patience
	app := run(t, p.topology(), config)
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	app.awaitProcessed(10)
	app.stop()
	k.checkTotals(p.output, numbers(0, 10))
}

func TestAStateDirectoryThatCannotBeUsedIsAnErrorThatNamesIt(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o555); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"a file": file, "below a file": filepath.Join(file, "state"), "not writable": closed} {
		t.Run(name, func(t *testing.T) {
			if dir == closed && os.Geteuid() == 0 {
				t.Skip("root may write everywhere")
			}
			config := k.config()
			config.State.Dir = dir
			err := run(t, p.topology(), config).failure()
			if err == nil || !strings.Contains(err.Error(), "state directory") || !strings.Contains(err.Error(), dir) {
				t.Fatalf("got %v", err)
			}
			if dir != closed && !errors.Is(err, os.ErrExist) && !errors.Is(err, syscall.ENOTDIR) {
				t.Errorf("got %v", err)
			}
			if text, err := os.ReadFile(file); err != nil || string(text) != "mine" {
				t.Errorf("the file holds %q, %v", text, err)
			}
		})
	}
}

// Before, Run gave up after 10 seconds, whatever BrokerTimeout said.
func TestBrokerTimeoutHoldsAtTheStart(t *testing.T) {
	t.Parallel()
	app, err := runtime.New(pipeline{input: "in", output: "out"}.topology(), runtime.Config{
		Connection: kafka.Connection{Brokers: []string{deadAddress}}, Group: "g", BrokerTimeout: 300 * time.Millisecond, State: runtime.StateConfig{InMemory: true, Dir: t.TempDir()},
		IgnoreSignals: true, Logger: logger(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	err = app.Run(t.Context())
	if !errors.Is(err, weir.ErrUnavailable) || !strings.Contains(err.Error(), "Config.BrokerTimeout (300ms)") || !strings.Contains(err.Error(), deadAddress) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(began); took < 300*time.Millisecond || took > 9*time.Second {
		t.Errorf("Run ended after %v", took)
	}
	if _, err := app.Plan(t.Context()); !errors.Is(err, weir.ErrUnavailable) || !strings.Contains(err.Error(), "Config.BrokerTimeout") {
		t.Errorf("Plan: error %v", err)
	}
}
