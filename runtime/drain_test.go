package runtime_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

// valve lets a function of a topology wait.
type valve struct{ open chan struct{} }

func newValve() valve { return valve{make(chan struct{})} }

func (v valve) pass(ctx context.Context) error {
	select {
	case <-v.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drained drains an application in the background.
func drained(t *testing.T, a *runtime.App) <-chan error {
	t.Helper()
	ended := make(chan error, 1)
	ctx := within(t)
	go func() { ended <- a.Drain(ctx) }()
	await(t, "the begin of the drain", func() bool { return !a.Status().DrainingSince.IsZero() })
	return ended
}

// staged is a topology with an internal topic, calls behind it, and an output.
func staged(in, out string, calls valve) *stream.Topology {
	topology := stream.NewTopology()
	topology.From(texts(in)).
		GroupBy("again", func(s string) string { return s }).
		MapAsync(func(ctx context.Context, s string) (string, error) { return s, calls.pass(ctx) }).
		To(texts(out))
	return topology
}

// A drain reads nothing more from outside, and finishes everything that was read: in the internal topic, and in calls.
func TestADrainFinishesWhatWasRead(t *testing.T) {
	kafkatest.Parallel(t)
	for _, guarantee := range []runtime.Guarantee{runtime.AtLeastOnce, runtime.ExactlyOnce} {
		k := newKafka(t)
		in, out := k.Topic(t, "in", 2), k.Topic(t, "out", 1)
		calls := newValve()
		config := k.config()
		config.Guarantee, config.Checkpoint, config.Workers = guarantee, runtime.CheckpointConfig{Interval: 100 * time.Millisecond}, 2
		a := run(t, staged(in, out, calls), config)
		k.write(in, 0, numbers(0, 200)...)
		k.write(in, 1, numbers(200, 250)...)
		a.await("all records read from outside", func(s runtime.Status) bool {
			n := int64(0)
			for _, task := range s.Tasks {
				if strings.HasPrefix(task.Name, in+"/") {
					n += task.Processed
				}
			}
			return n == 250
		})
		ended := drained(t, a.App)
		k.write(in, 0, numbers(250, 260)...) // are left to others, unless a task has not heard of the drain yet
		answer := httptest.NewRecorder()
		a.Readyz().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
		if answer.Code != http.StatusServiceUnavailable || !strings.Contains(answer.Body.String(), `"draining"`) {
			t.Errorf("%v: Readyz answers %d %s", guarantee, answer.Code, answer.Body)
		}
		select {
		case err := <-ended:
			t.Fatalf("%v: the drain has ended while calls are in flight: %v", guarantee, err)
		default:
		}
		close(calls.open)
		if err := <-ended; err != nil {
			t.Fatalf("%v: %v", guarantee, err)
		}
		if err := a.failure(); err != nil {
			t.Fatalf("%v: Run: %v", guarantee, err)
		}
		seen := map[string]int{}
		for _, r := range k.read(out) {
			seen[string(r.Value)]++
		}
		read := k.committed(in, 0) + k.committed(in, 1)
		if read < 250 {
			t.Errorf("%v: %d records are committed, want 250 at least", guarantee, read)
		}
		if int64(len(seen)) != read {
			t.Errorf("%v: %d results of %d records that were read", guarantee, len(seen), read)
		}
		for value, times := range seen {
			if times > 1 && guarantee == runtime.ExactlyOnce {
				t.Errorf("%v: record %s was written %d times", guarantee, value, times)
			}
		}
		internal := "repartition__" + k.group + "--" + in + "--again"
		for p := range int32(2) {
			tp := broker.TopicPartition{Topic: internal, Partition: p}
			if end := k.offset(broker.End, tp); k.committed(internal, p) < end-1 { // the last offset may be that of a marker
				t.Errorf("%v: %v is read up to %d of %d", guarantee, tp, k.committed(internal, p), end)
			}
		}
	}
}

// A drain that cannot end says what is left, goes on, and ends when it can. One that Run does not live to see is an error.
func TestADrainThatDoesNotEndSaysWhatIsLeft(t *testing.T) {
	kafkatest.Parallel(t)
	for _, resumed := range []bool{true, false} {
		k := newKafka(t)
		in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
		calls := newValve()
		close(calls.open)
		a := run(t, staged(in, out, calls), k.config())
		internal := "repartition__" + k.group + "--" + in + "--again"
		if err := a.Pause(within(t), runtime.Scope{Topic: internal}, "repair"); err != nil {
			t.Fatal(err)
		}
		k.write(in, 0, numbers(0, 10)...)
		a.awaitProcessed(10)
		ended := drained(t, a.App)
		var left *runtime.DrainError
		await(t, "the records that are left", func() bool {
			ctx, cancel := context.WithTimeout(within(t), 20*time.Millisecond)
			defer cancel()
			err := a.Drain(ctx)
			if !errors.As(err, &left) || !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("the drain has ended in spite of the pause: %v", err)
			}
			return len(left.Left) == 1 && strings.Contains(left.Left[0], internal+"[0]") && strings.Contains(left.Error(), "paused")
		})
		if !resumed {
			a.stop()
			if err := <-ended; !errors.As(err, &left) || len(left.Left) != 1 || !strings.Contains(err.Error(), "stopped before") {
				t.Errorf("the drain of an App that was stopped: %v", err)
			}
			continue
		}
		if err := a.Resume(runtime.Scope{}); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if got := len(k.read(out)); got < 10 {
			t.Errorf("%d results, want 10", got)
		}
		if err := a.Drain(within(t)); err != nil {
			t.Errorf("the drain of an App that is drained: %v", err)
		}
	}
}

// A drain that was asked for before Run lets it read nothing.
func TestADrainBeforeRunReadsNothing(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
	k.write(in, 0, numbers(0, 10)...)
	a := app(t, staged(in, out, newValve()), k.config())
	ended := drained(t, a)
	if err := a.Run(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil || k.committed(in, 0) > 0 {
		t.Errorf("the drain: %v, with %d records read", err, k.committed(in, 0))
	}
}

// A task that reads a topic from outside beside an internal one takes the records of it that come before internal ones, and no more.
func TestADrainTakesFromOutsideNoMoreThanInternalRecordsWaitFor(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, rates, out := k.Topic(t, "in", 1), k.Topic(t, "rates", 1), k.Topic(t, "out", 1)
	at := func(key, value string, millis int64) broker.Record {
		return broker.Record{Key: []byte(key), Value: []byte(value), Millis: now + millis}
	}
	var slow atomic.Int64
	first := newValve()
	topology := stream.NewTopology()
	topology.From(texts(in)).
		GroupBy("key", func(string) string { return "k" }).
		JoinAsOf(topology.From(stream.NewTopic(rates, codec.String(), codec.String())).Filter(func(string) bool {
			if slow.Add(1) == 1 {
				<-first.open
			}
			return true
		}), join.AsOf{}, func(l, r string) string { return l + r }).
		To(texts(out))
	config := k.config()
	config.Workers = 2
	a := run(t, topology, config)
	k.write(rates, 0, at("k", "a", 0))
	await(t, "the first record", func() bool { return slow.Load() == 1 })
	k.write(rates, 0, at("k", "b", 5), at("k", "c", 20), at("k", "d", 30))
	k.write(in, 0, at("x", "1", 1), at("x", "2", 10))
	a.await("the records from outside", func(s runtime.Status) bool {
		for _, task := range s.Tasks {
			if task.Name == in+"/0" {
				return task.Processed == 2
			}
		}
		return false
	})
	ended := drained(t, a.App)
	close(first.open)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	last := map[string]bool{}
	for _, r := range k.read(out) {
		last[string(r.Value)] = true
	}
	if !last["1a"] || !last["2b"] || len(last) != 2 {
		t.Errorf("the results %v, want 1a and 2b", last)
	}
	if got := k.committed(rates, 0); got != 2 {
		t.Errorf("%d records of the other topic are committed, want the 2 that come before the internal ones", got)
	}
}

// When each process of a group is drained, the last one finishes the internal topics.
func TestDrainingEachProcessDrainsTheGroup(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 4), k.Topic(t, "out", 1)
	calls := newValve()
	config := k.config()
	config.Checkpoint = runtime.CheckpointConfig{Interval: 100 * time.Millisecond}
	first := run(t, staged(in, out, calls), config)
	config.State.Dir = t.TempDir()
	second := run(t, staged(in, out, calls), config)
	share := func(s runtime.Status) bool { return len(s.Tasks) == 4 }
	first.await("its share", share)
	second.await("its share", share)
	for p := range int32(4) {
		k.write(in, p, numbers(int(p)*50, int(p)*50+50)...)
	}
	await(t, "records in calls", func() bool { return processed(first.Status())+processed(second.Status()) >= 200 })
	one, other := drained(t, first.App), drained(t, second.App)
	close(calls.open)
	for _, ended := range []<-chan error{one, other} {
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	read := int64(0)
	for p := range int32(4) {
		read += k.committed(in, p)
	}
	seen := map[string]bool{}
	for _, r := range k.read(out) {
		seen[string(r.Value)] = true
	}
	if int64(len(seen)) != read {
		t.Errorf("%d results of %d records that were read", len(seen), read)
	}
}
