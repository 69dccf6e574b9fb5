package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// countedTwice counts records by key, by a repartition topic, so that there is an internal topic of each kind.
func countedTwice(in, out string) *stream.Topology {
	t := stream.NewTopology()
	count := store.NewCell[int64]("count")
	t.From(stream.NewTopic(in, codec.String(), codec.String())).
		GroupBy("all", func(string) string { return "all" }).
		MapState(count, func(c *store.Cell[int64], _ string) int64 {
			n, _ := c.Get()
			c.Set(n + 1)
			return n + 1
		}).To(stream.NewTopic(out, codec.String(), codec.JSON[int64]()))
	return t
}

func TestAResetBeginsAgain(t *testing.T) {
	for name, guarantee := range map[string]runtime.Guarantee{"at least once": runtime.AtLeastOnce, "exactly once": runtime.ExactlyOnce} {
		t.Run(name, func(t *testing.T) {
			kafkatest.Parallel(t)
			k := newKafka(t)
			in, out := k.Topic(t, "in", 2), k.Topic(t, "out", 1)
			config := k.config()
			config.Guarantee = guarantee
			config.State.Dir = filepath.Join(config.State.Dir, "[state]*") // which is no pattern
			config.Checkpoint.Interval, config.State.LockWait = 100*time.Millisecond, 2*time.Second
			count := func(want int64) {
				t.Helper()
				before := len(k.read(out))
				app := run(t, countedTwice(in, out), config)
				await(t, fmt.Sprint("a count of ", want), func() bool {
					all := k.read(out)
					return len(all) >= before+int(want) && string(all[len(all)-1].Value) == fmt.Sprint(want)
				})
				await(t, "a commit", func() bool { return k.committed(in, 0)+k.committed(in, 1) == 5 })
				app.stop()
				if all := k.read(out); string(all[len(all)-1].Value) != fmt.Sprint(want) {
					t.Errorf("the count is %s at last, want %d", all[len(all)-1].Value, want)
				}
			}
			k.write(in, 0, numbers(0, 3)...)
			k.write(in, 1, numbers(0, 2)...)
			count(5)

			app, err := runtime.New(countedTwice(in, out), config)
			if err != nil {
				t.Fatal(err)
			}
			dry, err := app.Reset(t.Context(), runtime.ResetOptions{DryRun: true})
			if err != nil {
				t.Fatal(err)
			}
			want := []runtime.ResetOffset{{Topic: in, Partition: 0, From: 3, To: 0}, {Topic: in, Partition: 1, From: 2, To: 0}}
			if diff := cmp.Diff(want, dry.Offsets, cmpopts.IgnoreFields(runtime.ResetOffset{}, "End")); diff != "" {
				t.Errorf("offsets (-want +got):\n%s", diff)
			}
			if len(dry.Topics) != 3 || len(dry.Directories) == 0 {
				t.Errorf("topics %q, directories %q", dry.Topics, dry.Directories)
			}
			if k.committed(in, 0) != 3 {
				t.Error("the dry run changes offsets")
			}
			for _, dir := range dry.Directories {
				if _, err := os.Stat(dir); err != nil {
					t.Error("the dry run:", err)
				}
			}
			for _, line := range []string{in + "[0]: 3 becomes 0", "topic changelog__", "topic repartition__", "topic inventory__", "directory "} {
				if !strings.Contains(dry.String(), line) {
					t.Errorf("%q is not in:\n%s", line, dry)
				}
			}

			done, err := app.Reset(t.Context(), runtime.ResetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(dry, done); diff != "" {
				t.Errorf("done, not as planned (-plan +done):\n%s", diff)
			}
			count(5) // and not 10, as old state would have it

			// A reset to a place, and a second one of what is reset.
			for range 2 {
				if _, err := app.Reset(t.Context(), runtime.ResetOptions{Latest: true, Offsets: map[string]map[int32]int64{in: {0: 1}}}); err != nil {
					t.Fatal(err)
				}
				if got := []int64{k.committed(in, 0), k.committed(in, 1)}; got[0] != 1 || got[1] < 2 {
					t.Errorf("committed offsets %v", got)
				}
			}
			count(2)
		})
	}
}

func TestAResetWhileMembersLiveChangesNothing(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
	config := k.config()
	config.Checkpoint.Interval = 100 * time.Millisecond
	k.write(in, 0, numbers(0, 3)...)
	running := run(t, countedTwice(in, out), config)
	await(t, "a commit", func() bool { return k.committed(in, 0) == 3 })
	app, err := runtime.New(countedTwice(in, out), config)
	if err != nil {
		t.Fatal(err)
	}
	for _, dry := range []bool{true, false} {
		if _, err := app.Reset(t.Context(), runtime.ResetOptions{DryRun: dry}); !errors.Is(err, weir.ErrMembers) {
			t.Errorf("error %v", err)
		}
	}
	if k.committed(in, 0) != 3 {
		t.Error("offsets have changed")
	}
	running.stop()
}

func TestAResetToNowhereIsRefused(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
	app, err := runtime.New(countedTwice(in, out), k.config())
	if err != nil {
		t.Fatal(err)
	}
	for want, options := range map[string]runtime.ResetOptions{
		"not both":            {Latest: true, Time: time.Now()},
		"has the offsets 0":   {Offsets: map[string]map[int32]int64{in: {0: 7}}},
		"does not read other": {Offsets: map[string]map[int32]int64{"other": {0: 0}}},
		"does not read " + in: {Offsets: map[string]map[int32]int64{in: {1: 0}}},
	} {
		if _, err := app.Reset(t.Context(), options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in: %v", want, err)
		}
	}
}

// resetToYesterday is the example of docs/topology.md.
func resetToYesterday(ctx context.Context, app *runtime.App) error {
	options := runtime.ResetOptions{Time: time.Now().Add(-24 * time.Hour), DryRun: true}
	plan, err := app.Reset(ctx, options)
	if err != nil {
		return err
	}
	fmt.Print(plan) // offset of orders[0]: 8120 becomes 7004, ...
	options.DryRun = false
	_, err = app.Reset(ctx, options)
	return err
}

func TestAResetToATime(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 2), k.Topic(t, "out", 1)
	old := number(0)
	old.Millis -= (48 * time.Hour).Milliseconds()
	k.write(in, 0, old, old, number(1))
	k.write(in, 1, old)
	app, err := runtime.New(countedTwice(in, out), k.config())
	if err != nil {
		t.Fatal(err)
	}
	if err := resetToYesterday(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	if got := []int64{k.committed(in, 0), k.committed(in, 1)}; got[0] != 2 || got[1] != 1 {
		t.Errorf("committed offsets %v, want 2 and, as partition 1 has no such record, its end 1", got)
	}
}
