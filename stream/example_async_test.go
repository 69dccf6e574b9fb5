package stream_test

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/stream"
)

// geocode stands for a call of a service.
func geocode(_ context.Context, city string) (string, error) {
	if city == "" {
		return "", fmt.Errorf("no city")
	}
	return city + " in " + map[string]string{"ghent": "Belgium", "bern": "Switzerland"}[city], nil
}

// Up to 16 calls of the service run at a time. The results come in the order of the records.
func ExampleStream_MapAsync() {
	t := stream.NewTopology()
	t.From(lines).
		MapAsync(geocode, stream.AsyncOptions{Concurrency: 16, Timeout: 2 * time.Second}).
		To(words)

	run(t, words, "ghent", "bern")
	// Output:
	// k ghent in Belgium
	// k bern in Switzerland
}

// A request with an effect carries the place of its record, so that the service can tell a repetition.
func ExampleStream_MapAsyncRecord() {
	charge := func(_ context.Context, r weir.Record[string, string]) (receipt string, err error) {
		token := fmt.Sprintf("%s/%d/%d", r.Origin.Topic, r.Origin.Partition, r.Origin.Offset)
		return r.Value + " is paid, " + token, nil
	}
	t := stream.NewTopology()
	t.From(lines).
		MapAsyncRecord(charge, stream.AsyncOptions{Retry: weir.Retry{Attempts: 3}}).
		To(words)

	run(t, words, "order 7")
	// Output: k order 7 is paid, lines/0/0
}
