// Command enrichment asks a service over HTTP for the country of each visitor's address: 16 calls at a time, results in the order of the
// records. When the service asks for a pause (429 with Retry-After), the pipeline waits for it, and loses nothing.
//
//	go run ./examples/enrichment
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/examples/internal/local"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

// Visit is a request to a web site, and later the country that it came from.
type Visit struct {
	Page    string `json:"page"`
	Address string `json:"address"`
	Country string `json:"country,omitempty"`
}

var (
	requests = stream.NewTopic("requests", codec.String(), codec.JSON[Visit]())
	visits   = stream.NewTopic("visits", codec.String(), codec.JSON[Visit]())
)

// geo is a client of the service.
type geo struct {
	url    string
	client *http.Client
}

// locate fills in the country. A RetryLaterError holds the input back and makes the call again, and
// any other error is a failed attempt, which AsyncOptions.Retry repeats.
func (g geo) locate(ctx context.Context, v Visit) (Visit, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url+"/country?address="+url.QueryEscape(v.Address), http.NoBody)
	if err != nil {
		return v, err
	}
	response, err := g.client.Do(request)
	if err != nil {
		return v, err
	}
	defer func() { _ = response.Body.Close() }()
	switch response.StatusCode {
	case http.StatusOK:
		return v, json.NewDecoder(response.Body).Decode(&v.Country)
	case http.StatusTooManyRequests:
		seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
		if err != nil {
			seconds = 1
		}
		return v, &weir.RetryLaterError{RetryAfter: time.Duration(seconds) * time.Second, Err: fmt.Errorf("%s is busy", g.url)}
	default:
		return v, fmt.Errorf("%s answers %s", g.url, response.Status)
	}
}

func topology(g geo, kept *stream.Collector[string, Visit]) *stream.Topology {
	t := stream.NewTopology()
	t.From(requests).
		MapAsync(g.locate, stream.AsyncOptions{Concurrency: 16, Timeout: 5 * time.Second}).
		Collect(kept).
		To(visits)
	return t
}

// service answers by the first number of the address. It is busy once, and breaks down once.
func service(busy, broken *atomic.Int64) http.Handler {
	var calls atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch calls.Add(1) {
		case 5:
			busy.Add(1)
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		case 7:
			broken.Add(1)
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		country := "Atlantis"
		if r.FormValue("address") < "192" {
			country = "Utopia"
		}
		_ = json.NewEncoder(w).Encode(country)
	})
}

func program(ctx context.Context, out io.Writer, config runtime.Config) error {
	var busy, broken atomic.Int64
	server := httptest.NewServer(service(&busy, &broken))
	defer server.Close()

	var kept stream.Collector[string, Visit]
	app, err := runtime.New(topology(geo{server.URL, server.Client()}, &kept), config)
	if err != nil {
		return err
	}
	var records []weir.Record[string, Visit]
	for i := range 12 {
		records = append(records, weir.Record[string, Visit]{
			Key: "site", Value: Visit{Page: fmt.Sprint("/page/", i), Address: fmt.Sprintf("%d.0.2.%d", 190+i%4, i)}, Millis: time.Now().UnixMilli(),
		})
	}
	if err := local.Feed(ctx, app, requests, records...); err != nil {
		return err
	}
	if err := app.RunUntil(ctx, runtime.Until{Outputs: int64(len(records))}); err != nil {
		return err
	}
	for _, r := range kept.Records() {
		fmt.Fprintln(out, r.Value.Page, r.Value.Country)
	}
	fmt.Fprintf(out, "the service was busy %d time and broken %d time\n", busy.Load(), broken.Load())
	return nil
}

func main() { local.Main("enrichment", program) }
