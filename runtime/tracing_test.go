package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/tracetest"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// traced puts a context into the headers of a record.
func traced(r broker.Record, span trace.SpanContext) broker.Record {
	r.Headers = []weir.Header{{Key: "tenant", Value: []byte("a")}}
	propagation.TraceContext{}.Inject(trace.ContextWithRemoteSpanContext(context.Background(), span), (*weir.HeaderCarrier)(&r.Headers))
	return r
}

// carriedBy returns the context in headers, and fails the test if there is more than one.
func carriedBy(t *testing.T, headers []weir.Header) trace.SpanContext {
	t.Helper()
	n := 0
	for _, h := range headers {
		if h.Key == "traceparent" {
			n++
		}
	}
	if n > 1 {
		t.Errorf("%d headers traceparent in %v", n, headers)
	}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), (*weir.HeaderCarrier)(&headers)))
}

// seenTraces are the traces that functions have seen for values, by the place of the function.
type seenTraces struct {
	mu  sync.Mutex
	ids map[string]trace.TraceID
}

func (s *seenTraces) note(ctx context.Context, place string, value int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = map[string]trace.TraceID{}
	}
	s.ids[fmt.Sprint(place, value)] = trace.SpanContextFromContext(ctx).TraceID()
}

func (s *seenTraces) at(place string, value int) trace.TraceID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids[fmt.Sprint(place, value)]
}

// seenSink is a sink that notes the traces of its records and of its flushes.
type seenSink struct {
	seen    *seenTraces
	flushed *atomic.Int32 // flushes with a span
}

func (s seenSink) Connect(context.Context) error { return nil }
func (s seenSink) Close(context.Context) error   { return nil }
func (s seenSink) Writer(context.Context, sink.Task) (sink.Writer[string, int], error) {
	return seenWriter{s}, nil
}

// seenWriter is the writer of a seenSink.
type seenWriter struct{ seenSink }

func (s seenWriter) Add(ctx context.Context, r *weir.Record[string, int]) error {
	n, err := strconv.Atoi(strings.TrimPrefix(r.Key, "k")) // at least once the value may count twice
	s.seen.note(ctx, "sink", n)
	return err
}

func (s seenWriter) Flush(ctx context.Context, _ sink.Checkpoint) error {
	if trace.SpanContextFromContext(ctx).IsValid() {
		s.flushed.Add(1)
	}
	return nil
}
func (seenWriter) Full() bool   { return false }
func (seenWriter) Discard()     {}
func (seenWriter) Close() error { return nil }

// parents returns the names of the spans from one on up to the first whose parent was not recorded, which is the producer's.
func parents(t *testing.T, all []tracetest.Span, from trace.SpanContext) (names []string, producer trace.SpanContext) {
	t.Helper()
	at := from
	for {
		found := false
		for _, s := range all {
			if s.Context.SpanID() == at.SpanID() {
				names, at, found = append(names, s.Name), s.Parent, true
				break
			}
		}
		if !found {
			return names, at
		}
	}
}

