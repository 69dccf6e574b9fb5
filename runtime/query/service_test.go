package query_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/runtime/query"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

// ask asks a member for a path, and returns the status and the body.
func ask(t testing.TB, m *member, path string, header ...string) (int, string) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	m.ServeHTTP(w, request)
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, strings.TrimSpace(string(body))
}

func TestTheHandlerAnswersWithJSON(t *testing.T) {
	t.Parallel()
	s := newShop(t, 1)
	s.write(t, s.orders, order("ann", "tea", 0), order("ann", "milk", time.Second), order("bob", "tea", 2*time.Second))
	m := s.start(t, query.ServiceOptions{Authorize: func(r *http.Request) error {
		if r.Header.Get("Token") != "secret" {
			return errors.New("the token is wrong")
		}
		return nil
	}}, nil)
	at := url.QueryEscape(s.orders.Name() + ":0:3")
	get := func(path string) (int, string) { return ask(t, m, path, "Token", "secret") }
	await(t, "the orders are processed", func() bool {
		code, _ := get("/get?store=bought&key=ann&at=" + at)
		return code == http.StatusOK
	})
	millis := func(d time.Duration) string { b, _ := json.Marshal(begin.Add(d).UnixMilli()); return string(b) }
	place := `{"partition":0,"position":{"` + s.orders.Name() + `":3},"rows":`
	minute := `{"start":` + millis(0) + `,"end":` + millis(time.Minute) + `,"value":2}`
	text := begin.UTC().Format(time.RFC3339)
	for path, want := range map[string]string{
		"/get?store=bought&key=ann":                              place + `[{"key":"ann","value":2}]}`,
		"/key?store=bought&key=nobody":                           place + `[]}`,
		"/scan?store=bought&from=b":                              place + `[{"key":"bob","value":1}]}`,
		"/scan?store=bought&prefix=a":                            place + `[{"key":"ann","value":2}]}`,
		"/get?store=items&key=ann&field=tea":                     place + `[{"key":"ann","field":"tea","value":1}]}`,
		"/key?store=items&key=ann&from=n":                        place + `[{"key":"ann","field":"tea","value":1}]}`,
		"/key?store=history&key=bob":                             place + `[{"key":"bob","field":"` + begin.Add(2*time.Second).UTC().Format(time.RFC3339) + `","value":{"state":"tea"}}]}`,
		"/get?store=tumbling_window_60000&key=ann&field=" + text: place + `[{"key":"ann","field":"` + text + `","value":` + minute + `}]}`,
		"/key?store=tumbling_window_60000&key=ann&from=" + millis(0) + "&to=" + millis(time.Minute): place + `[{"key":"ann","field":"` + text + `","value":` + minute + `}]}`,
	} {
		if code, body := get(path); code != http.StatusOK || body != want {
			t.Errorf("%s: %d\n%s\nwant\n%s", path, code, body, want)
		}
	}
	_, first := get("/scan?store=bought&limit=1")
	var page struct{ Next string }
	if err := json.Unmarshal([]byte(first), &page); err != nil || page.Next == "" {
		t.Fatal(first, err)
	}
	if _, second := get("/scan?store=bought&limit=1&after=" + page.Next); second != place+`[{"key":"bob","value":1}]}` {
		t.Error(second)
	}
	for path, want := range map[string]string{
		"/get?store=bought&key=nobody":                                        "404 not_found",
		"/get?store=other&key=ann":                                            "404 unknown_store",
		"/get?store=bought&key=ann&at=" + at[:len(at)-1] + "9":                "409 behind",
		"/get?store=bought&key=ann&at=x":                                      "400 request",
		"/get?store=bought&key=ann&partition=9":                               "400 request",
		"/scan?store=bought&limit=0":                                          "400 request",
		"/scan?store=items&prefix=a":                                          "400 request",
		"/scan?store=bought&after=%20":                                        "400 request",
		"/get?store=tumbling_window_60000&key=ann&field=x":                    "400 request",
		"/get?store=tumbling_window_60000&key=ann":                            "400 request",
		"/rows?store=bought&limit=1&partition=0&from=" + "bQ" + "&to=" + "bg": "400 request", // the row of the time, which is no state
		"/rows?store=bought&limit=1":                                          "400 request",
		"/rows?store=bought&limit=1&from=cw&to=dA":                            "400 request",
	} {
		code, body := get(path)
		var failure struct{ Error, Code string }
		if err := json.Unmarshal([]byte(body), &failure); err != nil || failure.Error == "" || http.StatusText(code) == "" || want != strings.Join([]string{itoa(code), failure.Code}, " ") {
			t.Errorf("%s: %d %s, want %s", path, code, body, want)
		}
	}
	if _, body := get("/get?store=items&key=ann"); !strings.Contains(body, "give the parameter field") {
		t.Errorf("a key without a field is answered with %s", body)
	}
	if code, body := ask(t, m, "/get?store=bought&key=ann", "Token", "x"); code != http.StatusForbidden || !strings.Contains(body, "the token is wrong") {
		t.Errorf("without the token: %d %s", code, body)
	}
	if code, body := get("/stores"); code != http.StatusOK || !strings.Contains(body, `{"name":"items","keys":"string","fields":"string"}`) {
		t.Errorf("stores: %d %s", code, body)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	var header string
	client, err := query.NewClient(query.ClientOptions{
		Endpoints: []string{"http://127.0.0.1:1/query", m.url}, HTTP: &http.Client{Transport: transport},
		Sign: func(r *http.Request) error { r.Header.Set("Token", header); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := query.Get(t.Context(), client, s.cells(), "ann", query.Options{}); !errors.Is(err, weir.ErrUnauthorized) {
		t.Errorf("a client without the token: %v", err)
	}
	header = "secret"
	if a, err := query.Get(t.Context(), client, s.cells(), "ann", query.Options{}); err != nil || a.Value != 2 {
		t.Errorf("a client: %+v %v", a, err)
	}
	behind := query.Position{}
	behind.Written(s.orders.Name(), 0, 100)
	if _, err := query.Get(t.Context(), client, s.cells(), "ann", query.Options{AtLeast: behind}); !errors.Is(err, weir.ErrBehind) {
		t.Errorf("a client that is behind: %v", err)
	}
	closed := query.Cells(store.NewCell[int]("closed"), codec.String())
	if _, err := query.Get(t.Context(), client, closed, "ann", query.Options{}); !errors.Is(err, weir.ErrUnknownStore) {
		t.Errorf("a store that is not published: %v", err)
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

// A key of a type that is no text comes as JSON.
func TestKeysOfRequestsAreOfTheirTypes(t *testing.T) {
	t.Parallel()
	type place struct{ Row, Seat int }
	topology := stream.NewTopology()
	in := stream.NewTopic("seats", codec.JSON[place](), codec.String())
	sold := store.NewCell[int]("sold")
	topology.From(in).MapState(sold, func(*store.Cell[int], string) int { return 0 }).To(stream.NewTopic("out", codec.JSON[place](), codec.Int()))
	app, err := runtime.New(topology, runtime.Config{Connection: kafka.Connection{Brokers: []string{"localhost:1"}}, Group: "cinema"})
	if err != nil {
		t.Fatal(err)
	}
	service, err := query.NewService(app, query.ServiceOptions{Stores: []query.Published{query.Cells(sold, in.KeyCodec())}})
	if err != nil {
		t.Fatal(err)
	}
	m := &member{Service: service}
	for path, want := range map[string]string{
		"/get?store=sold&key=" + url.QueryEscape(`{"Row":1}`): "moved", // the App does not run
		"/get?store=sold&key=1":                               "request",
	} {
		if code, body := ask(t, m, path); !strings.Contains(body, `"code":"`+want+`"`) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if _, err := query.Get(t.Context(), service, query.Cells(sold, in.KeyCodec()), place{1, 2}, query.Options{}); !errors.Is(err, weir.ErrMoved) {
		t.Error(err)
	}
	for what, broken := range map[string]query.Published{
		"a nil handle":         query.Cells[place, int](nil, in.KeyCodec()),
		"no codec":             query.Cells[place](sold, nil),
		"windows by count":     query.Windows(window.TumblingCount(3), window.Count[string](), in.KeyCodec()),
		"sliding windows":      query.Windows(window.Sliding(time.Minute), window.Count[string](), in.KeyCodec()),
		"collected items":      query.Windows(window.Tumbling(time.Minute), window.Collect[string](), in.KeyCodec()),
		"a store of no stream": query.Cells(sold, in.KeyCodec()).In("other"),
	} {
		if _, err := query.NewService(app, query.ServiceOptions{Stores: []query.Published{broken}}); !errors.Is(err, weir.ErrConfiguration) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := query.NewClient(query.ClientOptions{}); !errors.Is(err, weir.ErrConfiguration) {
		t.Error(err)
	}
	for _, endpoint := range []string{"10.0.0.7:8080", "ftp://host", "http://me:secret@host", "http://host/?a=b"} {
		_, err := runtime.New(topology, runtime.Config{
			Connection: kafka.Connection{Brokers: []string{"localhost:1"}}, Group: "cinema", Membership: runtime.MembershipConfig{Endpoint: endpoint},
			Logger: slog.New(slog.DiscardHandler),
		})
		if !errors.Is(err, weir.ErrConfiguration) || !strings.Contains(err.Error(), "Membership.Endpoint") {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}

// Codes of answers that are not rows become errors of their kinds again, and texts of other servers are no success.
func TestAnswersOfOtherServersAreErrors(t *testing.T) {
	t.Parallel()
	var status int
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	client, err := query.NewClient(query.ClientOptions{Endpoints: []string{server.URL}, HTTP: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		status int
		body   string
		want   error
	}{
		{503, `{"error":"e","code":"moved"}`, weir.ErrMoved},
		{503, `{"error":"e","code":"restoring"}`, weir.ErrRestoring},
		{421, `{"error":"e","code":"not_owner"}`, weir.ErrNotOwner},
		{504, `{"error":"e","code":"timeout"}`, context.DeadlineExceeded},
		{502, `{"error":"e","code":"unavailable"}`, weir.ErrUnavailable},
		{500, `{"error":"e","code":"failed"}`, nil},
		{500, `{"error":"e","code":"later"}`, nil},
		{302, ``, nil},
		{404, `<html>`, nil},
		{200, `<html>`, nil},
	} {
		status, body = c.status, c.body
		_, err := query.Get(t.Context(), client, query.NamedRows("names", codec.String(), codec.String()), "ann", query.Options{})
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%d %s: %v", c.status, c.body, err)
		}
	}
	if diff := cmp.Diff(query.Position{"a": {1: 8}}, func() query.Position { p := query.Position{}; p.Written("a", 1, 7); p.Written("a", 1, 3); return p }()); diff != "" {
		t.Error(diff)
	}
}
