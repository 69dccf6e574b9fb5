package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// everything is a topology with each thing that has metrics: state, a global table, a source, a sink, and records that fail.
func everything(in, out, rows, fed string, written *[]int) *stream.Topology {
	t := stream.NewTopology()
	table := t.GlobalTable(stream.NewTopic(rows, codec.String(), codec.String()))
	t.From(stream.NewTopic(in, codec.String(), codec.JSON[int]())).
		MapWith(func(_ context.Context, n int) (int, error) {
			if n == unlucky {
				return 0, errUnlucky
			}
			return n, nil
		}).
		MapState(store.NewCell[int]("sum"), func(sum *store.Cell[int], n int) int {
			s, _ := sum.Get()
			sum.Set(s + n)
			return s + n
		}).
		LeftJoinGlobal(table, func(int) string { return "row" }, func(n int, _ *string) int { return n }).
		To(stream.NewTopic(out, codec.String(), codec.JSON[int]()))
	t.FromSourceWith(source.Options{Slots: 1}, source.FromSeq(slices.Values([]weir.Record[string, int]{{Key: "a", Value: 1}, {Key: "b", Value: 2}})), stream.NewTopic(fed, codec.String(), codec.JSON[int]())).
		Sink("list", sink.Batch(func(_ context.Context, records []weir.Record[string, int]) error {
			for _, r := range records {
				*written = append(*written, r.Value)
			}
			return nil
		}, sink.BatchOptions{}))
	return t
}

func TestEachInstrumentHasTheRightValuesAfterARun(t *testing.T) {
	kafkatest.Parallel(t)
	for _, guarantee := range []runtime.Guarantee{runtime.AtLeastOnce, runtime.ExactlyOnce} {
		t.Run(fmt.Sprint(guarantee), func(t *testing.T) {
			kafkatest.Parallel(t)
			k := newKafka(t)
			in, out, rows, fed := k.Topic(t, "in", 1), k.Topic(t, "out", 1), k.Topic(t, "rows", 1), k.Topic(t, "fed", 1)
			k.write(in, 0, numbers(0, 20)...) // one of them fails
			k.write(rows, 0, raw("row", "1"), raw("other", "2"))
			k.write(rows, 0, raw("row", "3"))
			p := newProvider(t)
			config := k.config()
			config.Guarantee, config.MeterProvider, config.Checkpoint.Interval = guarantee, p, 50*time.Millisecond
			config.Errors = weir.ErrorPolicy{Action: weir.DeadLetter}
			var written []int
			r := run(t, everything(in, out, rows, fed, &written), config)
			task, group := in+"/0", k.group
			want := map[string]float64{
				"weir.app.state{weir.state=running}": 1, "weir.app.state{weir.state=stopped}": 0,
				"weir.tasks.paused{}": 0, "weir.tasks{weir.task.state=running}": 3, "weir.tasks{weir.task.state=restoring}": 0,
				"messaging.client.consumed.messages{messaging.destination.name=" + in + ",messaging.destination.partition.id=0,messaging.operation.name=poll}": 20,
				"messaging.client.sent.messages{messaging.destination.name=" + out + ",messaging.operation.name=send}":                                         19,
				"weir.lag{messaging.destination.name=" + in + ",messaging.destination.partition.id=0}":                                                         0,
				"weir.lag.time{messaging.destination.name=" + in + ",messaging.destination.partition.id=0}":                                                    0,
				"weir.records.dropped{weir.reason=failed,weir.task=" + task + "}":                                                                              1,
				"weir.records.dropped{weir.reason=late,weir.task=" + task + "}":                                                                                0,
				"weir.dead_letters{weir.task=" + task + "}":                                                                                                    1,
				"weir.restore.remaining{weir.task=" + task + "}":                                                                                               0,
				"weir.uncommitted.time{weir.worker=0}":                                                                                                         0,
				"weir.input.held.time{weir.worker=0}":                                                                                                          0,
				"weir.rewinds{weir.worker=0}":                                                                                                                  0,
				"weir.state.uncommitted{weir.task=" + task + "}":                                                                                               0,
				"weir.state.rebuilds{weir.task=" + task + "}":                                                                                                  0,
				"weir.global_table.rows{messaging.destination.name=" + rows + "}":                                                                              2,
				"weir.global_table.remaining{messaging.destination.name=" + rows + "}":                                                                         0,
				"weir.cluster.unreachable.time{}":                                                                                                              0,
				"weir.topics.missing{}":                                                                                                                        0,
			}
			await(t, "the values of a member that has done its work", func() bool {
				got := p.collect()
				return r.Status().State == runtime.Running && got["weir.sink.flush.duration{weir.sink=list}"] > 0 && cmp.Equal(want, among(got, want))
			})
			got := p.collect()
			if diff := cmp.Diff(want, among(got, want)); diff != "" {
				t.Error(diff)
			}
			positive := []string{
				"weir.output.latency{messaging.destination.name=" + out + "}",
				"weir.checkpoint.duration{weir.worker=0}",
				"weir.checkpoint.phase.duration{weir.checkpoint.phase=commit,weir.worker=0}",
				"weir.checkpoint.size{weir.worker=0}",
				"weir.worker.busy.time{weir.worker=0}",
				"weir.rebalance.duration{weir.rebalance.kind=assigned}",
				"weir.state.size{weir.task=" + task + "}",
				"weir.stream_time.lag{weir.task=" + task + "}",
			}
			if guarantee == runtime.ExactlyOnce {
				positive = append(positive, "weir.transactions{weir.outcome=committed,weir.worker=0}")
			}
			for _, key := range positive {
				if got[key] <= 0 {
					t.Errorf("%s is %v", key, got[key])
				}
			}
			names := map[string]bool{}
			for key := range got {
				name, _, _ := strings.Cut(key, "{")
				names[name] = true
				if strings.HasPrefix(key, "weir.output.latency") && (strings.Contains(key, group+"--") || strings.Contains(key, "deadletter")) {
					t.Errorf("%s: an internal topic is no output", key)
				}
			}
			for _, m := range runtime.Metrics() {
				switch m.Name {
				case "weir.client.errors", "weir.restore.duration": // see other tests
				case "weir.transactions":
					if guarantee == runtime.ExactlyOnce && !names[m.Name] {
						t.Errorf("%s has no value", m.Name)
					}
				default:
					if !names[m.Name] {
						t.Errorf("%s has no value", m.Name)
					}
				}
			}
			r.stop()
			if n := len(p.callbacks); n != 0 {
				t.Errorf("%d callbacks are left after the run", n)
			}
		})
	}
}

