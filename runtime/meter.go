package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/internal/engine/gate"
)

// meter has the instruments of a run. A nil meter measures nothing.
type meter struct {
	app          *App
	ints         map[string]metric.Int64Observable
	floats       map[string]metric.Float64Observable
	histograms   map[string]metric.Float64Histogram
	clientErrors metric.Int64Counter
	transactions metric.Int64Counter
	registration metric.Registration
	group        attribute.KeyValue
	// internal are the topics whose records are no output: changelogs, repartition topics and dead letters.
	internal map[string]bool

	mu sync.Mutex // guards outputs
	// outputs are the attributes of the latency of topics.
	outputs map[string]metric.MeasurementOption
}

const (
	scope = "github.com/weirstreams/weir/runtime"
	// conventions is the version of the semantic conventions with the names of metrics and attributes.
	conventions = "https://opentelemetry.io/schemas/1.37.0"
)

// kafkaSystem is an attribute that the semantic conventions require.
var kafkaSystem = attribute.String("messaging.system", "kafka")

// Bounds of the buckets of histograms: of times, in seconds, by the semantic conventions up to 10; and of sizes, in bytes.
var (
	secondBounds = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300, 1800, 3600}
	byteBounds   = []float64{1 << 10, 16 << 10, 128 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20, 256 << 20}
)

// newMeter makes the instruments of Config.MeterProvider. It returns nil if there is no provider.
func (a *App) newMeter() (*meter, error) {
	if a.config.MeterProvider == nil {
		return nil, nil
	}
	m := &meter{
		app: a, ints: map[string]metric.Int64Observable{}, floats: map[string]metric.Float64Observable{}, histograms: map[string]metric.Float64Histogram{},
		group: attribute.String("messaging.consumer.group.name", a.plan.Group), internal: map[string]bool{a.plan.DeadLetters: true},
		outputs: map[string]metric.MeasurementOption{},
	}
	for _, topic := range a.plan.InternalTopics() {
		m.internal[topic] = true
	}
	meter := a.config.MeterProvider.Meter(scope, metric.WithSchemaURL(conventions))
	var observed []metric.Observable
	for _, d := range metrics {
		instrument, err := m.make(meter, d)
		if err != nil {
			return nil, fmt.Errorf("%w: Config.MeterProvider: instrument %s: %w", weir.ErrConfiguration, d.Name, err)
		}
		if instrument != nil {
			observed = append(observed, instrument)
		}
	}
	var err error
	if m.registration, err = meter.RegisterCallback(m.observe, observed...); err != nil {
		return nil, fmt.Errorf("%w: Config.MeterProvider: register a callback: %w", weir.ErrConfiguration, err)
	}
	return m, nil
}

// make makes one instrument. It returns nil for one that is not observed by a callback.
func (m *meter) make(meter metric.Meter, d Metric) (observed metric.Observable, err error) {
	about := []metric.InstrumentOption{metric.WithDescription(d.Description), metric.WithUnit(d.Unit)}
	switch {
	case d.Name == mClientErrors:
		m.clientErrors, err = meter.Int64Counter(d.Name, metric.WithDescription(d.Description), metric.WithUnit(d.Unit))
		return nil, err
	case d.Name == mTransactions:
		m.transactions, err = meter.Int64Counter(d.Name, metric.WithDescription(d.Description), metric.WithUnit(d.Unit))
		return nil, err
	case d.Kind == histogram:
		bounds := secondBounds
		if d.Unit == "By" {
			bounds = byteBounds
		}
		m.histograms[d.Name], err = meter.Float64Histogram(d.Name, append(convert[metric.Float64HistogramOption](about), metric.WithExplicitBucketBoundaries(bounds...))...)
		return nil, err
	case d.Kind == counter && d.Unit == "s":
		m.floats[d.Name], err = meter.Float64ObservableCounter(d.Name, convert[metric.Float64ObservableCounterOption](about)...)
		return m.floats[d.Name], err
	case d.Kind == counter:
		m.ints[d.Name], err = meter.Int64ObservableCounter(d.Name, convert[metric.Int64ObservableCounterOption](about)...)
		return m.ints[d.Name], err
	case d.Unit == "s":
		m.floats[d.Name], err = meter.Float64ObservableGauge(d.Name, convert[metric.Float64ObservableGaugeOption](about)...)
		return m.floats[d.Name], err
	default:
		m.ints[d.Name], err = meter.Int64ObservableGauge(d.Name, convert[metric.Int64ObservableGaugeOption](about)...)
		return m.ints[d.Name], err
	}
}

// convert returns options that are good for each instrument as those of one kind.
func convert[T any](options []metric.InstrumentOption) []T {
	out := make([]T, len(options))
	for i, o := range options {
		out[i] = o.(T) //nolint:forcetypeassert // an InstrumentOption is an option of each kind
	}
	return out
}

// stop takes the callback back, at the end of a run.
func (m *meter) stop() error {
	if m == nil {
		return nil
	}
	if err := m.registration.Unregister(); err != nil {
		return fmt.Errorf("unregister the callback of Config.MeterProvider: %w", err)
	}
	return nil
}

// record records a value of a histogram.
func (m *meter) record(name string, value float64, attributes ...attribute.KeyValue) {
	attributes = append(attributes, m.group)
	m.histograms[name].Record(context.Background(), value, metric.WithAttributes(attributes...))
}

