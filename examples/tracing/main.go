// Command tracing follows an order through an application: from the program that writes it, through a call to another service and an internal topic,
// to the result.
//
//	go run ./examples/tracing
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/examples/internal/local"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

type order struct {
	Customer string
	Item     string
}

var (
	orders = stream.NewTopic("orders", codec.String(), codec.JSON[order]())
	totals = stream.NewTopic("totals", codec.String(), codec.Int())
)

// topology adds up the prices of the orders of each customer.
func topology(tracer trace.Tracer) *stream.Topology {
	t := stream.NewTopology()
	t.From(orders).
		MapAsyncRecord(func(ctx context.Context, r weir.Record[string, order]) (priced, error) {
			_, span := tracer.Start(ctx, "ask for the price") // as an instrumented HTTP client does
			defer span.End()
			return priced{r.Value.Customer, 100 * len(r.Value.Item)}, nil
		}).
		GroupBy("customer", func(p priced) string { return p.Customer }).
		MapRecord(func(_ context.Context, r weir.Record[string, priced]) (int, error) { return r.Value.Cents, nil }).
		Reduce(store.NewCell[int]("total"), func(soFar, next int) int { return soFar + next }).
		To(totals)
	return t
}

type priced struct {
	Customer string
	Cents    int
}

func program(ctx context.Context, out io.Writer, config runtime.Config) error {
	spans := tracetest.NewInMemoryExporter() // a program that runs for long has that of otlptracehttp, with sdktrace.WithBatcher
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	tracer := provider.Tracer("example")
	config.Tracing = runtime.TracingConfig{TracerProvider: provider}
	app, err := runtime.New(topology(tracer), config)
	if err != nil {
		return err
	}
	ctx, placing := tracer.Start(ctx, "place an order")
	placed := weir.Record[string, order]{Key: "1", Value: order{"ann", "tea"}, Millis: time.Now().UnixMilli()}
	propagation.TraceContext{}.Inject(ctx, (*weir.HeaderCarrier)(&placed.Headers))
	err = local.Feed(ctx, app, orders, placed)
	placing.End()
	if err != nil {
		return err
	}
	if err := app.RunUntil(ctx, runtime.Until{Outputs: 1}); err != nil {
		return err
	}
	show(out, spans.GetSpans(), trace.SpanID{}, "", config.Prefix)
	return errors.Join(provider.Shutdown(ctx))
}

// show prints the spans below a parent, in the order of their begin. Names of topics go without the prefix.
func show(out io.Writer, spans tracetest.SpanStubs, parent trace.SpanID, indent, prefix string) {
	below := slices.DeleteFunc(slices.Clone(spans), func(s tracetest.SpanStub) bool { return s.Parent.SpanID() != parent })
	slices.SortStableFunc(below, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	for _, s := range below {
		name := s.Name
		if prefix != "" {
			name = strings.ReplaceAll(name, prefix, "")
		}
		fmt.Fprintf(out, "%s%s (%s)\n", indent, name, s.SpanKind)
		show(out, spans, s.SpanContext.SpanID(), indent+"  ", prefix)
	}
}

func main() { local.Main("tracing", program) }
