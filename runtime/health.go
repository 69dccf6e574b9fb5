package runtime

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Health is the answer of App.Healthz and App.Readyz, as JSON. Fields are added, and never renamed or removed.
type Health struct {
	OK    bool  `json:"ok"`
	State State `json:"state"`
	// Reasons say why OK is false.
	Reasons []Reason `json:"reasons,omitempty"`
	// Paused are the pauses that last. They are no reason: somebody wants them, and neither a new start nor another process would end them.
	Paused []Pause `json:"paused,omitempty"`
}

// Reason is a reason for which an App is not healthy or not ready.
type Reason struct {
	// Code is one of "ended", "stuck", "starting", "stopping", "unreachable", "loading", "restoring", "draining" and "missing_topic".
	Code string `json:"code"`
	// Detail is a sentence for people.
	Detail string `json:"detail"`
}

// Healthz returns a handler that tells whether the process works: for probes that start it again, such as livenessProbe of Kubernetes. It
// answers 200 and a Health, or 503 when Run has returned, or a worker has been in one step for longer than
// Config.Membership.RebalanceTimeout although brokers answer: a function of the program hangs. A cluster out of reach is no reason, as a new
// start does not help; Run ends by itself after Config.BrokerTimeout.
func (a *App) Healthz() http.Handler {
	return a.healthHandler(func(s Status) []Reason { return s.unhealthy(a.config.Membership.RebalanceTimeout) })
}

// Readyz returns a handler that tells whether the process does its share of the work: for rolling updates, such as readinessProbe of
// Kubernetes. It answers 200 and a Health, or 503 before the group has assigned partitions, while global tables are loaded or state is
// restored, while no broker answers or a topic that is written is missing, and from the begin of a drain or of the stop on. A member without partitions is
// ready, and so is one that is paused.
func (a *App) Readyz() http.Handler {
	return a.healthHandler(func(s Status) []Reason { return s.unready() })
}

func (a *App) healthHandler(reasons func(Status) []Reason) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		status := a.Status()
		health := Health{State: status.State, Reasons: reasons(status), Paused: status.Paused}
		health.OK = len(health.Reasons) == 0
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if !health.OK {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(health) // the other side has gone
	})
}

// unhealthy returns the reasons of Healthz. stuck is how long a step may take.
func (s Status) unhealthy(stuck time.Duration) (reasons []Reason) {
	if s.State == Stopped {
		return []Reason{s.ended()}
	}
	for i, w := range s.Workers {
		if w.StepSince.IsZero() || !s.UnreachableSince.IsZero() {
			continue
		}
		if took := time.Since(w.StepSince); took > stuck {
			reasons = append(reasons, Reason{"stuck", fmt.Sprintf("worker %d has been in one step for %v: a function of the program hangs", i, took.Round(time.Second))})
		}
	}
	return reasons
}

// ended returns the reason of an App whose Run has returned.
func (s Status) ended() Reason {
	if s.Failure != "" {
		return Reason{"ended", "Run has returned: " + s.Failure}
	}
	return Reason{"ended", "Run has returned without an error"}
}

// unready returns the reasons of Readyz.
func (s Status) unready() (reasons []Reason) {
	add := func(code, format string, args ...any) {
		reasons = append(reasons, Reason{code, fmt.Sprintf(format, args...)})
	}
	switch s.State {
	case Starting:
		add("starting", "the group has not assigned partitions yet")
	case Stopping:
		add("stopping", "Run finishes its work")
	case Stopped:
		return []Reason{s.ended()}
	}
	if !s.DrainingSince.IsZero() {
		add("draining", "the process finishes the records that it has read, and ends then")
	}
	if !s.UnreachableSince.IsZero() {
		add("unreachable", "no broker has answered for %v", time.Since(s.UnreachableSince).Round(time.Second))
	}
	for _, t := range s.Globals {
		if t.Loading {
			add("loading", "global table %s: %s", t.Topic, left(t.Remaining, t.LoadLeft))
		}
	}
	for _, t := range s.Tasks {
		if t.Restoring {
			add("restoring", "task %s: %s", t.Name, left(t.Remaining, t.RestoreLeft))
		}
	}
	if len(s.MissingTopics) > 0 {
		add("missing_topic", "the cluster does not know topics any more: %s", strings.Join(s.MissingTopics, ", "))
	}
	return reasons
}

// left describes the records that are to be read, and the time that they take if it is known.
func left(records int64, takes time.Duration) string {
	text := fmt.Sprintf("about %d records are left", records)
	if takes > 0 {
		text += fmt.Sprintf(", which take %v", takes.Round(time.Second))
	}
	return text
}
