package http_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/http"
)

func TestRecordsGoOutInRequestsOfBoundedSize(t *testing.T) {
	s := newService(t)
	o := options()
	o.MaxRecords, o.MaxBytes, o.Gzip = 3, 80, true
	w := opened(t, http.New(s.URL+"/in", o))
	add(t, w, 0, "a", "b", "c", "d", strings.Repeat("long", 30), "e")
	if err := w.Flush(t.Context(), checkpoint(1, 0, 6)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b", "c", "d", strings.Repeat("long", 30), "e"}, s.values("/in")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(s.requests) != 4 { // three, one, one that is too long, one
		t.Errorf("%d requests: %q", len(s.requests), s.bodies)
	}
}

func TestLinesAndBodiesOfAFunction(t *testing.T) {
	for name, c := range map[string]struct {
		form        http.Form
		body        func([][]byte) ([]byte, error)
		contentType string
		want        string
	}{
		"array":    {http.Array, nil, "application/json", `["a",null]`},
		"lines":    {http.Lines, nil, "application/x-ndjson", "\"a\"\nnull\n"},
		"function": {http.Array, func(items [][]byte) ([]byte, error) { return fmt.Appendf(nil, `{"n":%d}`, len(items)), nil }, "application/json", `{"n":2}`},
	} {
		var got, contentType string
		server := httptest.NewServer(nethttp.HandlerFunc(func(_ nethttp.ResponseWriter, r *nethttp.Request) {
			data, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			got, contentType = string(data), r.Header.Get("Content-Type")
		}))
		w := opened(t, http.New(server.URL, http.Options[*string, *string]{Form: c.form, Body: c.body}))
		add(t, w, 0, "a")
		if err := w.Add(t.Context(), &weir.Record[*string, *string]{ValueNull: true, Origin: &weir.Origin{}}); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(t.Context(), checkpoint(1, 0, 2)); err != nil {
			t.Fatal(err)
		}
		if got != c.want || contentType != c.contentType {
			t.Errorf("%s: %q of type %q", name, got, contentType)
		}
		server.Close()
	}
}

// A request that is made again has its key again, and the service takes it once. No other request has it.
func TestARepeatedRequestHasTheSameIdempotencyKey(t *testing.T) {
	s := newService(t)
	o := options()
	o.MaxRecords = 2
	write := func(c sink.Checkpoint, values ...string) {
		t.Helper()
		w := opened(t, http.New(s.URL+"/in", o))
		add(t, w, c.Positions[0].From, values...)
		if err := w.Flush(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	write(checkpoint(1, 0, 3), "a", "b", "b")
	write(checkpoint(7, 0, 5), "a", "b", "b", "b", "c") // after a crash, with more input
	write(checkpoint(8, 5, 8), "a", "b", "b")           // other records with the same values
	if diff := cmp.Diff([]string{"a", "b", "b", "b", "b", "c", "a", "b", "b"}, s.values("/in")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	timers := sink.Checkpoint{ID: 9, Epoch: "01", Positions: []sink.Position{{Topic: "in", Partition: 3, From: 8, To: 8}}}
	write(timers, "tick")
	timers.ID++
	write(timers, "tick") // by another timer, without input in between
	if got := s.values("/in"); len(got) != 11 {
		t.Errorf("two equal records of timers came to %q", got[9:])
	}
	for _, key := range s.requests {
		if len(key) != 32 {
			t.Errorf("key %q", key)
		}
	}
}

// The answer to a request is lost: the next attempt is the same request.
func TestALostAnswerIsNoLostRequest(t *testing.T) {
	s := newService(t)
	attempts := 0
	s.during(func(_ nethttp.ResponseWriter, r *nethttp.Request) bool {
		if attempts++; attempts > 2 {
			return false
		}
		s.take(httptest.NewRecorder(), r)
		panic(nethttp.ErrAbortHandler)
	})
	w := opened(t, http.New(s.URL+"/in", options()))
	add(t, w, 0, "a", "b")
	if err := w.Flush(t.Context(), checkpoint(1, 0, 2)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b"}, s.values("/in")); diff != "" || len(s.requests) != 3 {
		t.Errorf("%d requests (-want +got):\n%s", len(s.requests), diff)
	}
}

func TestWhatAStatusMeans(t *testing.T) {
	for _, c := range []struct {
		name     string
		answer   func(w nethttp.ResponseWriter, r *nethttp.Request) bool
		attempts int
		wait     time.Duration // of a RetryLaterError; 0 means that there is none
		records  int           // of a RecordErrors
		text     string
	}{
		{"429", status(429), 1, time.Second, 0, "429"},
		{"429 with seconds", status(429, "Retry-After", "90"), 1, 90 * time.Second, 0, "429"},
		{"503 with a very long time", status(503, "Retry-After", "999999999999"), 1, time.Hour, 0, "503"},
		{"503 with a time that is over", status(503, "Retry-After", "Mon, 02 Jan 2006 15:04:05 GMT"), 1, time.Second, 0, "503"},
		{"500", status(500), 3, 5 * time.Second, 0, "500"},
		{"502", status(502), 3, 5 * time.Second, 0, "502"},
		{"408", status(408), 3, 5 * time.Second, 0, "408"},
		{"no answer", hangUp, 3, 5 * time.Second, 0, "EOF"},
		{"401", status(401), 1, 0, 0, "Options.Auth"},
		{"403", status(403), 1, 0, 0, "Options.Auth"},
		{"404", status(404), 1, 0, 0, "check the address"},
		{"redirect", status(307, "Location", "http://127.0.0.1:1/"), 1, 0, 0, "redirects are not followed"},
		{"400", status(400), 2, 0, 1, "400"},
		{"413", status(413), 2, 0, 1, "413"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t)
			attempts := 0
			s.during(func(w nethttp.ResponseWriter, r *nethttp.Request) bool { attempts++; return c.answer(w, r) })
			w := opened(t, http.New(s.URL+"/in", options()))
			add(t, w, 0, "a", "b")
			err := w.Flush(t.Context(), checkpoint(1, 0, 2))
			s.mu.Lock() // the service counts under it
			defer s.mu.Unlock()
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Fatalf("got %v", err)
			}
			withoutSecret(t, err)
			later, isLater := errors.AsType[*weir.RetryLaterError](err)
			if isLater != (c.wait > 0) || isLater && later.Wait() != c.wait {
				t.Errorf("want a wait of %v: %v", c.wait, err)
			}
			refused, _ := errors.AsType[sink.RecordErrors](err)
			if len(refused) != c.records || attempts != c.attempts {
				t.Errorf("%d attempts, %d refused records: %v", attempts, len(refused), err)
			}
		})
	}
}

