package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/stream"
)

func TestAnInspectionShowsCallsFailuresTopicsAndCheckpoints(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
	config := k.config()
	config.Errors = weir.ErrorPolicy{Action: weir.Skip}
	r := run(t, pipeline{input: in, output: out, f: func(_ context.Context, n int) (int, error) {
		if n == unlucky {
			return 0, errUnlucky
		}
		return n, nil
	}}.topology(), config)
	r.await("the task", func(s runtime.Status) bool { return len(s.Tasks) == 1 && !s.Tasks[0].Restoring })
	var before int64 // records until the worker counts calls, which it does from the step on that follows the first look
	for r.Inspect().Operators[0].Calls == 0 {
		k.write(in, 0, number(1))
		before++
		r.awaitProcessed(before)
	}
	uncounted := before - r.Inspect().Operators[0].Calls
	k.write(in, 0, number(1), number(unlucky), number(2), raw("1", "no number"))
	var got runtime.Inspection
	await(t, "the figures", func() bool {
		got = r.Inspect()
		return len(got.Checkpoints) > 0 && len(got.Failures) == 2 && got.Operators[2].Calls == before-uncounted+3
	})
	byName := map[string]runtime.OperatorStatus{}
	for _, o := range got.Operators {
		byName[o.Name] = o
	}
	for name, want := range map[string][2]int64{"source " + in: {4, 1}, "map-1": {3, 1}, "mapstate sum": {2, 0}, "sink " + out: {2, 0}} {
		if o := byName[name]; o.Calls != before-uncounted+want[0] || o.Failed != want[1] || o.SubTopology != in || !strings.Contains(o.Site, "support_test.go:") {
			t.Errorf("%s: want %d calls and %d failures: %+v", name, want[0], want[1], got.Operators)
		}
	}
	for _, topic := range got.Topics {
		switch {
		case topic.Name == in && (topic.Consumed != before+4 || topic.Internal || topic.ID == ""), topic.Name == out && (topic.Sent != before+2 || topic.ID == ""),
			strings.HasPrefix(topic.Name, "changelog__") && (!topic.Internal || topic.Sent == 0 || topic.ID != ""):
			t.Errorf("%+v", topic)
		}
	}
	newest, c := got.Failures[0], got.Checkpoints[0]
	if newest.Offset != before+3 || newest.Topic != in || newest.Stage != weir.StageDecode || newest.Action != "skip" || got.Failures[1].Error != errUnlucky.Error() {
		t.Errorf("%+v", got.Failures)
	}
	if c.Err != nil || c.Began.IsZero() || c.Took <= 0 || got.Status.Workers[0].CheckpointAt.IsZero() {
		t.Errorf("%+v, %+v", c, got.Status.Workers)
	}
	if len(got.Topics) != 3 || len(got.Stores) != 1 || len(got.Databases) != 1 || got.Databases[0].Task != got.Status.Tasks[0].Name {
		t.Errorf("%+v\n%+v\n%+v", got.Topics, got.Stores, got.Databases)
	}
	r.stop()
}

func TestSettingsAreShownWithoutSecrets(t *testing.T) {
	t.Parallel()
	topology := stream.NewTopology()
	topology.From(rawLines).To(shouted)
	a, err := runtime.New(topology, runtime.Config{
		Group: "shop", Guarantee: runtime.ExactlyOnce,
		Connection: kafka.Connection{
			Brokers: []string{"a:1", "b:2"}, SecurityProtocol: "sasl_plaintext", SASL: kafka.SASL{Mechanism: "PLAIN", Username: "me", Password: secret.New("hidden text")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range a.Settings() {
		got[s.Field] = s.Value
	}
	for field, want := range map[string]string{
		"Group": "shop", "Guarantee": "exactly_once", "Connection.Brokers": "a:1, b:2", "Connection.SASL.Password": secret.Mask, "Checkpoint.Interval": "1s",
		"Topics.Create": "false", "Topics.OffsetReset": "earliest", "Connection.SASL.OAuth.ClientSecret": "",
	} {
		if value, ok := got[field]; !ok || value != want {
			t.Errorf("%s is %q, want %q", field, value, want)
		}
	}
	if len(got) != len(runtime.ConfigVariables()) || strings.Contains(fmt.Sprint(got), "hidden") {
		t.Errorf("%v", got)
	}
}

// The JSON of an inspection is an interface of other programs, as that of a status is.
func TestTheJSONOfAnInspectionIsStable(t *testing.T) {
	at := time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)
	expectStableJSON(t, "testdata/inspection.json", []runtime.Inspection{{}, {
		Time:      at,
		Operators: []runtime.OperatorStatus{{ID: "n1", Name: "map-1", Site: "shop/main.go:12", SubTopology: "orders", Calls: 1, Failed: 2}},
		Topics:    []runtime.TopicStatus{{ID: "t1", Name: "orders", Internal: true, Consumed: 1, Sent: 2, Lag: 3}},
		Sinks:     []runtime.SinkStatus{{Name: "files", Site: "shop/main.go:13", Flushes: 1, Failed: 2, LastFlush: at, Took: 1500 * time.Millisecond, Error: "disk full"}},
		Stores:    []runtime.StoreStatus{{Name: "sum", SubTopology: "orders", Changelog: "changelog"}},
		Databases: []runtime.DatabaseStatus{{Task: "orders/0", Bytes: 1, CompactionDebt: 2}},
		Checkpoints: []runtime.Checkpoint{{
			Worker: 1, Tasks: 2, Records: 3, StateBytes: 4, Began: at, Took: 15 * time.Second, Operators: 1 * time.Second, Sinks: 2 * time.Second,
			Changelogs: 3 * time.Second, Commit: 4 * time.Second, Databases: 5 * time.Second, Err: errors.New("no"),
		}},
		Failures: []runtime.RecordFailure{{
			At: at, Topic: "orders", Partition: 1, Offset: 2, Operator: "map-1", Site: "shop/main.go:12", Stage: weir.StageProcess, Action: "skip", Error: "bad",
		}},
	}})
}