// errorType returns the attribute of an error, by the type that a program can test for.
func errorType(err error) attribute.KeyValue {
	name := "other"
	for _, known := range []struct {
		err  error
		name string
	}{
		{weir.ErrUnavailable, "unavailable"},
		{weir.ErrFenced, "fenced"},
		{broker.ErrAborted, "aborted"},
		{weir.ErrUnauthorized, "unauthorized"},
		{context.Canceled, "canceled"},
	} {
		if errors.Is(err, known.err) {
			name = known.name
			break
		}
	}
	return attribute.String("error.type", name)
}

// workerMeter has the measurements of one worker. Its methods may be called by several goroutines. A nil one measures nothing.
type workerMeter struct {
	*meter
	worker attribute.KeyValue

	mu sync.Mutex // guards pending
	// pending are batches of output, exactly once, that no transaction has committed yet.
	pending []pendingOutput
}

// pendingOutput is an acknowledged batch of an open transaction.
type pendingOutput struct {
	topic  string
	millis int64 // the time of its first record
}

// maxPendingOutputs bounds the batches of a transaction that are measured.
const maxPendingOutputs = 10_000

// of returns the meter of a worker.
func (m *meter) of(worker int) *workerMeter {
	if m == nil {
		return nil
	}
	return &workerMeter{meter: m, worker: workerAttribute(worker)}
}

func workerAttribute(worker int) attribute.KeyValue {
	return attribute.String("weir.worker", strconv.Itoa(worker))
}

// onAcknowledged returns the function that the producer tells of batches, nil if there is no meter.
func (w *workerMeter) onAcknowledged() func(broker.TopicPartition, int64) {
	if w == nil {
		return nil
	}
	return func(tp broker.TopicPartition, millis int64) {
		switch {
		case w.internal[tp.Topic]:
		case w.app.config.Guarantee != ExactlyOnce:
			w.latency(tp.Topic, millis)
		default:
			w.mu.Lock()
			defer w.mu.Unlock()
			if len(w.pending) < maxPendingOutputs {
				w.pending = append(w.pending, pendingOutput{tp.Topic, millis})
			}
		}
	}
}

// latency records the age of a record of a topic.
func (m *meter) latency(topic string, millis int64) {
	m.mu.Lock()
	attributes, ok := m.outputs[topic]
	if !ok {
		attributes = metric.WithAttributeSet(attribute.NewSet(m.group, kafkaSystem, destination(topic)))
		m.outputs[topic] = attributes
	}
	m.mu.Unlock()
	m.histograms[mLatency].Record(context.Background(), age(time.UnixMilli(millis)), attributes)
}

// rewound notes that the worker went back to its last checkpoint.
func (w *workerMeter) rewound() {
	if w.app.config.Guarantee == ExactlyOnce {
		w.mu.Lock()
		w.pending = w.pending[:0]
		w.mu.Unlock()
		w.transactions.Add(context.Background(), 1, metric.WithAttributes(w.group, w.worker, attribute.String("weir.outcome", "aborted")))
	}
}

// phaseNames are the names of phases of checkpoints.
var phaseNames = [engine.CheckpointPhases]string{"operators", "sinks", "changelogs", "commit", "state"}

// checkpoint records a checkpoint.
func (w *workerMeter) checkpoint(r engine.CheckpointReport) {
	attributes := []attribute.KeyValue{w.worker}
	if r.Err != nil {
		kind := errorType(r.Err)
		if gate.IsPressure(r.Err) {
			kind = attribute.String("error.type", "held_back")
		}
		attributes = append(attributes, kind)
	}
	w.record(mCheckpoint, r.Took.Seconds(), attributes...)
	if r.Err != nil {
		return
	}
	for phase, took := range r.Phases {
		w.record(mCheckpointPhase, took.Seconds(), w.worker, attribute.String("weir.checkpoint.phase", phaseNames[phase]))
	}
	w.record(mCheckpointSize, float64(r.StateBytes), w.worker)
	if w.app.config.Guarantee != ExactlyOnce {
		return
	}
	w.mu.Lock()
	committed := slices.Clone(w.pending)
	w.pending = w.pending[:0]
	w.mu.Unlock()
	for _, o := range committed {
		w.latency(o.topic, o.millis)
	}
	w.transactions.Add(context.Background(), 1, metric.WithAttributes(w.group, w.worker, attribute.String("weir.outcome", "committed")))
}

// flushed records the flush of a sink.
func (m *meter) flushed(sink string, took time.Duration, err error) {
	attributes := []attribute.KeyValue{attribute.String("weir.sink", sink)}
	if err != nil {
		attributes = append(attributes, errorType(err))
	}
	m.record(mSinkFlush, took.Seconds(), attributes...)
}

// rebalanced records how long the member has taken to act on a change of its partitions.
func (m *meter) rebalanced(kind string, took time.Duration, err error) {
	attributes := []attribute.KeyValue{attribute.String("weir.rebalance.kind", kind)}
	if err != nil {
		attributes = append(attributes, errorType(err))
	}
	m.record(mRebalance, took.Seconds(), attributes...)
}

// clientError counts an error of a partition.
func (m *meter) clientError(operation string, e broker.PartitionError) {
	m.clientErrors.Add(context.Background(), 1, metric.WithAttributes(m.group, kafkaSystem, attribute.String("messaging.operation.name", operation),
		destination(e.Topic), attribute.Bool("weir.retrying", e.Retrying), errorType(e.Err)))
}

func destination(topic string) attribute.KeyValue {
	return attribute.String("messaging.destination.name", topic)
}

func partitionID(n int32) attribute.KeyValue {
	return attribute.String("messaging.destination.partition.id", strconv.Itoa(int(n)))
}

// age returns the seconds since a time, 0 for one that is zero or in the future.
func age(since time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return max(0, time.Since(since).Seconds())
}
