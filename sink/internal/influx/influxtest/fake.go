package influxtest

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Token is the one that the fake takes.
const Token = "apiv3_s3cret-of-the-sink"

// Fake is an HTTP API of InfluxDB 3 with databases in memory. It keeps the type that a field has in its first point, and refuses points with another one,
// as the server does, while it takes the others of the request.
type Fake struct {
	*httptest.Server

	mu        sync.Mutex // guards what follows
	databases map[string]*database
	answer    http.HandlerFunc
	requests  []Request
}

// Request is a request that wrote.
type Request struct {
	Precision, Encoding string
	Lines               int
}

type database struct {
	points map[string]*Point
	types  map[string]string
}

// New starts a fake.
func New(tb testing.TB) *Fake {
	f := &Fake{databases: map[string]*database{}}
	f.Server = httptest.NewServer(f)
	tb.Cleanup(f.Close)
	return f
}

// During answers requests that write in place of the fake until end is called.
func (f *Fake) During(answer http.HandlerFunc) (end func()) {
	set := func(answer http.HandlerFunc) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.answer = answer
	}
	set(answer)
	return func() { set(nil) }
}

// Points returns the points of a database, in any order.
func (f *Fake) Points(name string) (points []*Point) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.databases[name]; d != nil {
		for _, p := range d.points {
			points = append(points, p)
		}
	}
	return points
}

// Requests returns the requests that wrote.
func (f *Fake) Requests() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Request(nil), f.requests...)
}

// ServeHTTP implements [http.Handler].
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+Token {
		http.Error(w, "the request was not authenticated: "+r.Header.Get("Authorization"), http.StatusUnauthorized)
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /ping":
		w.Header().Set("X-Influxdb-Version", "3.4.1")
		_, _ = io.WriteString(w, `{"version":"3.4.1"}`)
	case "POST /api/v3/write_lp":
		f.mu.Lock()
		answer := f.answer
		f.mu.Unlock()
		if answer != nil {
			answer(w, r)
			return
		}
		f.Write(w, r)
	default:
		http.NotFound(w, r)
	}
}

// failure is what the server says of a line.
type failure struct {
	Line   string `json:"original_line"`
	Number int    `json:"line_number"`
	Error  string `json:"error_message"`
}

// Write takes a request that writes.
func (f *Fake) Write(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	data, err := io.ReadAll(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	query := r.URL.Query()
	lines := Lines(string(data))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, Request{query.Get("precision"), r.Header.Get("Content-Encoding"), len(lines)})
	d := f.databases[query.Get("db")]
	if d == nil {
		d = &database{map[string]*Point{}, map[string]string{}}
		f.databases[query.Get("db")] = d
	}
	var failures []failure
	for i, text := range lines {
		if err := d.add(text); err != nil {
			failures = append(failures, failure{text[:min(len(text), 20)], i + 1, err.Error()})
		}
	}
	if failures == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": "partial write of line protocol occurred", "data": failures}) // the client is gone
}

// add takes a line.
func (d *database) add(text string) error {
	p, err := Parse(text, true)
	if err != nil {
		return err
	}
	for name, value := range p.Fields {
		column, kind := p.Measurement+"\x00"+name, fmt.Sprintf("%T", value)
		if known := d.types[column]; known != "" && known != kind {
			return fmt.Errorf("invalid column type for column '%s', expected %s, got %s", name, known, kind)
		}
		d.types[column] = kind
	}
	d.points[p.Series()] = p
	return nil
}