// among returns the values with the keys of want.
func among(values, want map[string]float64) map[string]float64 {
	out := map[string]float64{}
	for key := range want {
		if v, ok := values[key]; ok {
			out[key] = v
		}
	}
	return out
}

func TestInstrumentsAreAsTheTableSays(t *testing.T) {
	k := newKafka(t)
	p := newProvider(t)
	config := k.config()
	config.MeterProvider = p
	in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
	run(t, pipeline{input: in, output: out}.topology(), config).stopRunning()
	want := map[string]runtime.Metric{}
	for _, m := range runtime.Metrics() {
		if want[m.Name] != (runtime.Metric{}) || m.Description == "" || !strings.HasSuffix(m.Description, ".") {
			t.Errorf("%+v stands in the table twice, or lacks a description", m)
		}
		want[m.Name] = m
	}
	if diff := cmp.Diff(want, p.made); diff != "" {
		t.Error(diff)
	}
}

// stopRunning waits until an application runs, and stops it.
func (r *running) stopRunning() {
	r.t.Helper()
	r.await("the assignment", func(s runtime.Status) bool { return s.State == runtime.Running })
	r.stop()
}

// A function that hangs leaves records behind: the lag tells their number, and the age of the oldest of them.
func TestLagIsInRecordsAndInTime(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
	records := numbers(0, 40)
	old := time.Now().Add(-time.Hour)
	for i := range records {
		records[i].Millis = old.Add(time.Duration(i) * time.Minute).UnixMilli()
	}
	k.write(in, 0, records...)
	p := newProvider(t)
	config := k.config()
	config.MeterProvider, config.Checkpoint.Records = p, 0
	reached, goOn := make(chan struct{}), make(chan struct{})
	topology := pipeline{input: in, output: out, f: func(ctx context.Context, n int) (int, error) {
		if n == 30 {
			close(reached)
			<-goOn
		}
		return n, nil
	}}.topology()
	r := run(t, topology, config)
	<-reached
	partition := "{messaging.destination.name=" + in + ",messaging.destination.partition.id=0}"
	got := p.collect()
	left := got["weir.lag"+partition]
	if left < 10 || left > 40 {
		t.Errorf("%v records are left, want the 10 behind the one that hangs and those of its step", left)
	}
	oldest := time.Hour - time.Duration(40-left)*time.Minute
	if age := time.Duration(got["weir.lag.time"+partition] * float64(time.Second)); age < oldest || age > oldest+time.Minute {
		t.Errorf("the oldest of %v records is %v old, want %v", left, age, oldest)
	}
	in0 := r.Status().Tasks[0].Inputs
	if len(in0) != 1 || in0[0].Topic != in || in0[0].Lag != int64(left) || in0[0].End != 40 || in0[0].Behind < oldest {
		t.Errorf("the status says %+v", in0)
	}
	if since := r.Status().Workers[0].StepSince; since.IsZero() || time.Since(since) > patience {
		t.Errorf("the step that hangs began at %v", since)
	}
	close(goOn)
	await(t, "the end of the input", func() bool {
		v := p.collect()
		return v["weir.lag"+partition] == 0 && v["weir.lag.time"+partition] == 0
	})
	r.stop()
}

