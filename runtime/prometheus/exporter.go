package prometheus

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
)

// Dashboard is a dashboard for Grafana, as JSON to be imported. It asks for its data source, and shows the groups and instances that it finds.
//
//go:embed dashboard.json
var Dashboard string

// Alerts are alerting rules for Prometheus, as YAML for its rule_files.
//
//go:embed alerts.yaml
var Alerts string

// Exporter keeps metrics and shows them in the text format of Prometheus. Any goroutine may call its methods.
type Exporter struct {
	provider *sdk.MeterProvider
	handler  http.Handler
}

// New returns an exporter with a registry of its own. An error says that the registry refuses it.
func New() (*Exporter, error) {
	registry := client.NewRegistry()
	reader, err := prometheus.New(prometheus.WithRegisterer(registry), prometheus.WithoutScopeInfo())
	if err != nil {
		return nil, fmt.Errorf("prometheus: %w", err)
	}
	return &Exporter{
		provider: sdk.NewMeterProvider(sdk.WithReader(reader)),
		handler:  promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry}),
	}, nil
}

// MeterProvider returns the provider for runtime.Config.MeterProvider. Several Apps of a process may share it, and the program may have
// instruments of its own in it.
func (e *Exporter) MeterProvider() metric.MeterProvider { return e.provider }

// Handler returns the handler for the path that Prometheus scrapes. Names have underscores in place of dots, and their units at the end:
// weir.lag.time is weir_lag_time_seconds.
func (e *Exporter) Handler() http.Handler { return e.handler }

// Close releases the provider. The handler shows no metrics of Apps afterwards. An error is that of ctx, or says that it is closed already.
func (e *Exporter) Close(ctx context.Context) error {
	if err := e.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("close the exporter of metrics: %w", err)
	}
	return nil
}
