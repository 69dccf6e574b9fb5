package prometheus_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.yaml.in/yaml/v2"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/runtime/prometheus"
	"github.com/weirstreams/weir/stream"
)

func TestMain(m *testing.M) { kafkatest.VerifyTestMain(m) }

// scrape returns the text that Prometheus gets.
func scrape(t testing.TB, e *prometheus.Exporter) string {
	t.Helper()
	w := httptest.NewRecorder()
	e.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d, %v: %s", w.Code, err, body)
	}
	return string(body)
}

// shown returns the names that Prometheus knows the instruments of the table by: each is made as runtime makes it, and given a value.
func shown(t testing.TB) map[string]bool {
	t.Helper()
	e, err := prometheus.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	meter := e.MeterProvider().Meter("test")
	for _, m := range runtime.Metrics() {
		var err error
		switch m.Kind {
		case "histogram":
			var h metric.Float64Histogram
			if h, err = meter.Float64Histogram(m.Name, metric.WithUnit(m.Unit)); err == nil {
				h.Record(t.Context(), 1)
			}
		case "counter":
			var c metric.Float64Counter
			if c, err = meter.Float64Counter(m.Name, metric.WithUnit(m.Unit)); err == nil {
				c.Add(t.Context(), 1)
			}
		default:
			var g metric.Float64Gauge
			if g, err = meter.Float64Gauge(m.Name, metric.WithUnit(m.Unit)); err == nil {
				g.Record(t.Context(), 1)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	names := map[string]bool{}
	for line := range strings.Lines(scrape(t, e)) {
		if !strings.HasPrefix(line, "#") {
			names[line[:strings.IndexAny(line, "{ ")]] = true
		}
	}
	if len(names) < len(runtime.Metrics()) {
		t.Fatalf("only %d names for %d instruments", len(names), len(runtime.Metrics()))
	}
	return names
}

// labels returns the names of the labels that the attributes in docs/metrics.md become.
func labels(t testing.TB) map[string]bool {
	t.Helper()
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Attributes\n")
	section, _, _ = strings.Cut(section, "\n## ")
	known := map[string]bool{"le": true, "instance": true, "job": true}
	for _, name := range regexp.MustCompile("`((?:weir|messaging|error)\\.[a-z_.]+)`").FindAllStringSubmatch(section, -1) {
		known[strings.ReplaceAll(name[1], ".", "_")] = true
	}
	return known
}

var word = regexp.MustCompile(`\b(?:weir|messaging)_[a-z0-9_]+|\berror_type\b`)

// expressions returns the queries of the dashboard and of the alerts, by where they stand.
func expressions(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
		Templating struct {
			List []struct {
				Name  string
				Query any
			}
		}
	}
	if err := json.Unmarshal([]byte(prometheus.Dashboard), &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			all["panel "+p.Title] += target.Expr + "\n" + target.LegendFormat + "\n"
		}
	}
	for _, v := range dashboard.Templating.List {
		if query, ok := v.Query.(map[string]any); ok {
			all["variable "+v.Name], _ = query["query"].(string)
		}
	}
	var alerts struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalStrict([]byte(prometheus.Alerts), new(any)); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(prometheus.Alerts), &alerts); err != nil {
		t.Fatal(err)
	}
	for _, g := range alerts.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || r.Expr == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("an alert lacks its name, expression or texts: %+v", r)
			}
			all["alert "+r.Alert] = r.Expr + "\n" + r.Annotations["summary"] + "\n" + r.Annotations["description"]
		}
	}
	if len(all) < 30 {
		t.Errorf("only %d expressions were found", len(all))
	}
	return all
}

func TestEachMetricOfTheDashboardAndTheAlertsExists(t *testing.T) {
	names, known := shown(t), labels(t)
	used := map[string]bool{}
	for place, text := range expressions(t) {
		if strings.Count(text, "(") != strings.Count(text, ")") || strings.Count(text, "{") != strings.Count(text, "}") {
			t.Errorf("%s: brackets do not match: %s", place, text)
		}
		for _, name := range word.FindAllString(text, -1) {
			used[name] = true
			if !names[name] && !known[name] {
				t.Errorf("%s: there is no metric or label %s", place, name)
			}
		}
	}
	for _, m := range []string{"weir_lag_time_seconds", "weir_output_latency_seconds_bucket", "messaging_client_consumed_messages_total"} {
		if !used[m] {
			t.Errorf("nothing shows %s", m)
		}
	}
}

// An App that runs shows its values under these names.
func TestPrometheusGetsTheMetricsOfAnApp(t *testing.T) {
	k := kafkatest.Start(t)
	name, in, out := k.Name("group"), k.Topic(t, "in", 1), k.Topic(t, "out", 1)
	input := stream.NewTopic(in, codec.String(), codec.String())
	topology := stream.NewTopology()
	topology.From(input).To(stream.NewTopic(out, codec.String(), codec.String()))
	exporter, err := prometheus.New()
	if err != nil {
		t.Fatal(err)
	}
	app, err := runtime.New(topology, runtime.Config{
		Connection: kafka.Connection{Brokers: k.Brokers}, Group: name, State: runtime.StateConfig{Dir: t.TempDir()}, Workers: 1,
		Checkpoint: runtime.CheckpointConfig{Records: 1}, IgnoreSignals: true, MeterProvider: exporter.MeterProvider(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	producer, err := app.Producer(ctx, kafka.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := producer.Send(ctx, input, weir.Record[string, string]{Key: "k", Value: "v", Millis: time.Now().UnixMilli()}); err != nil {
		t.Fatal(err)
	}
	if err := producer.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if err := producer.Close(); err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- app.Run(running) }()
	group := `messaging_consumer_group_name="` + name + `"`
	want := []string{
		`messaging_client_consumed_messages_total{` + group + `,messaging_destination_name="` + in + `",messaging_destination_partition_id="0",messaging_operation_name="poll",messaging_system="kafka"} 1`,
		`weir_app_state{` + group + `,weir_state="running"} 1`,
		`weir_lag_time_seconds{` + group + `,messaging_destination_name="` + in + `",messaging_destination_partition_id="0",messaging_system="kafka"} 0`,
		`weir_output_latency_seconds_count{` + group + `,messaging_destination_name="` + out + `",messaging_system="kafka"} 1`,
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		text, missing := scrape(t, exporter), ""
		for _, line := range want {
			if !strings.Contains(text, line+"\n") {
				missing = line
			}
		}
		if missing == "" {
			break
		}
		select {
		case <-tick.C:
		case err := <-ended:
			t.Fatalf("Run has ended: %v", err)
		case <-ctx.Done():
			t.Fatalf("%s is missing in\n%s", missing, text)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if text := scrape(t, exporter); strings.Contains(text, "weir_app_state{") {
		t.Errorf("the state of an App that has ended is shown:\n%s", text)
	}
	if err := exporter.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
