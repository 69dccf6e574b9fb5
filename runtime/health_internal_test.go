package runtime

import (
	"strings"
	"testing"
	"time"
)

// Each code of a reason comes of the state that it names, and of no other.
func TestReasonsComeOfTheStatus(t *testing.T) {
	ago := time.Now().Add(-time.Minute)
	for name, test := range map[string]struct {
		status           Status
		healthy, ready   string // codes
		mentions, denies string
	}{
		"starting":         {status: Status{State: Starting}, ready: "starting"},
		"running":          {status: Status{State: Running}},
		"stopping":         {status: Status{State: Stopping}, ready: "stopping"},
		"ended":            {status: Status{State: Stopped}, healthy: "ended", ready: "ended", mentions: "without an error"},
		"failed":           {status: Status{State: Stopped, Failure: "broken", Tasks: []TaskStatus{{Restoring: true}}}, healthy: "ended", ready: "ended", mentions: "broken"},
		"a short step":     {status: Status{State: Running, Workers: []WorkerStatus{{StepSince: time.Now()}, {}}}},
		"a long step":      {status: Status{State: Running, Workers: []WorkerStatus{{}, {StepSince: ago}}}, healthy: "stuck", mentions: "worker 1 has been in one step for 1m0s"},
		"an outage":        {status: Status{State: Running, UnreachableSince: ago, Workers: []WorkerStatus{{StepSince: ago}}}, ready: "unreachable", mentions: "1m0s"},
		"a missing topic":  {status: Status{State: Running, MissingTopics: []string{"a", "b"}}, ready: "missing_topic", mentions: "a, b"},
		"a restore":        {status: Status{State: Running, Tasks: []TaskStatus{{Name: "t/0"}, {Name: "t/1", Restoring: true, Remaining: 7, RestoreLeft: 90 * time.Second}}}, ready: "restoring", mentions: "task t/1: about 7 records are left, which take 1m30s"},
		"an unknown rate":  {status: Status{State: Running, Tasks: []TaskStatus{{Name: "t/1", Restoring: true, Remaining: 7}}}, ready: "restoring", denies: "which take"},
		"a table":          {status: Status{State: Starting, Globals: []GlobalStatus{{Topic: "rates", Loading: true, Remaining: 3}, {Topic: "loaded"}}}, ready: "starting,loading", mentions: "global table rates: about 3 records are left", denies: "loaded:"},
		"input held back":  {status: Status{State: Running, Workers: []WorkerStatus{{HeldSince: ago}}}},
		"without anything": {status: Status{State: Running, Tasks: []TaskStatus{{Name: "t/0"}}, Workers: []WorkerStatus{{}}}},
	} {
		t.Run(name, func(t *testing.T) {
			healthy, ready := test.status.unhealthy(30*time.Second), test.status.unready()
			text := ""
			list := func(reasons []Reason) string {
				var codes []string
				for _, r := range reasons {
					codes = append(codes, r.Code)
					text += r.Detail + "\n"
				}
				return strings.Join(codes, ",")
			}
			if got := list(healthy); got != test.healthy {
				t.Errorf("Healthz: %q, want %q", got, test.healthy)
			}
			if got := list(ready); got != test.ready {
				t.Errorf("Readyz: %q, want %q", got, test.ready)
			}
			if !strings.Contains(text, test.mentions) || test.denies != "" && strings.Contains(text, test.denies) {
				t.Errorf("details: %s", text)
			}
		})
	}
}