// Halving finds the records that the service refuses with a whole request, and all others are written once.
func TestRecordsThatSpoilARequestAreFound(t *testing.T) {
	s := newService(t)
	w := opened(t, http.New(s.URL+"/in", options()))
	var want []string
	for i := range 100 {
		v := fmt.Sprint(i)
		if i == 17 || i == 18 || i == 99 {
			v = poison
		} else {
			want = append(want, v)
		}
		add(t, w, int64(i), v)
	}
	var offsets []int64
	for {
		err := w.Flush(t.Context(), checkpoint(1, 0, 100))
		if err == nil {
			break
		}
		refused, ok := errors.AsType[sink.RecordErrors](err)
		if !ok {
			t.Fatal(err)
		}
		for _, r := range refused {
			offsets = append(offsets, r.Origin.Offset)
		}
	}
	if diff := cmp.Diff([]int64{17, 18, 99}, offsets); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, s.values("/in")); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
}

// A bulk answer names the refused items; the others count as written.
func TestAnAnswerNamesTheRefusedRecords(t *testing.T) {
	type result struct{ Errors map[string]string }
	requests := 0
	server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		requests++
		_ = json.NewEncoder(w).Encode(result{map[string]string{"1": "no such customer"}}) // the test sees it
	}))
	t.Cleanup(server.Close)
	o := options()
	o.MaxRecords = 3
	o.Refused = func(a http.Answer) (refused sink.RecordErrors, err error) {
		var r result
		if err := json.Unmarshal(a.Body, &r); err != nil {
			return nil, err
		}
		for i := range a.Records {
			if text := r.Errors[fmt.Sprint(i)]; text != "" {
				refused = append(refused, sink.RecordError{Index: i, Err: errors.New(text)})
			}
		}
		return refused, nil
	}
	w := opened(t, http.New(server.URL, o))
	add(t, w, 9, "a", "b", "c", "d")
	err := w.Flush(t.Context(), checkpoint(1, 9, 13))
	refused, ok := errors.AsType[sink.RecordErrors](err)
	if !ok || len(refused) != 1 || refused[0].Origin.Offset != 10 || refused[0].Err.Error() != "no such customer" {
		t.Fatalf("got %v", err)
	}
	if err := w.Flush(t.Context(), checkpoint(1, 9, 13)); err != nil || requests != 2 {
		t.Errorf("%d requests, %v", requests, err)
	}
}

