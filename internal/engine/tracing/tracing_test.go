package tracing_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/engine/tracing"
	"github.com/weirstreams/weir/internal/raw"
	"github.com/weirstreams/weir/internal/tracetest"
	"github.com/weirstreams/weir/operator"
)

// written keeps the headers of the last record.
type written struct {
	headers []weir.Header
	err     error
}

func (w *written) Partitions() int32 { return 1 }
func (w *written) Append(_ int32, r *raw.Record) error {
	w.headers = append(w.headers[:0], r.Headers...)
	return w.err
}

// pipeline is an input whose records go to out. settings is nil if nothing is traced.
func pipeline(env *operator.Env, settings *tracing.Settings, out operator.Output, before operator.Receiver[string, string]) (operator.Input, *tracing.Task) {
	*env = operator.Env{Context: context.Background(), Logger: slog.New(slog.DiscardHandler)}
	var task *tracing.Task
	if settings != nil {
		task = settings.NewTask(env, "in/0")
		env.Trace = task
		out = task.Output(out, "out")
	}
	next := []operator.Receiver[string, string]{operator.NewTopicWriter(env, 1, "out", codec.String(), codec.String(), out)}
	if before != nil {
		next = append([]operator.Receiver[string, string]{before}, next...)
	}
	var in operator.Input = operator.NewSource(env, 0, "in", codec.String(), codec.String(), nil, operator.FanOut(next))
	if task != nil {
		in = task.Input(in, "in")
	}
	return in, task
}

func settings(recorder *tracetest.Recorder, records bool, roots float64) *tracing.Settings {
	return &tracing.Settings{Tracer: recorder.Tracer(""), Propagator: propagation.TraceContext{}, Records: records, Roots: roots, Group: "g"}
}

func record(span trace.SpanContext) raw.Record {
	r := raw.Record{Key: []byte("k"), Value: []byte("v"), Headers: []weir.Header{{Key: "tenant", Value: []byte("a")}}}
	if span.IsValid() {
		propagation.TraceContext{}.Inject(trace.ContextWithRemoteSpanContext(context.Background(), span), (*weir.HeaderCarrier)(&r.Headers))
	}
	return r
}

func carried(headers []weir.Header) trace.SpanContext {
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), (*weir.HeaderCarrier)(&headers)))
}

// A record without a context begins no trace, and costs no allocation.
func TestRecordsWithoutAContextAllocateNothing(t *testing.T) {
	for _, records := range []bool{true, false} {
		recorder := &tracetest.Recorder{}
		var env operator.Env
		in, task := pipeline(&env, settings(recorder, records, 0), &written{}, nil)
		run := []raw.Record{record(trace.SpanContext{})}
		allocated := testing.AllocsPerRun(100, func() {
			done := task.Begin("in", run)
			done(1, in.Process(&run[0]))
		})
		off, _ := pipeline(&env, nil, &written{}, nil)
		if without := testing.AllocsPerRun(100, func() { _ = off.Process(&run[0]) }); allocated > without {
			t.Errorf("records %v: %v allocations, and %v without traces", records, allocated, without)
		}
		if spans, open := recorder.Ended(); len(spans)+open > 0 {
			t.Errorf("records %v: %d spans", records, len(spans)+open)
		}
	}
}

// Roots begins traces for records without a context, and not for those of a trace that is not sampled.
func TestRootsBeginTraces(t *testing.T) {
	recorder, out := &tracetest.Recorder{}, &written{}
	var env operator.Env
	in, _ := pipeline(&env, settings(recorder, true, 1), out, nil)
	r := record(trace.SpanContext{})
	if err := in.Process(&r); err != nil {
		t.Fatal(err)
	}
	created := recorder.Named("create out")
	if got := carried(out.headers); len(recorder.Named("process in")) != 1 || len(created) != 1 || !got.Equal(created[0].Context.WithRemote(true)) {
		t.Errorf("the output carries %v of %+v", got, created)
	}
	unsampled := tracetest.NewContext(false)
	r = record(unsampled)
	if err := in.Process(&r); err != nil {
		t.Fatal(err)
	}
	if got := carried(out.headers); len(recorder.Named("process in")) != 1 || !got.Equal(unsampled) {
		t.Errorf("the output of a record that is not sampled carries %v, want %v", got, unsampled)
	}
}

// failing fails or panics.
type failing struct {
	err   error
	panic bool
}