// A trace goes with its record: from the producer through calls on other goroutines, a repartition topic, a lookup and an aggregation to the output
// and to a sink, under both guarantees, although the first attempt fails and the work is done again. Changelogs and records of others carry none.
func TestATraceGoesWithItsRecord(t *testing.T) {
	kafkatest.Parallel(t)
	for _, guarantee := range []runtime.Guarantee{runtime.AtLeastOnce, runtime.ExactlyOnce} {
		k := newKafka(t)
		in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
		var functions seenTraces
		var flushed, attempts atomic.Int32
		rows := join.LookupFunc[int, int](func(ctx context.Context, queries []int, found []*int) error {
			for i := range queries {
				functions.note(ctx, "lookup", queries[i])
				found[i] = &queries[i]
			}
			return nil
		})
		topology := stream.NewTopology()
		sums := topology.From(stream.NewTopic(in, codec.String(), codec.JSON[int]())).
			MapAsyncRecord(func(ctx context.Context, r weir.Record[string, int]) (int, error) {
				functions.note(ctx, "call", r.Value)
				return r.Value, nil
			}).
			GroupByRecord("other", func(ctx context.Context, r weir.Record[string, int]) (string, error) {
				functions.note(ctx, "group", r.Value)
				return "k" + strconv.Itoa(r.Value), nil
			}).
			JoinLookup(rows, func(v int) int { return v }, func(v, _ int) int { return v }).
			MapRecord(func(ctx context.Context, r weir.Record[string, int]) (int, error) {
				functions.note(ctx, "map", r.Value)
				if r.Value == 3 && attempts.Add(1) == 1 {
					return 0, errors.New("the first attempt")
				}
				return r.Value, nil
			}).
			Reduce(store.NewCell[int]("sum"), func(soFar, next int) int { return soFar + next })
		sums.To(stream.NewTopic(out, codec.String(), codec.JSON[int]()))
		sums.Sink("target", seenSink{&functions, &flushed})
		config := k.config()
		config.Guarantee, config.Checkpoint = guarantee, runtime.CheckpointConfig{Interval: time.Hour}
		config.Errors = weir.ErrorPolicy{Retry: &weir.Retry{Attempts: 3, FirstWait: time.Millisecond}}
		if guarantee == runtime.ExactlyOnce {
			config.Checkpoint = runtime.CheckpointConfig{Interval: 100 * time.Millisecond}
		}
		recorder := &tracetest.Recorder{}
		config.Tracing = runtime.TracingConfig{TracerProvider: recorder}
		contexts := make([]trace.SpanContext, 6)
		var records []broker.Record
		for i := range contexts {
			r := broker.Record{Key: []byte("k"), Value: []byte(strconv.Itoa(i)), Millis: now}
			switch i {
			case 4: // not traced
			case 5:
				contexts[i] = tracetest.NewContext(false)
				r = traced(r, contexts[i])
			default:
				contexts[i] = tracetest.NewContext(true)
				r = traced(r, contexts[i])
			}
			records = append(records, r)
		}
		k.write(in, 0, records...)
		if err := app(t, topology, config).RunUntil(within(t), runtime.Until{Idle: 300 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
		spans, open := recorder.Ended()
		if open > 0 {
			t.Errorf("%v: %d spans have not ended", guarantee, open)
		}
		results := k.read(out)
		last := map[string]broker.Record{}
		for _, r := range results {
			last[string(r.Key)] = r
		}
		if len(last) != len(contexts) || guarantee == runtime.ExactlyOnce && len(results) != len(contexts) {
			t.Fatalf("%v: %d results of %d records", guarantee, len(results), len(last))
		}
		for i, want := range contexts {
			carried := carriedBy(t, last["k"+strconv.Itoa(i)].Headers)
			for _, place := range []string{"call", "group", "map", "sink"} {
				if got := functions.at(place, i); got != want.TraceID() {
					t.Errorf("%v: %s saw the trace %v of record %d, want %v", guarantee, place, got, i, want.TraceID())
				}
			}
			if carried.TraceID() != want.TraceID() || carried.IsSampled() != want.IsSampled() {
				t.Errorf("%v: the result of record %d carries %v, want the trace %v", guarantee, i, carried, want.TraceID())
			}
			if !want.IsSampled() {
				continue
			}
			if functions.at("lookup", i) == (trace.TraceID{}) {
				t.Errorf("%v: the lookup of record %d saw no span", guarantee, i)
			}
			names, producer := parents(t, spans, carried)
			if !producer.Equal(want) || len(names) != 4 || names[0] != "create "+out || names[3] != "process "+in {
				t.Errorf("%v: the trace of record %d goes through %q to %v, want %v", guarantee, i, names, producer, want)
			}
		}
		if flushed.Load() == 0 || len(recorder.Named("send target")) == 0 || len(recorder.Named("lookup")) == 0 {
			t.Errorf("%v: no span of a flush or of a lookup", guarantee)
		}
		for _, s := range recorder.Named("process ") {
			if s.Kind != trace.SpanKindConsumer || s.Attributes["messaging.system"] != attribute.StringValue("kafka") || s.Attributes["messaging.consumer.group.name"].AsString() != k.group {
				t.Errorf("%v: the span %+v", guarantee, s)
			}
		}
		topics, err := k.admin().ListTopics()
		if err != nil {
			t.Fatal(err)
		}
		changelogs := 0
		for topic := range topics {
			if !strings.HasPrefix(topic, "changelog__"+k.group) {
				continue
			}
			for _, r := range k.read(topic) {
				changelogs++
				if carriedBy(t, r.Headers).IsValid() {
					t.Errorf("%v: a record of the changelog %s carries a trace", guarantee, topic)
				}
			}
		}
		if changelogs == 0 {
			t.Errorf("%v: there is no record in a changelog", guarantee)
		}
	}
}

// Without a provider nothing of the tracing lies on the way of a record, and its headers pass on.
func TestTracingThatIsOffIsNotThere(t *testing.T) {
	kafkatest.Parallel(t)
	for _, on := range []bool{false, true} {
		k := newKafka(t)
		in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
		var wrapped atomic.Bool
		topology := stream.NewTopology()
		topology.From(texts(in)).Peek(func(string) {
			if strings.Contains(string(debug.Stack()), "internal/engine/tracing") {
				wrapped.Store(true)
			}
		}).To(texts(out))
		config := k.config()
		if on {
			config.Tracing.TracerProvider = &tracetest.Recorder{}
		}
		span := tracetest.NewContext(true)
		k.write(in, 0, traced(number(1), span))
		if err := app(t, topology, config).RunUntil(within(t), runtime.Until{Outputs: 1}); err != nil {
			t.Fatal(err)
		}
		if wrapped.Load() != on {
			t.Errorf("tracing on %v: it is on the way of the record: %v", on, wrapped.Load())
		}
		if got := carriedBy(t, k.read(out)[0].Headers); got.TraceID() != span.TraceID() || got.Equal(span) == on {
			t.Errorf("tracing on %v: the output carries %v, the input %v", on, got, span)
		}
	}
}

// Mistakes in the settings are found by New.
func TestMistakesOfTracingAreFound(t *testing.T) {
	t.Parallel()
	for _, c := range []runtime.TracingConfig{{Roots: -0.1}, {Roots: 1.1}, {Roots: math.NaN()}, {Spans: 2}} {
		topology := stream.NewTopology()
		topology.From(texts("in")).To(texts("out"))
		_, err := runtime.New(topology, runtime.Config{Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}, Group: "g", Tracing: c})
		if !errors.Is(err, weir.ErrConfiguration) || !strings.Contains(err.Error(), "Tracing.") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
