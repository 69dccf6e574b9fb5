package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/weirstreams/weir/internal/raw"
	"github.com/weirstreams/weir/operator"
)

// Input returns an input that makes a span for each traced record, and hands it on with the context of the span. It is inner itself unless each
// record has a span.
func (t *Task) Input(inner operator.Input, topic string) operator.Input {
	if !t.settings.Records {
		return inner
	}
	in := &input{Input: inner, task: t, topic: topic}
	if d, ok := inner.(operator.Decoder); ok {
		return &decodingInput{in, decoder(d)}
	}
	return in
}

// input is an input with a span for each traced record.
type input struct {
	operator.Input
	task   *Task
	topic  string
	record raw.Record
}

// decodingInput is an input whose records somebody can look at.
type decodingInput struct {
	*input
	decoder
}

// decoder is the part of an [operator.Decoder] that decodes.
type decoder interface {
	Decode(r *raw.Record) (key, value any, err error)
}

// Process implements [operator.Input].
func (in *input) Process(r *raw.Record) error {
	t := in.task
	ctx, parent := t.extract(r.Headers)
	if !parent.IsSampled() && (parent.IsValid() || !t.begins()) {
		if ctx == t.base {
			return in.Input.Process(r)
		}
		t.env.Context = ctx // for functions that ask for its baggage, or whether it is sampled
		defer func() { t.env.Context = t.base }()
		return in.Input.Process(r)
	}
	attributes := []attribute.KeyValue{attrOffset.Int64(r.Offset)}
	if r.Value == nil {
		attributes = append(attributes, attrTombstone.Bool(true))
	}
	options := []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKindConsumer), t.about("process", "process", in.topic, t.env.Origin.Partition, attributes...),
	}
	if parent.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: parent}))
	}
	ctx, span := t.settings.Tracer.Start(ctx, "process "+in.topic, options...)
	t.env.Context = ctx
	in.record = *r
	in.record.Headers = t.inject(ctx, r.Headers)
	err := errPanic
	defer func() {
		t.env.Context, in.record = t.base, raw.Record{}
		end(span, err)
	}()
	err = in.Input.Process(&in.record)
	return err
}

// Begin begins the span of a run of records of a topic, if they are traced by the run, and returns a function that ends it with the number of
// records that were done.
func (t *Task) Begin(topic string, records []raw.Record) (done func(records int, err error)) {
	none := func(int, error) {}
	if t.settings.Records || len(records) == 0 {
		return none
	}
	var links []trace.Link
	carried := false
	for i := range records {
		_, span := t.extract(records[i].Headers)
		carried = carried || span.IsValid()
		if span.IsSampled() {
			if links = append(links, trace.Link{SpanContext: span}); len(links) == MaxLinks {
				break
			}
		}
	}
	if len(links) == 0 && (carried || !t.begins()) {
		return none
	}
	ctx, span := t.settings.Tracer.Start(t.base, "process "+topic, trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(links...),
		t.about("process", "process", topic, t.env.Origin.Partition, attrOffset.Int64(records[0].Offset)))
	t.env.Context = ctx
	return func(n int, err error) {
		t.env.Context = t.base
		span.SetAttributes(attrCount.Int(n))
		end(span, err)
	}
}

// Output returns an output whose records carry contexts.
func (t *Task) Output(inner operator.Output, topic string) operator.Output {
	return &output{inner, t, topic, raw.Record{}}
}

// output is an output whose records carry the contexts of the spans that have made them.
type output struct {
	operator.Output
	task   *Task
	topic  string
	record raw.Record
}

// Append implements [operator.Output].
func (o *output) Append(partition int32, r *raw.Record) error {
	t := o.task
	ctx, carried := t.extract(r.Headers)
	if !carried.IsValid() {
		ctx = t.env.Context
	}
	origin := trace.SpanContextFromContext(ctx)
	switch {
	case !origin.IsValid() || carried.IsValid() && !(t.settings.Records && carried.IsSampled()):
		return o.Output.Append(partition, r)
	case !t.settings.Records || !origin.IsSampled():
		return o.append(ctx, partition, r)
	}
	// A batch to the cluster has records of many traces: by the conventions each gets a span of its creation, whose context it carries.
	ctx, span := t.settings.Tracer.Start(ctx, "create "+o.topic, trace.WithSpanKind(trace.SpanKindProducer), t.about("create", "create", o.topic, partition))
	err := o.append(ctx, partition, r)
	end(span, err)
	return err
}

// append adds a record with a context.
func (o *output) append(ctx context.Context, partition int32, r *raw.Record) error {
	o.record = *r
	o.record.Headers = o.task.inject(ctx, r.Headers)
	err := o.Output.Append(partition, &o.record)
	o.record = raw.Record{}
	return err
}

var _ operator.Trace = (*Task)(nil)
