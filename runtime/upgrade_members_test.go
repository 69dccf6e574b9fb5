package runtime_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

// sharedLog is a log that goroutines may write and read.
type sharedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *sharedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *sharedLog) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

// During an upgrade members of two versions run side by side: both say that their topologies differ, and no record is lost or comes twice.
func TestMembersOfTwoVersionsShareTheWorkAndSayThatTheyDiffer(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		k := newKafka(t)
		in, out := k.Topic(t, "in", 2), k.Topic(t, "out", 1)
		begin := func(more bool) (*running, *sharedLog) {
			p := newPipe(in, in, out)
			s := p.input()
			s.To(p.out)
			if more {
				count[int64](p, s.Filter(func(string) bool { return false }), "more")
			}
			log := &sharedLog{}
			config := k.config()
			config.Guarantee, config.Checkpoint.Interval, config.Logger = g, 50*time.Millisecond, slog.New(slog.NewTextHandler(log, nil))
			return run(t, p.topology, config), log
		}
		old, oldLog := begin(false)
		k.write(in, 0, numbers(0, 5)...)
		await(t, "the first records", func() bool { return k.committed(in, 0) == 5 })
		now, nowLog := begin(true)
		const differ = "run different topologies"
		await(t, "both members to say that they differ", func() bool { return oldLog.has(differ) && nowLog.has(differ) })
		k.write(in, 0, numbers(5, 10)...)
		k.write(in, 1, numbers(10, 20)...)
		await(t, "the rest", func() bool { return k.committed(in, 0) == 10 && k.committed(in, 1) == 10 })
		old.stop()
		k.write(in, 0, numbers(20, 25)...)
		k.write(in, 1, numbers(25, 30)...)
		await(t, "the records after the upgrade", func() bool { return k.committed(in, 0) == 15 && k.committed(in, 1) == 15 })
		if !nowLog.has("all members of the group run the same topology") {
			t.Error("the member that is left does not say that all are the same")
		}
		now.stop()
		got, want := map[string]int{}, map[string]int{}
		for _, r := range k.read(out) {
			got[string(r.Value)]++
		}
		for n := range 30 {
			want[fmt.Sprint(n)] = 1
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("output (-want +got):\n%s", diff)
		}
	})
}

// A window with another aggregator is refused, whether the change is accepted or not: accepting could not tell members of the version before,
// which would go on to write their rows. The remedy that the error names does the same: the window begins empty under another name, and
// the state of before is given up by Config.Accept.
func TestAnotherAggregatorIsRefusedAndItsRemedyBeginsEmpty(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
	minute := window.Tumbling(time.Minute)
	config := k.config()
	version := func(declare declaration, accept ...stream.Change) error {
		p := newPipe(in, in, out)
		declare(p)
		config.Accept = accept
		k.write(in, 0, raw("k", "four"))
		return app(t, p.topology, config).RunUntil(within(t), runtime.Until{Idle: 100 * time.Millisecond})
	}
	topic := "changelog__GROUP--" + in + "--"
	if err := version(windowed(minute, window.Min(length))); err != nil {
		t.Fatal(err)
	}
	changed := stream.Change{Kind: stream.StateReinterpreted, Topic: topic + "tumbling_window_60000"}
	for _, accept := range [][]stream.Change{nil, {changed}} {
		err := version(windowed(minute, window.Max(length)), accept...)
		if !errors.Is(err, weir.ErrDefinitionChanged) || !strings.Contains(err.Error(), "give the new store another name") {
			t.Fatalf("accepted %v: %v", accept, err)
		}
	}
	renamed := func(p pipe) {
		p.input().Window(minute.Name("greatest")).Aggregate(window.Max(length)).Current().
			Map(func(r window.Result[int]) string { return fmt.Sprint(r.Value) }).To(p.out)
	}
	if err := version(renamed, stream.Change{Kind: stream.StateOrphaned, Topic: topic + "tumbling_window_60000"}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range k.read(out) {
		got = append(got, string(r.Value))
	}
	if diff := cmp.Diff([]string{"4", "4", "4"}, got); diff != "" { // the records of the refused starts and its own
		t.Errorf("output (-want +got):\n%s", diff)
	}
}
