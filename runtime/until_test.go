package runtime_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

// texts is a topic of text.
func texts(name string) stream.Topic[string, string] {
	return stream.NewTopic(name, codec.String(), codec.String())
}

// app makes an application that is run by the test itself.
func app(t *testing.T, topology *stream.Topology, config runtime.Config) *runtime.App {
	t.Helper()
	a, err := runtime.New(topology, config)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Section 4.5 of the reference: outputs are counted at the end of the pipelines, filtered records are none, and the record
// that makes enough of them is the last one, and is finished.
func TestRunUntilThereAreEnoughOutputs(t *testing.T) {
	kafkatest.Parallel(t)
	for name, c := range map[string]struct {
		declare func(s stream.Stream[string, string], out stream.Topic[string, string])
		outputs int64
		// processed is the next offset that is committed.
		processed int64
	}{
		"written": {func(s stream.Stream[string, string], out stream.Topic[string, string]) { s.To(out) }, 3, 3},
		"filtered ones do not count": {func(s stream.Stream[string, string], out stream.Topic[string, string]) {
			s.Filter(func(v string) bool { return v != "1" }).To(out)
		}, 3, 4},
		"expanded ones count several times": {func(s stream.Stream[string, string], out stream.Topic[string, string]) {
			s.FlatMap(func(v string) []string { return []string{v, v, v} }).To(out)
		}, 4, 2},
		"each branch counts, and those that are not written": {func(s stream.Stream[string, string], out stream.Topic[string, string]) {
			s.To(out)
			s.Map(strings.ToUpper).Peek(func(string) {})
		}, 4, 2},
		"records of internal topics do not count": {func(s stream.Stream[string, string], out stream.Topic[string, string]) {
			s.Filter(func(v string) bool { return v == "7" }).To(out)
			s.GroupBy("g", func(v string) string { return v }).Filter(func(string) bool { return false }).Peek(func(string) {})
		}, 1, 8},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKafka(t)
			in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
			k.write(in, 0, numbers(0, 20)...)
			topology := stream.NewTopology()
			c.declare(topology.From(texts(in)), texts(out))
			if err := app(t, topology, k.config()).RunUntil(within(t), runtime.Until{Outputs: c.outputs}); err != nil {
				t.Fatal(err)
			}
			if got := k.committed(in, 0); got != c.processed {
				t.Errorf("%d records were processed, want %d", got, c.processed)
			}
		})
	}
}

func TestRunUntilTheInputIsIdle(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 2), k.Topic(t, "out", 1)
	k.write(in, 0, numbers(0, 5)...)
	k.write(in, 1, numbers(5, 9)...)
	var kept stream.Collector[string, string]
	declare := func() *stream.Topology {
		topology := stream.NewTopology()
		topology.From(texts(in)).Collect(&kept).To(texts(out))
		return topology
	}
	idle := runtime.Until{Idle: 300 * time.Millisecond}
	if err := app(t, declare(), k.config()).RunUntil(within(t), idle); err != nil {
		t.Fatal(err)
	}
	if n := len(k.read(out)); n != 9 || kept.Len() != 9 {
		t.Errorf("%d records were written and %d collected, want 9", n, kept.Len())
	}
	// Another run goes on at the committed offset.
	k.write(in, 0, number(9))
	if err := app(t, declare(), k.config()).RunUntil(within(t), idle); err != nil {
		t.Fatal(err)
	}
	if values := kept.Values(); len(values) != 10 || values[9] != "9" {
		t.Errorf("collected %q", values)
	}
	last := kept.Records()[9]
	if last.Key != "0" || last.Origin.Topic != in || last.Origin.Offset != 5 || last.Origin.Size != 1 || last.Millis != now {
		t.Errorf("collected %+v of %+v", last, last.Origin)
	}
}

