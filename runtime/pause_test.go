package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

// A paused topic has a checkpoint of all that was read of it, and no transaction is open. The rest of the App goes on, and RunUntil does
// not take the silence for the end of the input.
func TestAPausedTopicStandsStillAndTheOthersGoOn(t *testing.T) {
	kafkatest.Parallel(t)
	for _, guarantee := range []runtime.Guarantee{runtime.AtLeastOnce, runtime.ExactlyOnce} {
		k := newKafka(t)
		held, other, out := k.Topic(t, "held", 1), k.Topic(t, "other", 1), k.Topic(t, "out", 1)
		topology := stream.NewTopology()
		topology.From(texts(held)).To(texts(out))
		topology.From(texts(other)).Peek(func(string) {})
		config := k.config()
		config.Guarantee, config.Checkpoint = guarantee, runtime.CheckpointConfig{Interval: 20 * time.Second} // none comes by itself
		a := app(t, topology, config)
		ended := make(chan error, 1)
		go func() { ended <- a.RunUntil(within(t), runtime.Until{Idle: 500 * time.Millisecond}) }()
		k.write(held, 0, numbers(0, 10)...)
		processed := func(topic string) (n int64) {
			for _, s := range a.Status().Tasks {
				if s.Name == topic+"/0" {
					n = s.Processed
				}
			}
			return n
		}
		await(t, "the first records", func() bool { return processed(held) == 10 })
		if err := a.Pause(within(t), runtime.Scope{Topic: held}, "repair"); err != nil {
			t.Fatal(err)
		}
		if got := k.committed(held, 0); got != 10 {
			t.Errorf("%v: %d records are committed at the pause, want 10", guarantee, got)
		}
		stable, err := k.Offsets(within(t), broker.End, broker.TopicPartition{Topic: out})
		if err != nil {
			t.Fatal(err)
		}
		latest, err := k.Offsets(within(t), broker.Latest, broker.TopicPartition{Topic: out})
		if err != nil {
			t.Fatal(err)
		}
		if tp := (broker.TopicPartition{Topic: out}); stable[tp] != latest[tp] || latest[tp] < 10 {
			t.Errorf("%v: a transaction is open: the output ends at %d for readers of committed records, and at %d", guarantee, stable[tp], latest[tp])
		}
		k.write(held, 0, numbers(10, 20)...)
		k.write(other, 0, numbers(0, 10)...)
		await(t, "the records of the other topic", func() bool { return processed(other) == 10 })
		if got := processed(held); got != 10 {
			t.Errorf("%v: %d records of the paused topic were processed, want 10", guarantee, got)
		}
		status := a.Status()
		if len(status.Paused) != 1 || status.Paused[0].Reason != "repair" || status.Paused[0].Topic != held || status.Paused[0].Since.IsZero() {
			t.Errorf("the status has the pauses %+v", status.Paused)
		}
		checkReadyAndPaused(t, a)
		select {
		case err := <-ended:
			t.Fatalf("%v: RunUntil has ended in spite of the pause: %v", guarantee, err)
		default: // see TestAPausedAppIsNotIdle
		}
		if err := a.Resume(runtime.Scope{Topic: held}); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if got := k.committed(held, 0); got != 20 {
			t.Errorf("%v: %d records are committed at the end, want 20", guarantee, got)
		}
	}
}

// checkReadyAndPaused fails a test unless an App is ready and its answer names a pause.
func checkReadyAndPaused(t *testing.T, a *runtime.App) {
	t.Helper()
	answer := httptest.NewRecorder()
	a.Readyz().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
	var health runtime.Health
	if err := json.Unmarshal(answer.Body.Bytes(), &health); err != nil && answer.Code == 0 {
		t.Fatal(err)
	}
	if answer.Code != http.StatusOK || len(health.Paused) != 1 {
		t.Errorf("Readyz answers %d %s", answer.Code, answer.Body)
	}
}

// A pause that was there before Run holds from its begin on, and for partitions that come back to the member.
func TestAPauseSurvivesRebalances(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 2), k.Topic(t, "out", 2)
	topology := func() *stream.Topology {
		topology := stream.NewTopology()
		topology.From(texts(in)).To(texts(out))
		return topology
	}
	k.write(in, 0, numbers(0, 5)...)
	k.write(in, 1, numbers(0, 5)...)
	paused := app(t, topology(), k.config())
	if err := paused.Pause(within(t), runtime.Scope{}, ""); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- paused.Run(ctx) }()
	standing := func(tasks int) func() bool {
		return func() bool {
			all := paused.Status().Tasks
			return len(all) == tasks && !slices.ContainsFunc(all, func(s runtime.TaskStatus) bool { return !s.Paused || s.Processed > 0 })
		}
	}
	await(t, "both tasks on the paused member", standing(2))
	other := app(t, topology(), k.config())
	otherCtx, stopOther := context.WithCancel(t.Context())
	otherEnded := make(chan error, 1)
	go func() { otherEnded <- other.Run(otherCtx) }()
	await(t, "one task on each member", func() bool {
		all := other.Status().Tasks
		return len(all) == 1 && all[0].Processed == 5 && standing(1)()
	})
	stopOther()
	if err := <-otherEnded; err != nil {
		t.Fatal(err)
	}
	await(t, "both tasks on the paused member again", standing(2))
	if err := paused.Resume(runtime.Scope{}); err != nil {
		t.Fatal(err)
	}
	await(t, "the rest of the records", func() bool { return len(k.read(out)) == 10 })
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func TestAPauseNamesAnInputOfTheTopology(t *testing.T) {
	t.Parallel()
	topology := stream.NewTopology()
	topology.From(texts("orders")).Peek(func(string) {})
	topology.From(texts("returns")).Peek(func(string) {})
	a := app(t, topology, runtime.Config{Connection: kafka.Connection{Brokers: []string{"localhost:1"}}, Group: "shop", Prefix: "test."})
	for _, scope := range []runtime.Scope{{}, {Topic: "orders"}, {Topic: "test.orders"}, {SubTopology: "returns"}} {
		if err := errors.Join(a.Pause(t.Context(), scope, ""), a.Resume(scope)); err != nil {
			t.Errorf("%v: %v", scope, err)
		}
	}
	for _, scope := range []runtime.Scope{{Topic: "order"}, {SubTopology: "test"}, {Topic: "orders", SubTopology: "returns"}} {
		if err := a.Pause(t.Context(), scope, ""); !errors.Is(err, weir.ErrConfiguration) {
			t.Errorf("%v: pause returns %v", scope, err)
		}
		if err := a.Resume(scope); !errors.Is(err, weir.ErrConfiguration) {
			t.Errorf("%v: resume returns %v", scope, err)
		}
	}
	if len(a.Status().Paused) != 0 {
		t.Errorf("left over: %+v", a.Status().Paused)
	}
}
