package http_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weirstreams/weir/source"
	webhook "github.com/weirstreams/weir/source/http"
)

// BenchmarkSource answers requests of 100 bytes over connections that stay open, beside a handler that reads the body and answers at once.
func BenchmarkSource(b *testing.B) {
	body := `"` + strings.Repeat("x", 98) + `"`
	run := func(b *testing.B, handler http.Handler) {
		s := httptest.NewServer(handler)
		defer s.Close()
		b.SetParallelism(16)
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				answer, err := client.Post(s.URL, "application/json", strings.NewReader(body))
				if err != nil {
					b.Error(err)
					return
				}
				_ = answer.Body.Close()
				if answer.StatusCode != http.StatusNoContent {
					b.Error(answer.Status)
					return
				}
			}
		})
	}
	b.Run("bare", func(b *testing.B) {
		run(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				b.Error(err)
			}
			w.WriteHeader(http.StatusNoContent)
		}))
	})
	b.Run("source", func(b *testing.B) {
		s := webhook.New(webhook.Options[string, string]{})
		if err := s.Connect(b.Context()); err != nil {
			b.Fatal(err)
		}
		r, err := s.Open(b.Context(), source.Task{}, source.Split{ID: "0"}, nil)
		if err != nil {
			b.Fatal(err)
		}
		end, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			var batch source.Batch[string, string]
			for {
				select {
				case <-end:
					return
				default:
				}
				batch.Reset()
				if err := r.Read(b.Context(), &batch); err != nil {
					b.Error(err)
					return
				}
				if err := r.Acknowledge(b.Context(), batch.Position); err != nil {
					b.Error(err)
				}
			}
		}()
		run(b, s)
		close(end)
		<-ended
		if err := r.Close(); err != nil {
			b.Error(err)
		}
	})
}