func TestTheTimeOfAFunctionIsNotIdle(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in := k.Topic(t, "in", 1)
	k.write(in, 0, numbers(0, 1)...)
	topology := stream.NewTopology()
	finished := false
	topology.From(texts(in)).PeekRecord(func(ctx context.Context, _ weir.Record[string, string]) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second): // ten times as long as the limit
			finished = true
			return nil
		}
	})
	if err := app(t, topology, k.config()).RunUntil(within(t), runtime.Until{Idle: 100 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	if !finished || k.committed(in, 0) != 1 {
		t.Error("the run ended while a record was processed")
	}
}

func TestRunUntilRefusesNegativeConditions(t *testing.T) {
	t.Parallel()
	topology := stream.NewTopology()
	topology.From(texts("in")).Peek(func(string) {})
	a := app(t, topology, runtime.Config{Connection: kafka.Connection{Brokers: []string{"localhost:1"}}, Group: "g"})
	for _, until := range []runtime.Until{{Outputs: -1}, {Idle: -1}, {Outputs: -1, Idle: time.Second}} {
		if err := a.RunUntil(t.Context(), until); err == nil {
			t.Errorf("%+v is accepted", until)
		}
	}
}

var errBad = errors.New("bad")

// OnProcessed hears of each record once, in order, also of those that were skipped.
func TestOnProcessedHearsOfEachRecord(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in := k.Topic(t, "in", 1)
	k.write(in, 0, numbers(0, 5)...)
	topology := stream.NewTopology()
	topology.From(texts(in)).PeekRecord(func(_ context.Context, r weir.Record[string, string]) error {
		v := r.Value
		if v == "2" {
			return errBad
		}
		return nil
	})
	config := k.config()
	var mu sync.Mutex
	var heard []string
	config.OnProcessed = func(o weir.Origin) {
		mu.Lock()
		defer mu.Unlock()
		if o.Topic != in || o.Partition != 0 || o.Size != 1 || o.LeaderEpoch < 0 {
			t.Errorf("heard of %+v", o)
		}
		heard = append(heard, strconv.FormatInt(o.Offset, 10))
	}
	config.Errors.Decide = func(_ *weir.FailedRecord) weir.ErrorAction { return weir.Skip }
	if err := app(t, topology, config).RunUntil(within(t), runtime.Until{Outputs: 4}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(heard, " "); got != "0 1 2 3 4" {
		t.Errorf("heard of %s", got)
	}
}

func TestAPanicInOnProcessedEndsTheRun(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in := k.Topic(t, "in", 1)
	k.write(in, 0, numbers(0, 5)...)
	topology := stream.NewTopology()
	topology.From(texts(in)).Peek(func(string) {})
	config := k.config()
	config.OnProcessed = func(weir.Origin) { panic("oh") }
	err := app(t, topology, config).Run(within(t))
	if err == nil || !strings.Contains(err.Error(), "OnProcessed: panic: oh") {
		t.Errorf("ended with %v", err)
	}
	if got := k.committed(in, 0); got != 0 {
		t.Errorf("%d is committed", got)
	}
}

func TestProducerAndConsumerWorkOutsideOfAPipeline(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := texts(k.Name("in")).WithPartitions(3), texts(k.Name("out"))
	topology := stream.NewTopology()
	topology.From(in).Map(strings.ToUpper).To(out)
	config := k.config()
	config.Topics.Create = true
	a := app(t, topology, config)
	ctx := within(t)

	p, err := a.Producer(ctx, kafka.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	records := make([]weir.Record[string, string], 1500)
	for i := range records {
		records[i] = weir.Record[string, string]{
			Key: strconv.Itoa(i % 10), Value: "v" + strconv.Itoa(i), Millis: now, Headers: []weir.Header{{Key: "h", Value: []byte{1}}},
		}
	}
	records[0].KeyNull, records[1].ValueNull = true, true
	if err := errors.Join(p.Send(ctx, in, records...), p.Flush(ctx), p.Close()); err != nil {
		t.Fatal(err)
	}
	if err := a.RunUntil(ctx, runtime.Until{Outputs: int64(len(records))}); err != nil {
		t.Fatal(err)
	}

	read := func(group string, n int) map[string]int {
		c, err := a.Consumer(ctx, kafka.ConsumerOptions{Topics: []string{in.Name(), out.Name()}, Group: group})
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]int{}
		for len(values) < n {
			m, err := c.Poll(ctx, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if m == nil {
				continue
			}
			topic := in
			if m.Topic == out.Name() {
				topic = out
			}
			r, err := kafka.Decode(topic, m)
			if err != nil || r.Millis != now || len(r.Headers) != 1 || r.KeyNull != (m.Key == nil) || r.Origin.Size != len(m.Value) || r.Origin.LeaderEpoch < 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			if r.ValueNull {
				r.Value = "null"
			}
			values[m.Topic+r.Value]++
		}
		if err := c.Close(ctx); err != nil {
			t.Fatal(err)
		}
		return values
	}
	got := read(k.Name("reader"), 2*len(records))
	if got[in.Name()+"v1499"] != 1 || got[out.Name()+"V1499"] != 1 || got[in.Name()+"null"] != 1 {
		t.Errorf("%d records, of which some are missing", len(got))
	}
}

func TestAConsumerGoesOnWhereItsGroupHasCommitted(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in := k.Topic(t, "in", 1)
	k.write(in, 0, numbers(0, 4)...)
	topology := stream.NewTopology()
	topology.From(texts(in)).Peek(func(string) {})
	a := app(t, topology, k.config())
	ctx := within(t)
	take := func(manual bool, group string, n int) (last string) {
		c, err := a.Consumer(ctx, kafka.ConsumerOptions{Topics: []string{in}, Group: group, ManualCommit: manual})
		if err != nil {
			t.Fatal(err)
		}
		for n > 0 {
			m, err := c.Poll(ctx, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if m != nil {
				last = string(m.Value)
				n--
			}
		}
		if err := c.Close(ctx); err != nil {
			t.Fatal(err)
		}
		return last
	}
	group := k.Name("readers")
	for _, want := range []string{"1", "3"} {
		if got := take(false, group, 2); got != want {
			t.Errorf("the second record is %s, want %s", got, want)
		}
	}
	if got := take(true, group+"-manual", 2) + take(true, group+"-manual", 1); got != "10" {
		t.Errorf("read %s without a commit", got)
	}
	if _, err := a.Consumer(ctx, kafka.ConsumerOptions{Topics: []string{in}, Group: k.group}); err == nil {
		t.Error("the group of the application is taken")
	}
}

func TestATransactionalProducerWritesAllOrNothing(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in := k.Topic(t, "in", 2)
	topology := stream.NewTopology()
	topology.From(texts(in)).Peek(func(string) {})
	a := app(t, topology, k.config())
	ctx := within(t)
	p, err := a.Producer(ctx, kafka.ProducerOptions{TransactionalID: k.Name("id")})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	send := func(value string) error {
		return p.Send(ctx, texts(in), weir.Record[string, string]{Key: value, Value: value, Millis: now})
	}
	if err := errors.Join(send("aborted"), p.Flush(ctx), p.Abort(ctx), send("committed"), p.Commit(ctx)); err != nil {
		t.Fatal(err)
	}
	// Kafka says that a transaction is committed a little before readers see it.
	var got []string
	await(t, "what was committed", func() bool {
		got = nil
		for _, r := range k.read(in) {
			got = append(got, string(r.Value))
		}
		return len(got) > 0
	})
	if strings.Join(got, " ") != "committed" {
		t.Errorf("readers see %q", got)
	}
	if err := p.Send(ctx, texts("nowhere")); !errors.Is(err, weir.ErrUnknownTopic) {
		t.Errorf("sent to nowhere: %v", err)
	}
}

func TestMisuseOfAnAppIsAnErrorOfItsConfiguration(t *testing.T) {
	p := pipeline{input: "in", output: "out"}
	a := app(t, p.topology(), runtime.Config{Connection: kafka.Connection{Brokers: []string{"localhost:1"}}, Group: "g"})
	_, ofItsGroup := a.Consumer(t.Context(), kafka.ConsumerOptions{Topics: []string{"in"}, Group: "g"})
	for name, err := range map[string]error{
		"negative limit": a.RunUntil(t.Context(), runtime.Until{Outputs: -1}), "consumer of the group": ofItsGroup,
	} {
		if !errors.Is(err, weir.ErrConfiguration) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
