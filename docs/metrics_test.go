package docs

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/metric"

	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

// The table of metrics.md is the table of the code, with advice for each instrument.
func TestMetricsPageListsEachInstrument(t *testing.T) {
	text, err := os.ReadFile("metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## Instruments\n")
	if !ok {
		t.Fatal("metrics.md has no section of instruments")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var listed []runtime.Metric
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) < 2 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		if len(cells) != 7 || strings.TrimSpace(cells[5]) == "" {
			t.Errorf("this row lacks a cell: %s", line)
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		listed = append(listed, runtime.Metric{Name: strings.Trim(cells[1], "`"), Kind: cells[2], Unit: cells[3], Description: cells[4]})
	}
	if diff := cmp.Diff(runtime.Metrics(), listed); diff != "" {
		t.Errorf("-runtime.Metrics +metrics.md:\n%s", diff)
	}
}

// measured is the snippet of metrics.md.
func measured(topology *stream.Topology, config runtime.Config, provider metric.MeterProvider) (*runtime.App, error) {
	config.MeterProvider = provider // of go.opentelemetry.io/otel/sdk/metric, with any exporter
	app, err := runtime.New(topology, config)
	return app, err
}
