package runtime_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
)

func TestClearedStateIsRestoredFromTheChangelogs(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	p := pipeline{input: k.Topic(t, "in", 2), output: k.Topic(t, "out", 1)}
	config := k.config()
	// A process that another test starts holds the lock too, for the moment between fork and exec.
	config.State.LockWait, config.Checkpoint.Interval = 2*time.Second, 100*time.Millisecond
	k.write(p.input, 0, numbers(0, 6)...)
	k.write(p.input, 1, numbers(0, 3)...)
	app := run(t, p.topology(), config)
	await(t, "a checkpoint", func() bool { return k.committed(p.input, 0) == 6 && k.committed(p.input, 1) == 3 })

	other, err := runtime.New(p.topology(), config)
	if err != nil {
		t.Fatal(err)
	}
	if deleted, err := other.ClearState(t.Context()); !errors.Is(err, weir.ErrLocked) || len(deleted) != 0 {
		t.Errorf("while it runs: deleted %q, error %v", deleted, err)
	}
	app.stop()

	// The rest of a call that was cut off goes too, and is not told again.
	dir := filepath.Join(config.State.Dir, k.group)
	if err := os.MkdirAll(filepath.Join(dir, ".cleared-old", "7"), 0o755); err != nil {
		t.Fatal(err)
	}
	identity, err := os.ReadFile(filepath.Join(dir, "process.json"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	deleted, err := other.ClearState(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(dir, p.input, "0"), filepath.Join(dir, p.input, "1")}
	if diff := cmp.Diff(want, deleted); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			t.Errorf("%s is still there", e.Name())
		}
	}
	if after, _ := os.ReadFile(filepath.Join(dir, "process.json")); string(after) != string(identity) {
		t.Errorf("the identity of the process was %q, and is %q", identity, after)
	}
	if again, err := other.ClearState(t.Context()); err != nil || len(again) != 0 {
		t.Errorf("again: deleted %q, error %v", again, err)
	}

	k.write(p.input, 0, number(6)) // of the key of 0 and 3
	restarted := run(t, p.topology(), config)
	await(t, "a checkpoint", func() bool { return k.committed(p.input, 0) == 7 })
	restarted.stop()
	results := k.read(p.output)
	if got := string(results[len(results)-1].Value); got != `{"Number":6,"Sum":9}` {
		t.Errorf("after the restore: %s", got)
	}
}

func TestClearingStateThatIsNotThereCreatesNothing(t *testing.T) {
	t.Parallel()
	p := pipeline{input: "in", output: "out"}
	for _, config := range []runtime.Config{
		{Connection: kafka.Connection{Brokers: []string{"localhost:1"}}, Group: "g", State: runtime.StateConfig{Dir: filepath.Join(t.TempDir(), "none")}},
		{Connection: kafka.Connection{Brokers: []string{"localhost:1"}}, Group: "g", State: runtime.StateConfig{Dir: filepath.Join(t.TempDir(), "none"), InMemory: true}},
	} {
		app, err := runtime.New(p.topology(), config)
		if err != nil {
			t.Fatal(err)
		}
		if deleted, err := app.ClearState(t.Context()); err != nil || len(deleted) != 0 {
			t.Errorf("deleted %q, error %v", deleted, err)
		}
		if _, err := os.Stat(config.State.Dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", config.State.Dir, err)
		}
	}
}
