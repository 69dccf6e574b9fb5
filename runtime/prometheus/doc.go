// Package prometheus shows the metrics of an App to Prometheus. It is a module of its own, so that only programs that want it need the SDK of
// OpenTelemetry and the client of Prometheus.
//
// An [Exporter] is the provider of runtime.Config.MeterProvider and a handler for /metrics. [Dashboard] is a dashboard for Grafana, and
// [Alerts] are rules for Prometheus; both are files of this folder too. docs/metrics.md explains each metric.
package prometheus
