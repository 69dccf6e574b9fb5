package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/pprof/profile"
)

// TestMain lets the test binary be bench, which starts itself as broker and for each scenario.
func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

var sample = data{sample: "../examples/flights/flights.json.gz"}

func generate(t *testing.T, n int) []departed {
	t.Helper()
	var flights []departed
	for f, err := range sample.flights(n) {
		if err != nil {
			t.Fatal(err)
		}
		flights = append(flights, f)
	}
	return flights
}

func TestGeneratedFlightsAreTheSameEveryTimeAndInOrder(t *testing.T) {
	const n = 45_000 // more than two rounds
	flights := generate(t, n)
	if len(flights) != n {
		t.Fatalf("%d flights, want %d", len(flights), n)
	}
	if diff := cmp.Diff(flights, generate(t, n), cmp.AllowUnexported(departed{})); diff != "" {
		t.Error("the second time there were others:\n", diff)
	}
	if !slices.IsSortedFunc(flights, func(a, b departed) int { return a.at.Compare(b.at) }) {
		t.Error("not in order of departure")
	}
	for _, f := range flights {
		if f.Date != f.at.Format(dateLayout) {
			t.Fatalf("date %q of a departure at %v", f.Date, f.at)
		}
	}
	if first, again := flights[0], flights[20_000]; again.Origin != first.Origin || !again.at.After(flights[19_999].at) {
		t.Errorf("the second round begins with %+v, the first with %+v", again, first)
	}
}

func TestEveryScenarioDoesTheSameWork(t *testing.T) {
	const n = 2000
	report, err := measureAll(t.Context(), options{n: n, runs: 1, partitions: 4, data: sample}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]digest{}
	for _, r := range report.Runs {
		if r.Records != n || r.CPU <= 0 || r.Wall <= 0 {
			t.Errorf("%+v", r)
		}
		outputs[r.Scenario] = r.Output
	}
	for _, kind := range []string{"stateless", "windowed"} {
		floor, franz, weir := outputs["floor "+kind], outputs["franz "+kind], outputs["weir "+kind]
		if floor.Records == 0 || floor != weir || floor != franz {
			t.Errorf("%s: the floor wrote %+v, franz-go %+v, Weir %+v", kind, floor, franz, weir)
		}
	}
	if err := report.print(t.Output()); err != nil {
		t.Error(err)
	}
}

func TestAnOutputThatDiffersIsAnError(t *testing.T) {
	c := checks{loaded: digest{Records: 10}, outputs: map[string]digest{}}
	result := run{Scenario: "floor stateless", measurement: measurement{Records: 10}, Output: digest{5, 42}}
	if err := c.check(result); err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]run{
		"fewer records read": {Scenario: "weir stateless", measurement: measurement{Records: 9}, Output: digest{5, 42}},
		"fewer results":      {Scenario: "weir stateless", measurement: measurement{Records: 10}, Output: digest{4, 42}},
		"other results":      {Scenario: "weir stateless", measurement: measurement{Records: 10}, Output: digest{5, 43}},
	} {
		if c.check(other) == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// The runs with metrics, with an open page and with queries do the same work, and their samples are told from others. So few records have too few samples for the limit.
func TestCostsAreMeasured(t *testing.T) {
	for _, c := range []cost{metricsCost, viewCost, queriesCost} {
		var out strings.Builder
		o := options{n: 60_000, runs: 1, partitions: 4, data: sample, profiles: t.TempDir()}
		if err := measureCost(t.Context(), c, o, 1, &out, t.Output()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "in code of "+c.name) || !strings.Contains(out.String(), c.scenario+" "+c.of) {
			t.Error(out.String())
		}
	}
	for name, want := range map[string][2]bool{
		"github.com/weirstreams/weir/runtime.(*meter).observe": {true, false}, "go.opentelemetry.io/otel/sdk/metric.(*pipeline).produce": {true, false},
		"github.com/weirstreams/weir/runtime.(*worker).loop": {}, "github.com/weirstreams/weir/operator.(*Env).Enter": {false, true},
		"github.com/weirstreams/weir/runtime/view.(*handler).group": {false, true},
	} {
		place := &profile.Location{Line: []profile.Line{{Function: &profile.Function{Name: name}}}}
		if got := [2]bool{isMetrics(place), isView(place)}; got != want {
			t.Errorf("%s is metrics, and is the page: %v", name, got)
		}
	}
}
