package runtime_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// A store without a changelog goes on where it was on the same machine, and begins empty on another one. The application says so, and
// its plan too.
func TestAStoreWithoutAChangelogIsLostWithTheMachineAndNotBefore(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		k := newKafka(t)
		in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
		topology := func() *stream.Topology {
			topology := stream.NewTopology()
			topology.From(stream.NewTopic(in, orJSON[int](nil), orJSON[int](nil))).
				MapState(store.NewCell[int]("sum").WithoutChangelog(), func(sum *store.Cell[int], n int) total {
					s, _ := sum.Get()
					sum.Set(s + n)
					return total{Number: n, Sum: s + n}
				}).
				To(stream.NewTopic(out, orJSON[int](nil), orJSON[total](nil)))
			return topology
		}
		config := k.config()
		config.Guarantee, config.Checkpoint.Interval = g, 100*time.Millisecond
		process := func(from, to int) (log string) {
			var b bytes.Buffer
			config.Logger = slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelWarn}))
			k.write(in, 0, numbers(from, to)...)
			app := run(t, topology(), config)
			await(t, "everything", func() bool { return k.committed(in, 0) == int64(to) })
			app.stop()
			return b.String()
		}
		first, second := process(0, 20), process(20, 40)
		k.checkTotalsExactly(out, numbers(0, 40))
		if !strings.Contains(first, "has no changelog") || strings.Contains(first+second, "begin empty") {
			t.Errorf("logged %s%s", first, second)
		}
		config.State.Dir = t.TempDir()
		if log := process(40, 60); !strings.Contains(log, "begin empty") {
			t.Errorf("logged %s", log)
		}
		want := totalsOf(t, numbers(0, 40))
		for key, totals := range totalsOf(t, numbers(40, 60)) {
			want[key] = append(want[key], totals...)
		}
		k.checkTotalsAre(out, want)

		plan, err := app(t, topology(), config).Plan(within(t))
		if err != nil || len(plan.Warnings) != 1 || !strings.Contains(plan.Warnings[0], "has no changelog") {
			t.Errorf("plan %+v, %v", plan, err)
		}
	})
}