// Counts of a task go on when it comes to the member again, as a counter may not fall.
func TestCountsOutliveTasks(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 2), k.Topic(t, "out", 1)
	topology := func() *stream.Topology { return pipeline{input: in, output: out}.topology() }
	p := newProvider(t)
	config := k.config()
	config.MeterProvider = p
	first := run(t, topology(), config)
	k.write(in, 0, numbers(0, 10)...)
	k.write(in, 1, numbers(10, 20)...)
	first.awaitProcessed(20)
	second := config
	second.State.Dir, second.MeterProvider = t.TempDir(), nil
	other := run(t, topology(), second)
	first.await("a rebalance", func(s runtime.Status) bool { return len(s.Tasks) == 1 })
	consumed := func() (n float64) {
		for key, v := range p.collect() {
			if strings.HasPrefix(key, "messaging.client.consumed.messages{messaging.destination.name="+in) {
				n += v
			}
		}
		return n
	}
	if n := consumed(); n != 20 {
		t.Errorf("%v records after a task has gone, want 20", n)
	}
	other.stop()
	first.await("both tasks", func(s runtime.Status) bool {
		return len(s.Tasks) == 2 && !s.Tasks[0].Restoring && !s.Tasks[1].Restoring
	})
	k.write(in, 0, numbers(20, 25)...)
	k.write(in, 1, numbers(25, 30)...)
	await(t, "the counts of all records", func() bool { return consumed() == 30 })
	if got := p.collect(); got["weir.rebalance.duration{weir.rebalance.kind=revoked}"] < 1 {
		t.Error("the rebalance is not measured")
	}
	first.stop()
}

// Listeners hear of the whole life of an application, in order.
func TestListenersHearOfEachEvent(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
	k.write(in, 0, numbers(0, 20)...)
	config := k.config()
	run(t, pipeline{input: in, output: out}.topology(), config).awaitThenStop(20)

	var states []runtime.State
	var rebalances []runtime.Rebalance
	var restores []runtime.Restore
	var checkpoints []runtime.Checkpoint
	config.State.Dir = t.TempDir()
	config.Listeners = runtime.Listeners{
		State:      func(s runtime.State) { states = append(states, s); panic("listeners may panic") },
		Rebalance:  func(r runtime.Rebalance) { rebalances = append(rebalances, r) },
		Restore:    func(r runtime.Restore) { restores = append(restores, r) },
		Checkpoint: func(c runtime.Checkpoint) { checkpoints = append(checkpoints, c) },
	}
	r := run(t, pipeline{input: in, output: out}.topology(), config)
	k.write(in, 0, numbers(20, 30)...)
	r.awaitThenStop(10)

	if diff := cmp.Diff([]runtime.State{runtime.Starting, runtime.Running, runtime.Stopping, runtime.Stopped}, states); diff != "" {
		t.Error(diff)
	}
	if len(rebalances) != 1 || rebalances[0].Kind != "assigned" || !cmp.Equal(rebalances[0].Partitions, []runtime.Partition{{Topic: in}}) || rebalances[0].Err != nil {
		t.Errorf("rebalances: %+v", rebalances)
	}
	if len(restores) != 2 || restores[0].Done || restores[0].Remaining == 0 || !restores[1].Done || restores[1].Records == 0 || restores[1].Took <= 0 ||
		restores[0].Task != in+"/0" || restores[1].Task != in+"/0" {
		t.Errorf("restores: %+v", restores)
	}
	total := 0
	for _, c := range checkpoints {
		total += c.Records
		if parts := c.Operators + c.Sinks + c.Changelogs + c.Commit + c.Databases; c.Err != nil || parts > c.Took || c.Commit <= 0 {
			t.Errorf("checkpoint: %+v", c)
		}
	}
	if total != 10 {
		t.Errorf("checkpoints of %d records, want 10: %+v", total, checkpoints)
	}
}

// awaitThenStop waits until so many records were read, and stops the application.
func (r *running) awaitThenStop(n int64) {
	r.t.Helper()
	r.awaitProcessed(n)
	r.stop()
}

// Exactly once, output of an aborted transaction has no latency, and the transaction counts as aborted.
func TestAbortedTransactionsAreCounted(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
	k.write(in, 0, numbers(0, 20)...)
	p := newProvider(t)
	config := k.config()
	config.Guarantee, config.MeterProvider = runtime.ExactlyOnce, p
	config.Errors = weir.ErrorPolicy{Retry: &weir.Retry{Attempts: 3, FirstWait: time.Millisecond}}
	failures := 0
	r := run(t, pipeline{input: in, output: out, f: func(_ context.Context, n int) (int, error) {
		if n == unlucky && failures < 2 {
			failures++
			return 0, errors.Join(errUnlucky, weir.ErrUnavailable)
		}
		return n, nil
	}}.topology(), config)
	await(t, "the last record", func() bool { return k.committed(in, 0) >= 20 })
	r.await("a settled worker", func(s runtime.Status) bool { return s.Workers[0].UncommittedSince.IsZero() })
	got := p.collect()
	r.stop()
	aborted, rewinds := got["weir.transactions{weir.outcome=aborted,weir.worker=0}"], got["weir.rewinds{weir.worker=0}"]
	if aborted != 2 || rewinds != 2 {
		t.Errorf("%v transactions aborted, %v rewinds, want 2: %v", aborted, rewinds, slices.Sorted(maps.Keys(got)))
	}
}
