package http_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"log/slog"
	nethttp "net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/http"
)

const token = "t0ps3cret-token"

// entry is what the service gets of a record.
type entry struct {
	Key, Value *string
}

// poison is a value that the service refuses, with the whole request.
const poison = "poison"

// service takes JSON arrays of entries by path, each request once.
type service struct {
	*httptest.Server
	mu sync.Mutex // guards what follows
	// taken are the entries of each path, and requests the keys of all requests that were understood, in order.
	taken    map[string][]entry
	requests []string
	bodies   []string
	keys     map[string]bool
	// answer, if it is not nil, answers in place of the service if it returns true.
	answer func(w nethttp.ResponseWriter, r *nethttp.Request) bool
}

func newService(tb testing.TB) *service {
	s := &service{taken: map[string][]entry{}, keys: map[string]bool{}}
	s.Server = httptest.NewServer(s)
	tb.Cleanup(s.Close)
	return s
}

func (s *service) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answer != nil && s.answer(w, r) {
		return
	}
	s.take(w, r)
}

// take takes the entries of a request.
func (s *service) take(w nethttp.ResponseWriter, r *nethttp.Request) {
	if r.Header.Get("Authorization") != "Bearer "+token {
		nethttp.Error(w, "not you: "+r.Header.Get("Authorization"), nethttp.StatusUnauthorized)
		return
	}
	body := r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			nethttp.Error(w, err.Error(), nethttp.StatusBadRequest)
			return
		}
		body = z
	}
	data, err := io.ReadAll(body)
	var entries []entry
	if err == nil {
		err = json.Unmarshal(data, &entries)
	}
	if err != nil {
		nethttp.Error(w, err.Error(), nethttp.StatusBadRequest)
		return
	}
	if slices.ContainsFunc(entries, func(e entry) bool { return e.Value != nil && *e.Value == poison }) {
		nethttp.Error(w, "an entry is not valid", nethttp.StatusUnprocessableEntity)
		return
	}
	key := r.Header.Get("Idempotency-Key")
	s.requests, s.bodies = append(s.requests, key), append(s.bodies, string(data))
	if s.keys[key] {
		return
	}
	s.keys[key] = true
	s.taken[r.URL.Path] = append(s.taken[r.URL.Path], entries...)
}

// during lets f answer in place of the service, until the returned function is called.
func (s *service) during(f func(w nethttp.ResponseWriter, r *nethttp.Request) bool) (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.answer = nil
	}
}

// values returns the values that a path has got.
func (s *service) values(path string) (values []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.taken[path] {
		values = append(values, *e.Value)
	}
	return values
}

// hangUp ends the connection in the middle of nothing.
func hangUp(nethttp.ResponseWriter, *nethttp.Request) bool { panic(nethttp.ErrAbortHandler) }

// takenWithoutAnswer takes a request, and ends the connection.
func takenWithoutAnswer(s *service) func(nethttp.ResponseWriter, *nethttp.Request) bool {
	return func(_ nethttp.ResponseWriter, r *nethttp.Request) bool {
		s.take(httptest.NewRecorder(), r)
		panic(nethttp.ErrAbortHandler)
	}
}

func status(code int, headers ...string) func(w nethttp.ResponseWriter, r *nethttp.Request) bool {
	return func(w nethttp.ResponseWriter, r *nethttp.Request) bool {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		nethttp.Error(w, "because of "+r.Header.Get("Authorization"), code)
		return true
	}
}

// options are those of the tests, quick to give up.
func options() http.Options[*string, *string] {
	return http.Options[*string, *string]{
		Auth: http.Bearer(secret.New(token)), Timeout: 10 * time.Second, Retry: weir.Retry{Attempts: 3, FirstWait: time.Millisecond},
		Item: func(dst []byte, r weir.Record[*string, *string]) ([]byte, error) {
			data, err := json.Marshal(entry{r.Key, r.Value})
			return append(dst, data...), err
		},
	}
}

// opened returns the writer of a sink that is connected.
func opened(tb testing.TB, to sink.Sink[*string, *string]) sink.Writer[*string, *string] {
	tb.Helper()
	if err := to.Connect(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	w, err := to.Writer(tb.Context(), sink.Task{Application: "app", SubTopology: "in", Sink: "service", Partition: 3, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := w.Close(); err != nil {
			tb.Error(err)
		}
		if err := to.Close(tb.Context()); err != nil {
			tb.Error(err)
		}
	})
	return w
}

// add adds records with such values, from an offset on.
func add(tb testing.TB, w sink.Writer[*string, *string], offset int64, values ...string) {
	tb.Helper()
	for i, v := range values {
		key := "k"
		r := weir.Record[*string, *string]{Key: &key, Value: &v, Origin: &weir.Origin{Topic: "in", Partition: 3, Offset: offset + int64(i)}}
		if err := w.Add(tb.Context(), &r); err != nil {
			tb.Fatal(err)
		}
	}
}

// checkpoint names one that covers some offsets.
func checkpoint(id, from, to int64) sink.Checkpoint {
	return sink.Checkpoint{ID: id, Epoch: "01", Positions: []sink.Position{{Topic: "in", Partition: 3, From: from, To: to}}}
}

func withoutSecret(tb testing.TB, err error) {
	tb.Helper()
	if err != nil && strings.Contains(err.Error(), token) {
		tb.Errorf("the token is in the error: %s", strings.ReplaceAll(err.Error(), token, "(the token)"))
	}
}
