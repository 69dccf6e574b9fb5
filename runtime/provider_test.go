package runtime_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/weirstreams/weir/runtime"
)

// provider is a MeterProvider that keeps values, so that the module needs no SDK for its tests.
type provider struct {
	noop.MeterProvider
	t testing.TB

	mu        sync.Mutex // guards the fields below
	made      map[string]runtime.Metric
	callbacks map[*registration]metric.Callback
	// counts are the sums of counters and the numbers of values of histograms, by name and attributes; sums are the sums of the latter.
	counts, sums map[string]float64
}

func newProvider(t testing.TB) *provider {
	return &provider{t: t, made: map[string]runtime.Metric{}, callbacks: map[*registration]metric.Callback{}, counts: map[string]float64{}, sums: map[string]float64{}}
}

func (p *provider) Meter(string, ...metric.MeterOption) metric.Meter { return meter{provider: p} }

// meter makes instruments that add to the values of a provider.
type meter struct {
	noop.Meter
	provider *provider
}

// instrument is a name of a provider's values.
type instrument struct {
	provider *provider
	name     string
}

func (i instrument) instrumentName() string { return i.name }

func (m meter) make(name, kind, unit, description string) instrument {
	m.provider.mu.Lock()
	defer m.provider.mu.Unlock()
	if _, ok := m.provider.made[name]; ok {
		m.provider.t.Errorf("instrument %s is made twice", name)
	}
	m.provider.made[name] = runtime.Metric{Name: name, Kind: kind, Unit: unit, Description: description}
	return instrument{m.provider, name}
}

// add adds to the values of an instrument.
func (i instrument) add(count, sum float64, attributes attribute.Set) {
	i.provider.mu.Lock()
	defer i.provider.mu.Unlock()
	key := valueKey(i.name, attributes)
	i.provider.counts[key] += count
	i.provider.sums[key] += sum
}

// valueKey returns a name and attributes as text, without the group, which all values have.
func valueKey(name string, attributes attribute.Set) string {
	var parts []string
	for _, a := range attributes.ToSlice() {
		if a.Key != "messaging.consumer.group.name" && a.Key != "messaging.system" {
			parts = append(parts, fmt.Sprintf("%s=%s", a.Key, a.Value.String()))
		}
	}
	return name + "{" + strings.Join(parts, ",") + "}"
}

type counter struct {
	noop.Int64Counter
	instrument
}

func (c counter) Add(_ context.Context, n int64, options ...metric.AddOption) {
	c.add(float64(n), 0, metric.NewAddConfig(options).Attributes())
}

type histogram struct {
	noop.Float64Histogram
	instrument
}

func (h histogram) Record(_ context.Context, value float64, options ...metric.RecordOption) {
	h.add(1, value, metric.NewRecordConfig(options).Attributes())
}

type intCounter struct {
	noop.Int64ObservableCounter
	instrument
}

type floatCounter struct {
	noop.Float64ObservableCounter
	instrument
}

type intGauge struct {
	noop.Int64ObservableGauge
	instrument
}

type floatGauge struct {
	noop.Float64ObservableGauge
	instrument
}

func (m meter) Int64Counter(name string, options ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	c := metric.NewInt64CounterConfig(options...)
	return counter{instrument: m.make(name, "counter", c.Unit(), c.Description())}, nil
}

func (m meter) Float64Histogram(name string, options ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	c := metric.NewFloat64HistogramConfig(options...)
	if len(c.ExplicitBucketBoundaries()) == 0 {
		m.provider.t.Errorf("histogram %s has no bounds", name)
	}
	return histogram{instrument: m.make(name, "histogram", c.Unit(), c.Description())}, nil
}

func (m meter) Int64ObservableCounter(name string, options ...metric.Int64ObservableCounterOption) (metric.Int64ObservableCounter, error) {
	c := metric.NewInt64ObservableCounterConfig(options...)
	return intCounter{instrument: m.make(name, "counter", c.Unit(), c.Description())}, nil
}

func (m meter) Float64ObservableCounter(name string, options ...metric.Float64ObservableCounterOption) (metric.Float64ObservableCounter, error) {
	c := metric.NewFloat64ObservableCounterConfig(options...)
	return floatCounter{instrument: m.make(name, "counter", c.Unit(), c.Description())}, nil
}

func (m meter) Int64ObservableGauge(name string, options ...metric.Int64ObservableGaugeOption) (metric.Int64ObservableGauge, error) {
	c := metric.NewInt64ObservableGaugeConfig(options...)
	return intGauge{instrument: m.make(name, "gauge", c.Unit(), c.Description())}, nil
}

func (m meter) Float64ObservableGauge(name string, options ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	c := metric.NewFloat64ObservableGaugeConfig(options...)
	return floatGauge{instrument: m.make(name, "gauge", c.Unit(), c.Description())}, nil
}

// registration is a callback of a provider.
type registration struct {
	noop.Registration
	provider *provider
}

func (r *registration) Unregister() error {
	r.provider.mu.Lock()
	defer r.provider.mu.Unlock()
	delete(r.provider.callbacks, r)
	return nil
}

func (m meter) RegisterCallback(f metric.Callback, _ ...metric.Observable) (metric.Registration, error) {
	r := &registration{provider: m.provider}
	m.provider.mu.Lock()
	defer m.provider.mu.Unlock()
	m.provider.callbacks[r] = f
	return r, nil
}

// observer collects the values of callbacks.
type observer struct {
	noop.Observer
	t      testing.TB
	values map[string]float64
}

func (o observer) observe(instrument any, value float64, options []metric.ObserveOption) {
	named, ok := instrument.(interface{ instrumentName() string })
	if !ok {
		o.t.Errorf("a value of %v is observed, which nobody has made", instrument)
		return
	}
	key := valueKey(named.instrumentName(), metric.NewObserveConfig(options).Attributes())
	if _, ok := o.values[key]; ok {
		o.t.Errorf("%s is observed twice", key)
	}
	o.values[key] = value
}

func (o observer) ObserveInt64(instrument metric.Int64Observable, value int64, options ...metric.ObserveOption) {
	o.observe(instrument, float64(value), options)
}

func (o observer) ObserveFloat64(instrument metric.Float64Observable, value float64, options ...metric.ObserveOption) {
	o.observe(instrument, value, options)
}

// collect returns all values by name and attributes: those of observed instruments and counters, and the numbers of values of histograms.
func (p *provider) collect() map[string]float64 {
	p.t.Helper()
	p.mu.Lock()
	callbacks := maps.Clone(p.callbacks)
	values := maps.Clone(p.counts)
	p.mu.Unlock()
	for _, f := range callbacks {
		if err := f(p.t.Context(), observer{t: p.t, values: values}); err != nil {
			p.t.Error(err)
		}
	}
	return values
}