func (f failing) Receive(*weir.Record[string, string]) error {
	if f.panic {
		panic(f.err)
	}
	return f.err
}

// A span ends with the error of its record, also if a function panics, and the context of the task is the one of before.
func TestSpansEndWithErrorsAndPanics(t *testing.T) {
	for _, panics := range []bool{false, true} {
		recorder := &tracetest.Recorder{}
		var env operator.Env
		in, _ := pipeline(&env, settings(recorder, true, 0), &written{}, failing{errors.New("broken"), panics})
		before := env.Context
		r := record(tracetest.NewContext(true))
		func() {
			defer func() { _ = recover() }()
			_ = in.Process(&r)
		}()
		spans, open := recorder.Ended()
		if len(spans) != 1 || open > 0 || !spans[0].Failed || env.Context != before {
			t.Errorf("panics %v: the spans %+v, %d open", panics, spans, open)
		}
	}
}

// A batch has links to traced records, 32 at most, and leaves their contexts as they are. A result without headers carries the context of the batch.
func TestABatchHasLinks(t *testing.T) {
	recorder, out := &tracetest.Recorder{}, &written{}
	var env operator.Env
	in, task := pipeline(&env, settings(recorder, false, 0), out, nil)
	run := []raw.Record{record(trace.SpanContext{}), record(tracetest.NewContext(false))}
	contexts := []trace.SpanContext{{}, carried(run[1].Headers)}
	for range 40 {
		contexts = append(contexts, tracetest.NewContext(true))
		run = append(run, record(contexts[len(contexts)-1]))
	}
	done := task.Begin("in", run)
	for i := range run {
		if err := in.Process(&run[i]); err != nil {
			t.Fatal(err)
		}
		if got := carried(out.headers); i > 0 && !got.Equal(contexts[i]) || i == 0 && !got.IsSampled() {
			t.Errorf("output %d carries %v, want %v", i, got, contexts[i])
		}
	}
	done(len(run), nil)
	spans := recorder.Named("process in")
	if len(spans) != 1 || len(spans[0].Links) != tracing.MaxLinks || !spans[0].Links[0].Equal(contexts[2]) || spans[0].Parent.IsValid() ||
		spans[0].Attributes["messaging.batch.message_count"].AsInt64() != int64(len(run)) {
		t.Errorf("the spans %+v", spans)
	}
}

// A flush has links to the records since the last one, and a flush that has failed keeps them.
func TestAFlushHasLinksToItsRecords(t *testing.T) {
	recorder := &tracetest.Recorder{}
	var env operator.Env
	_, task := pipeline(&env, settings(recorder, true, 0), &written{}, nil)
	span := tracetest.NewContext(true)
	task.Added(7, record(span).Headers)
	task.Added(7, record(trace.SpanContext{}).Headers)
	for i, failure := range []error{errors.New("away"), nil, nil} {
		ctx, end := task.Flush(context.Background(), 7, "table")
		if i < 2 != trace.SpanContextFromContext(ctx).IsValid() {
			t.Errorf("flush %d has the context %v", i, ctx)
		}
		end(failure)
	}
	task.Added(7, record(span).Headers)
	task.Cut()
	task.Wrote(7, "table", 5)
	task.Wrote(7, "table", 5)
	task.Added(7, record(span).Headers)
	task.Discard()
	task.Flush(context.Background(), 7, "table")
	spans, open := recorder.Ended()
	if len(spans) != 3 || open != 0 {
		t.Fatalf("%d flushes, %d open", len(spans), open)
	}
	for _, s := range spans {
		if s.Name != "send table" || len(s.Links) != 1 || !s.Links[0].Equal(span) {
			t.Errorf("the span %+v", s)
		}
	}
}

// Records go through a source and a writer: without traces; with traces, and no context; and with a span for each.
func BenchmarkTracing(b *testing.B) {
	sampled := record(tracetest.NewContext(true))
	plain := record(trace.SpanContext{})
	for _, c := range []struct {
		name     string
		settings *tracing.Settings
		record   *raw.Record
	}{
		{"off", nil, &plain},
		{"on/no context", settings(&tracetest.Recorder{}, true, 0), &plain},
		{"on/traced", settings(&tracetest.Recorder{}, true, 0), &sampled},
	} {
		b.Run(c.name, func(b *testing.B) {
			var env operator.Env
			in, _ := pipeline(&env, c.settings, &written{}, nil)
			b.ReportAllocs()
			for b.Loop() {
				if err := in.Process(c.record); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