func TestAnAnswerThatIsCutOffIsAskedForAgain(t *testing.T) {
	var requests atomic.Int64
	server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		if requests.Add(1) == 1 {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "short")
			panic(nethttp.ErrAbortHandler)
		}
	}))
	t.Cleanup(server.Close)
	o := options()
	o.Refused = func(http.Answer) (sink.RecordErrors, error) { return nil, nil }
	w := opened(t, http.New(server.URL, o))
	add(t, w, 0, "a")
	if err := w.Flush(t.Context(), checkpoint(1, 0, 1)); err != nil || requests.Load() != 2 {
		t.Errorf("%d requests, %v", requests.Load(), err)
	}
}

func TestAServiceThatIsTooSlowIsGivenUp(t *testing.T) {
	release := make(chan struct{})
	var requests atomic.Int64
	server := httptest.NewServer(nethttp.HandlerFunc(func(_ nethttp.ResponseWriter, r *nethttp.Request) {
		requests.Add(1)
		_, _ = io.Copy(io.Discard, r.Body) // so that the server notices the end of the connection
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(release); server.Close() })
	o := options()
	o.Timeout, o.Retry.Attempts = 30*time.Millisecond, 2
	w := opened(t, http.New(server.URL, o))
	add(t, w, 0, "a")
	err := w.Flush(t.Context(), checkpoint(1, 0, 1))
	if _, ok := errors.AsType[*weir.RetryLaterError](err); !ok || !errors.Is(err, context.DeadlineExceeded) || requests.Load() != 2 {
		t.Errorf("%d requests, %v", requests.Load(), err)
	}
}

// Redirects would take records and secrets to another place.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(nethttp.HandlerFunc(func(nethttp.ResponseWriter, *nethttp.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	server := httptest.NewServer(nethttp.RedirectHandler(other.URL, nethttp.StatusTemporaryRedirect))
	t.Cleanup(server.Close)
	w := opened(t, http.New(server.URL, options()))
	add(t, w, 0, "a")
	err := w.Flush(t.Context(), checkpoint(1, 0, 1))
	if e, ok := errors.AsType[*http.StatusError](err); !ok || e.Status != 307 || elsewhere.Load() != 0 {
		t.Errorf("%d requests elsewhere, %v", elsewhere.Load(), err)
	}
}

// The environment names a proxy, and nothing goes there unless the options say so.
func TestAProxyIsUsedOnlyIfItIsAskedFor(t *testing.T) {
	s := newService(t)
	var through atomic.Int64
	proxy := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		through.Add(1)
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	t.Setenv("HTTP_PROXY", proxy.URL)
	o := options()
	w := opened(t, http.New(s.URL+"/in", o))
	add(t, w, 0, "a")
	if err := w.Flush(t.Context(), checkpoint(1, 0, 1)); err != nil || through.Load() != 0 {
		t.Fatalf("%d requests through the proxy of the environment, %v", through.Load(), err)
	}
	o.Proxy, o.Insecure = secret.NewURL(proxy.URL), true
	w = opened(t, http.New("http://service.invalid/in", o))
	add(t, w, 1, "b")
	if err := w.Flush(t.Context(), checkpoint(2, 1, 2)); err != nil || through.Load() != 1 {
		t.Errorf("%d requests through the proxy, %v", through.Load(), err)
	}
}

