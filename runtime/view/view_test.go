package view_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/runtime/view"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/stream"
)

// newApp returns an App that does not run.
func newApp(t testing.TB, group string) *runtime.App {
	t.Helper()
	topology := stream.NewTopology()
	lines := stream.NewTopic("lines", codec.String(), codec.String())
	topology.From(lines).Map(strings.ToUpper).GroupByKey("again").Map(strings.ToLower).To(stream.NewTopic("out", codec.String(), codec.String()))
	app, err := runtime.New(topology, runtime.Config{
		Connection: kafka.Connection{Brokers: []string{"localhost:1"}, SecurityProtocol: "sasl_plaintext", SASL: kafka.SASL{Mechanism: "PLAIN", Username: "me", Password: secret.New("hidden text")}},
		Group:      group, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func ask(t testing.TB, h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestEachAnswerForbidsEverythingFromOutside(t *testing.T) {
	t.Parallel()
	h := view.Handler(newApp(t, "shop"), view.Options{Token: "open"})
	for path, kind := range map[string]string{
		"/": "text/html", "/tables": "text/html", "/group.json": "application/json", "/member.json": "application/json", "/view.js": "text/javascript",
		"/view.css": "text/css", "/icon.svg": "image/svg+xml",
	} {
		w := ask(t, h, http.MethodGet, path, "")
		policy := w.Header().Get("Content-Security-Policy")
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self';") ||
			strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		if code := ask(t, h, http.MethodPost, path, "").Code; code != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", path, code)
		}
	}
	for _, path := range []string{"/page.html", "/tables.html", "/assets/view.js", "/../go.mod", "/nothing"} {
		if w := ask(t, h, http.MethodGet, path, ""); w.Code == http.StatusOK || w.Header().Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// inline are parts of a page that its policy forbids.
var inline = regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script>|<script [^>]*>[^<]|javascript:|https?://`)

func TestThePageIsCompleteWithoutScriptsAndHasNothingInline(t *testing.T) {
	t.Parallel()
	text := ask(t, view.Handler(newApp(t, "shop"), view.Options{Member: "first", SourceURL: "vscode://file/{file}:{line}"}), http.MethodGet, "/", "").Body.String()
	if found := inline.FindAllString(text, -1); len(found) > 0 {
		t.Errorf("the page has %q", found)
	}
	for _, want := range []string{
		`<svg class="graph"`, `<a href="#n1" data-box="n1"`, `<tr id="n1">`, "<h1>shop</h1>", "first", "starting", `href="vscode://file/view/view_test.go:`,
		"repartition__shop--lines--again", "Connection.SASL.Password", secret.Mask, `href="group.json"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for _, never := range []string{"hidden text", `id="controls"`, "ZgotmplZ", "<no value>"} {
		if strings.Contains(text, never) {
			t.Errorf("the page has %q", never)
		}
	}
	for _, bad := range []string{"javascript:alert(1)//{file}", "data:text/html,{file}", "{file}"} {
		text := ask(t, view.Handler(newApp(t, "shop"), view.Options{SourceURL: bad}), http.MethodGet, "/", "").Body.String()
		if strings.Contains(text, "alert(1)") || strings.Contains(text, `rel="noreferrer"`) {
			t.Errorf("%q is a link", bad)
		}
	}
}

// A text of any kind is shown as it is: names of members, errors, keys in errors.
func TestHostileTextsStayText(t *testing.T) {
	t.Parallel()
	const hostile = `</td><script>alert(1)</script><img src=x onerror=alert(2)>"'`
	other := view.Member{Name: hostile, Group: "shop", Inspection: runtime.Inspection{
		Status: runtime.Status{
			Failure: hostile, MissingTopics: []string{hostile}, Paused: []runtime.Pause{{Reason: hostile}},
			Tasks: []runtime.TaskStatus{{Name: hostile, Worker: 7, Lag: 1}}, Globals: []runtime.GlobalStatus{{Topic: hostile, Loading: true}},
		},
		Topics: []runtime.TopicStatus{{Name: hostile, ID: hostile}}, Sinks: []runtime.SinkStatus{{Name: hostile, Site: hostile, Error: hostile}},
		Databases: []runtime.DatabaseStatus{{Task: hostile}}, Operators: []runtime.OperatorStatus{{ID: hostile, Name: hostile}},
		Failures:    []runtime.RecordFailure{{Topic: hostile, Operator: hostile, Site: hostile, Stage: hostile, Action: hostile, Error: hostile}},
		Checkpoints: []runtime.Checkpoint{{Err: context.Canceled}},
	}}
	peer := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(other) }))
	h := view.Handler(newApp(t, "shop"), view.Options{Member: hostile + "own", Peers: []string{peer}})
	for _, path := range []string{"/", "/tables"} {
		text := ask(t, h, http.MethodGet, path, "").Body.String()
		if strings.Contains(text, "<script>alert") || strings.Contains(text, "<img") || strings.Count(text, "&lt;script&gt;alert(1)") < 15 {
			t.Errorf("%s: %d places: %s", path, strings.Count(text, "&lt;script&gt;alert(1)"), text)
		}
	}
}

func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/"
}

func TestThePageShowsTheMembersOfTheGroup(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	h := view.Handler(newApp(t, "shop"), view.Options{Member: "first", Peers: []string{
		serve(t, view.Handler(newApp(t, "shop"), view.Options{Member: "second"})),
		serve(t, view.Handler(newApp(t, "shop"), view.Options{Member: "first"})), // its own address
		serve(t, view.Handler(newApp(t, "another"), view.Options{Member: "third"})),
		serve(t, http.RedirectHandler("http://elsewhere.invalid/", http.StatusFound)),
		gone.URL,
	}})
	var group struct {
		Name    string
		Members []struct{ Name, Error string }
		Figures map[string]any
	}
	if err := json.Unmarshal(ask(t, h, http.MethodGet, "/group.json", "").Body.Bytes(), &group); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range group.Members {
		if m.Error != "" {
			m.Name = "error"
		}
		got = append(got, m.Name)
	}
	if diff := cmp.Diff([]string{"first", "second", "error", "error", "error"}, got); diff != "" || group.Name != "shop" || group.Figures["n1"] == nil {
		t.Errorf("%s%+v", diff, group)
	}
}

func TestTheJSONHasTheDocumentedFields(t *testing.T) {
	t.Parallel()
	h := view.Handler(newApp(t, "shop"), view.Options{Member: "first"})
	for path, want := range map[string][]string{
		"/member.json": {"name", "group", "time", "status", "operators", "topics", "rates"},
		"/group.json":  {"name", "members", "figures"},
	} {
		var got map[string]json.RawMessage
		if err := json.Unmarshal(ask(t, h, http.MethodGet, path, "").Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		for _, field := range want {
			if got[field] == nil {
				t.Errorf("%s has no %s: %v", path, field, got)
			}
			delete(got, field)
		}
		if len(got) > 0 {
			t.Errorf("%s has fields that the page live-view.md does not name: %v", path, got)
		}
	}
}

func TestPauseAndResumeNeedTheToken(t *testing.T) {
	t.Parallel()
	app := newApp(t, "shop")
	h := view.Handler(app, view.Options{Token: "open sesame"})
	const token = "Bearer open sesame"
	for name, test := range map[string]struct {
		path, body string
		header     []string
		want       int
	}{
		"no token":             {"/pause", "{}", nil, http.StatusUnauthorized},
		"a wrong token":        {"/pause", "{}", []string{"Authorization", "Bearer open"}, http.StatusUnauthorized},
		"no bearer":            {"/pause", "{}", []string{"Authorization", "open sesame"}, http.StatusUnauthorized},
		"another site":         {"/pause", "{}", []string{"Authorization", token, "Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		"no such part":         {"/pause", `{"sub_topology":"nothing"}`, []string{"Authorization", token}, http.StatusBadRequest},
		"an unknown field":     {"/pause", `{"part":"lines"}`, []string{"Authorization", token}, http.StatusBadRequest},
		"no JSON":              {"/resume", "scope=lines", []string{"Authorization", token}, http.StatusBadRequest},
		"a body without bound": {"/pause", `{"reason":"` + strings.Repeat("x", 1<<17) + `"}`, []string{"Authorization", token}, http.StatusBadRequest},
	} {
		if w := ask(t, h, http.MethodPost, test.path, test.body, test.header...); w.Code != test.want {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if len(app.Status().Paused) > 0 {
		t.Errorf("it is paused: %+v", app.Status().Paused)
	}
	if w := ask(t, h, http.MethodPost, "/pause", `{"sub_topology":"lines","reason":"repair"}`, "Authorization", token, "Sec-Fetch-Site", "same-origin"); w.Code != http.StatusNoContent {
		t.Errorf("pause: %d %s", w.Code, w.Body)
	}
	if paused := app.Status().Paused; len(paused) != 1 || paused[0].SubTopology != "lines" || paused[0].Reason != "repair" {
		t.Errorf("%+v", paused)
	}
	if w := ask(t, h, http.MethodPost, "/resume", `{}`, "Authorization", token); w.Code != http.StatusNoContent || len(app.Status().Paused) > 0 {
		t.Errorf("resume: %d %s, %+v", w.Code, w.Body, app.Status().Paused)
	}
	if w := ask(t, view.Handler(app, view.Options{}), http.MethodPost, "/pause", "{}", "Authorization", "Bearer "); w.Code == http.StatusNoContent || len(app.Status().Paused) > 0 {
		t.Errorf("without Options.Token: %d", w.Code)
	}
}

// BenchmarkPage is the work for a page that is open: a look of the App, JSON and tables. The page asks once a second.
func BenchmarkPage(b *testing.B) {
	h := view.Handler(newApp(b, "shop"), view.Options{})
	b.ReportAllocs()
	for b.Loop() {
		for _, path := range []string{"/group.json", "/tables"} {
			if w := ask(b, h, http.MethodGet, path, ""); w.Code != http.StatusOK {
				b.Fatal(w.Code)
			}
		}
	}
}
