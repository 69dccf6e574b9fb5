package config

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/kafkatest"
)

// Whatever has run out of time, the error is not one that the worker takes for the end of the lookup's own time.
func TestRequestsThatRunOutOfTime(t *testing.T) {
	kafkatest.Parallel(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connections are made, and nothing is said
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	half := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "half")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer half.Close()
	const soon = 100 * time.Millisecond
	patient := time.Minute
	dialer := func(_ context.Context, network, address string) (net.Conn, error) {
		return (&net.Dialer{Deadline: time.Now()}).Dial(network, address)
	}
	for name, test := range map[string]struct {
		url    string
		limit  time.Duration
		client *http.Client
		want   string
	}{
		"answer":            {"http://" + silent.Addr().String(), soon, nil, "no answer within 100ms"},
		"body":              {half.URL, soon, nil, "no answer within 100ms"},
		"answer, by client": {"http://" + silent.Addr().String(), patient, &http.Client{Timeout: soon}, "no answer in time: "},
		"body, by client":   {half.URL, patient, &http.Client{Timeout: soon}, "no answer in time: "},
		"header": {
			"http://" + silent.Addr().String(), patient,
			&http.Client{Transport: &http.Transport{ResponseHeaderTimeout: soon}}, "no answer in time: ",
		},
		"handshake": {
			"https://" + silent.Addr().String(), patient,
			&http.Client{Transport: &http.Transport{TLSHandshakeTimeout: soon, TLSClientConfig: &tls.Config{}}}, "TLS handshake timeout",
		},
		"dial": {
			"http://" + silent.Addr().String(), patient, &http.Client{Transport: &http.Transport{DialContext: dialer}}, "i/o timeout",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newContents(Config{
				HTTPClient: test.client, RequestTimeout: test.limit, MaxContentBytes: 1000, now: time.Now,
				Logger: slog.New(slog.DiscardHandler), RetryBase: time.Second, RetryMax: time.Second,
			})
			defer s.close()
			_, f, err := s.get(&content{source: source{url: test.url}})
			if err != nil {
				t.Fatal(err)
			}
			<-f.done
			failure, ok := errors.AsType[*FetchError](f.err)
			if !ok || !errors.Is(failure, ErrTimeout) || !strings.Contains(failure.Error(), test.want) || failure.URL != test.url {
				t.Errorf("got %v, want %q", f.err, test.want)
			}
			if timeout, ok := errors.AsType[net.Error](f.err); errors.Is(f.err, context.DeadlineExceeded) || ok {
				t.Errorf("%v is taken for the end of the lookup: %v", f.err, timeout)
			}
		})
	}
}

// The end of the caller's own context is passed through.
func TestCallersThatRunOutOfTime(t *testing.T) {
	s := newService(t, 1)
	s.publish("limits", "dev1", 1, 0, `{"max":1}`)
	c := s.open(s.config())
	s.hang()
	limit := fields(t, c, JSON("max", "", "$.max").Default(0))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := tryWithin(ctx, limit, query("dev1", 1)); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrTimeout) {
		t.Errorf("got %v", err)
	}
	why := errors.New("why")
	ended, end := context.WithCancelCause(t.Context())
	end(why)
	if _, err := tryWithin(ended, limit, query("dev1", 1)); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}