func TestTLSIsCheckedWhenTheSinkConnects(t *testing.T) {
	server := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(nethttp.ResponseWriter, *nethttp.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it says that its certificate was refused
	server.StartTLS()
	t.Cleanup(server.Close)
	if err := http.New(server.URL, options()).Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
	o := options()
	o.TLS = server.Client().Transport.(*nethttp.Transport).TLSClientConfig
	w := opened(t, http.New(server.URL, o))
	add(t, w, 0, "a")
	if err := w.Flush(t.Context(), checkpoint(1, 0, 1)); err != nil {
		t.Error(err)
	}
}

func TestConnectAsksTheHealthAddress(t *testing.T) {
	s := newService(t)
	o := options()
	o.Health = s.URL + "/health"
	s.during(func(w nethttp.ResponseWriter, r *nethttp.Request) bool {
		if r.URL.Path != "/health" || r.Header.Get("Authorization") != "Bearer "+token {
			t.Errorf("asked %s", r.URL.Path)
		}
		w.WriteHeader(nethttp.StatusForbidden)
		return true
	})
	err := http.New(s.URL+"/in", o).Connect(t.Context())
	if e, ok := errors.AsType[*http.StatusError](err); !ok || e.Status != 403 {
		t.Errorf("got %v", err)
	}
	withoutSecret(t, err)
}

func TestTheTokenOfAFunctionIsFreshForEachRequest(t *testing.T) {
	s := newService(t)
	o := options()
	asked := 0
	o.Auth = http.BearerFunc(func(context.Context) (secret.String, error) {
		if asked++; asked == 1 {
			return secret.String{}, errors.New("the authority is away")
		}
		return secret.New(token), nil
	})
	o.MaxRecords = 1
	w := opened(t, http.New(s.URL+"/in", o))
	add(t, w, 0, "a", "b")
	if err := w.Flush(t.Context(), checkpoint(1, 0, 2)); err != nil || asked != 3 {
		t.Errorf("asked %d times, %v", asked, err)
	}
}

func TestConnectFindsAllMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		address string
		edit    func(*http.Options[*string, *string])
		want    []string
	}{
		"no address":          {"", nil, []string{"malformed"}},
		"scheme":              {"ftp://host/", nil, []string{"neither http nor https"}},
		"credentials":         {"https://u:" + token + "@host/", nil, []string{"Options.Auth"}},
		"secret without TLS":  {"http://example.com/", nil, []string{"without TLS"}},
		"method":              {"https://host", func(o *http.Options[*string, *string]) { o.Method = "GET" }, []string{"POST, PUT or PATCH"}},
		"form":                {"https://host", func(o *http.Options[*string, *string]) { o.Form = 7 }, []string{"Array or Lines"}},
		"empty secret":        {"https://host", func(o *http.Options[*string, *string]) { o.Auth = http.Bearer(secret.String{}) }, []string{"is empty"}},
		"secret with an end":  {"https://host", func(o *http.Options[*string, *string]) { o.Auth = http.Header("X-Key", secret.New(token+"\n")) }, []string{"end of a line"}},
		"health of elsewhere": {"https://host", func(o *http.Options[*string, *string]) { o.Health = "https://other/" }, []string{"Auth is for host"}},
		"several": {"ftp://host/", func(o *http.Options[*string, *string]) {
			o.Headers = nethttp.Header{"a b": {"x"}}
			o.IdempotencyHeader = "no name"
		}, []string{"neither http nor https", `"a b"`, "Options.IdempotencyHeader"}},
	} {
		o := options()
		if c.edit != nil {
			c.edit(&o)
		}
		err := http.New(c.address, o).Connect(t.Context())
		if !errors.Is(err, weir.ErrConfiguration) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error lacks %q: %v", name, want, err)
			}
		}
		withoutSecret(t, err)
	}
}

func TestAnEmptyItemIsRefusedUnlessAFunctionMakesTheBody(t *testing.T) {
	for name, c := range map[string]struct {
		options http.Options[*string, *string]
		refused bool
	}{
		"array": {http.Options[*string, *string]{}, true},
		"lines": {http.Options[*string, *string]{Form: http.Lines}, true},
		"body":  {http.Options[*string, *string]{Body: func([][]byte) ([]byte, error) { return []byte("{}"), nil }}, false},
	} {
		c.options.Item = func([]byte, weir.Record[*string, *string]) ([]byte, error) { return nil, nil }
		w := opened(t, http.New(newService(t).URL, c.options))
		err := w.Add(t.Context(), &weir.Record[*string, *string]{Origin: &weir.Origin{}})
		if c.refused != (err != nil) || c.refused && !strings.Contains(err.Error(), "make the item of a request to") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestARecordWithoutAnItemIsRefusedWhenItIsAdded(t *testing.T) {
	s := newService(t)
	o := options()
	why := errors.New("no item")
	o.Item = func([]byte, weir.Record[*string, *string]) ([]byte, error) { return nil, why }
	w := opened(t, http.New(s.URL, o))
	if err := w.Add(t.Context(), &weir.Record[*string, *string]{Origin: &weir.Origin{}}); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	if err := w.Flush(t.Context(), checkpoint(1, 0, 1)); err != nil || len(s.requests) > 0 {
		t.Errorf("%d requests, %v", len(s.requests), err)
	}
}
