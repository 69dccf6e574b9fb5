package http_test

import (
	"bytes"
	"encoding/json"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/http"
)

// BenchmarkSink compares the sink with a bare client of net/http that sends arrays of 500 encoded values to a service of this process,
// which reads and drops them.
func BenchmarkSink(b *testing.B) {
	server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(nethttp.StatusBadRequest)
		}
	}))
	defer server.Close()
	const batch = 500
	value := order{"customer 4711", 19.99}
	b.Run("net/http", func(b *testing.B) {
		b.ReportAllocs()
		for sent := 0; sent < b.N; sent += batch {
			body := []byte{'['}
			for i := range batch {
				if i > 0 {
					body = append(body, ',')
				}
				item, err := json.Marshal(value)
				if err != nil {
					b.Fatal(err)
				}
				body = append(body, item...)
			}
			response, err := server.Client().Post(server.URL, "application/json", bytes.NewReader(append(body, ']')))
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, response.Body) // nothing
			_ = response.Body.Close()
		}
	})
	for _, compressed := range []bool{false, true} {
		name := "sink"
		if compressed {
			name = "sink with gzip"
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			to := http.New(server.URL, http.Options[string, order]{Gzip: compressed})
			if err := to.Connect(b.Context()); err != nil {
				b.Fatal(err)
			}
			w, err := to.Writer(b.Context(), sink.Task{})
			if err != nil {
				b.Fatal(err)
			}
			r := weir.Record[string, order]{Value: value, Origin: &weir.Origin{}}
			for i := range b.N {
				if err := w.Add(b.Context(), &r); err != nil {
					b.Fatal(err)
				}
				if i == b.N-1 || w.Full() {
					if err := w.Flush(b.Context(), sink.Checkpoint{ID: 1}); err != nil {
						b.Fatal(err)
					}
				}
			}
			if err := to.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
