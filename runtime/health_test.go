package runtime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/source"
)

// ask asks a handler, and returns the code and the body of the answer.
func ask(t testing.TB, h http.Handler, method string) (int, runtime.Health) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/", nil))
	var body struct {
		OK      bool
		State   string
		Reasons []runtime.Reason
	}
	if w.Code != http.StatusMethodNotAllowed {
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Fatalf("%v: %s", err, w.Body)
		}
	}
	return w.Code, runtime.Health{OK: body.OK, Reasons: body.Reasons}
}

// codes returns the codes of the reasons.
func codes(h runtime.Health) (codes []string) {
	for _, r := range h.Reasons {
		codes = append(codes, r.Code)
	}
	return codes
}

func TestHealthTellsTheReasons(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
	a := app(t, pipeline{input: in, output: out}.topology(), k.config())
	if code, h := ask(t, a.Healthz(), http.MethodGet); code != http.StatusOK || !h.OK {
		t.Errorf("before Run: %d, %+v", code, h)
	}
	if code, h := ask(t, a.Readyz(), http.MethodGet); code != http.StatusServiceUnavailable || !cmp.Equal(codes(h), []string{"starting"}) {
		t.Errorf("before Run: %d, %+v", code, h)
	}
	if code, _ := ask(t, a.Readyz(), http.MethodPost); code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", code)
	}

	reached, goOn := make(chan struct{}), make(chan struct{})
	config := k.config()
	config.Membership.RebalanceTimeout, config.Membership.SessionTimeout = 10*time.Second, 10*time.Second
	p := pipeline{input: in, output: out, f: func(_ context.Context, n int) (int, error) {
		if n == unlucky {
			close(reached)
			<-goOn
			return 0, errUnlucky
		}
		return n, nil
	}}
	r := run(t, p.topology(), config)
	r.await("the assignment", func(s runtime.Status) bool {
		return s.State == runtime.Running && len(s.Tasks) == 1 && !s.Tasks[0].Restoring
	})
	for name, h := range map[string]http.Handler{"Healthz": r.Healthz(), "Readyz": r.Readyz()} {
		if code, h := ask(t, h, http.MethodGet); code != http.StatusOK || !h.OK || len(h.Reasons) > 0 {
			t.Errorf("%s while it runs: %d, %+v", name, code, h)
		}
	}
	k.write(in, 0, numbers(0, 20)...)
	<-reached
	close(goOn)
	if r.failure() == nil {
		t.Error("there is no failure")
	}
	for name, h := range map[string]http.Handler{"Healthz": r.Healthz(), "Readyz": r.Readyz()} {
		code, h := ask(t, h, http.MethodGet)
		if code != http.StatusServiceUnavailable || !cmp.Equal(codes(h), []string{"ended"}) || !strings.Contains(h.Reasons[0].Detail, errUnlucky.Error()) {
			t.Errorf("%s after a failure: %d, %+v", name, code, h)
		}
	}
	if failure := r.Status().Failure; !strings.Contains(failure, errUnlucky.Error()) {
		t.Errorf("the status says %q", failure)
	}
}

var update = flag.Bool("update", false, "write testdata/status.json")

// The JSON of a status is an interface of other programs: names may be added to the golden file, and none may go or change.
func TestTheJSONOfAStatusIsStable(t *testing.T) {
	at := time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)
	full := runtime.Status{
		State:  runtime.Running,
		Paused: []runtime.Pause{{Scope: runtime.Scope{Topic: "orders", SubTopology: "orders"}, Since: at, Reason: "repair"}},
		Tasks: []runtime.TaskStatus{{
			Name: "orders/0", Worker: 1, Restoring: true, Paused: true, Restored: 1, Remaining: 2, RestoredBytes: 3, RestoreRate: 4.5, RestoreLeft: 1500 * time.Millisecond,
			Processed: 5, Skipped: 6, DeadLetters: 7, Ignored: 8, Late: 9, NullKeys: 10, Rebuilt: 11, UncommittedBytes: 12, Lag: 13, StreamTime: at,
			Inputs: []runtime.InputStatus{{Topic: "orders", Partition: 1, Position: 14, End: 15, Lag: 1, Behind: 2500 * time.Millisecond}},
		}},
		Globals: []runtime.GlobalStatus{{
			Topic: "rates", Loading: true, Rows: 1, Records: 2, Bytes: 3, Remaining: 4, LoadRate: 5.5, LoadLeft: 6 * time.Second, Skipped: 7, Ignored: 8,
			NullKeys: 9, DeadLetters: 10, Lag: 11,
		}},
		Sources: []source.Status{{
			Source: "files", Slot: 1, Looked: true, Done: true, Finished: 2, Waiting: 3, Records: 4, Bytes: 5, PerSecond: 6.5, Behind: -1, Failures: 7,
			Splits: []source.SplitStatus{{ID: "a", Records: 1, Bytes: 2, Position: []byte("p"), Behind: 3, LastRecord: at, Ended: true, Failing: "no"}},
		}},
		Workers:          []runtime.WorkerStatus{{StepSince: at, UncommittedSince: at, HeldSince: at, CheckpointAt: at, Rewinds: 1}},
		DrainingSince:    at,
		UnreachableSince: at, Failure: "failed", MissingTopics: []string{"out"},
	}
	expectStableJSON(t, "testdata/status.json", []runtime.Status{full, {}})
}

// expectStableJSON compares values as JSON with a file, which -update writes. The text has to be the same after it was read.
func expectStableJSON[V any](t *testing.T, golden string, values []V) {
	t.Helper()
	got, err := json.MarshalIndent(values, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	var read []V
	if err := json.Unmarshal(got, &read); err != nil {
		t.Fatal(err)
	}
	if again, err := json.MarshalIndent(read, "", "\t"); err != nil || !bytes.Equal(got, again) {
		t.Errorf("%v: the text that was read is written as another one:\n%s", err, again)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("-%s +now:\n%s", golden, diff)
	}
}
