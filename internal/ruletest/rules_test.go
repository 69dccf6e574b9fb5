// Package ruletest reads the alerts and the dashboard with the parser of Prometheus. It is a module of its own: programs that export metrics need no
// Prometheus server.
package ruletest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v2"

	"github.com/weirstreams/weir/runtime/prometheus"
)

// grafana are the variables of the dashboard, with values that Grafana could put there.
var grafana = strings.NewReplacer("$__rate_interval", "1m", "$__interval", "1m", "$__range", "1h")

// check returns the mistakes in an expression of the language of Prometheus.
func check(expression string) error {
	_, err := parser.NewParser(parser.Options{}).ParseExpr(expression)
	return err
}

// Prometheus loads a file of rules as a whole: one expression that it does not read takes all alerts away.
func TestPrometheusReadsEachAlert(t *testing.T) {
	t.Parallel()
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalStrict([]byte(prometheus.Alerts), &file); err != nil {
		t.Fatal(err)
	}
	rules := 0
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			rules++
			if err := check(r.Expr); err != nil {
				t.Errorf("alert %s: %v", r.Alert, err)
			}
			if _, err := model.ParseDuration(r.For); r.For != "" && err != nil {
				t.Errorf("alert %s: for: %v", r.Alert, err)
			}
		}
	}
	if rules < 8 {
		t.Errorf("only %d alerts were found", rules)
	}
}

// Each query of the dashboard is an expression once Grafana has put its variables in.
func TestPrometheusReadsEachQueryOfTheDashboard(t *testing.T) {
	t.Parallel()
	type panel struct {
		Title   string
		Targets []struct{ Expr string }
		Panels  []json.RawMessage
	}
	var dashboard struct{ Panels []panel }
	if err := json.Unmarshal([]byte(prometheus.Dashboard), &dashboard); err != nil {
		t.Fatal(err)
	}
	queries := 0
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			queries++
			if err := check(grafana.Replace(target.Expr)); err != nil {
				t.Errorf("panel %s: %s: %v", p.Title, target.Expr, err)
			}
		}
	}
	if queries < 20 {
		t.Errorf("only %d queries were found", queries)
	}
}

// The parser finds mistakes that matching brackets hide.
func TestMistakesAreFound(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{"rate(weir_lag)", "sum by (weir_task (weir_lag))", "weir_lag >", "rate(weir_rewinds_total[5x])", `weir_lag{state=running}`} {
		if check(wrong) == nil {
			t.Errorf("%s is no mistake", wrong)
		}
	}
}
