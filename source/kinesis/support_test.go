package kinesis_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/kinesis/kinesistest"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/kinesis"
)

// fast is the time between two reads in tests.
const fast = 5 * time.Millisecond

// put puts records on a stream, each with a partition key and data, in order.
func put(tb testing.TB, s kinesis.Stream, records ...[2]string) {
	tb.Helper()
	client := kinesistest.Client(s)
	for len(records) > 0 {
		var entries []types.PutRecordsRequestEntry
		size := 0
		for len(records) > 0 && len(entries) < 500 && size < 4<<20 {
			entries = append(entries, types.PutRecordsRequestEntry{PartitionKey: &records[0][0], Data: []byte(records[0][1])})
			size += len(records[0][1])
			records = records[1:]
		}
		out, err := client.PutRecords(context.WithoutCancel(tb.Context()), &awskinesis.PutRecordsInput{StreamName: &s.Name, Records: entries})
		must(tb, err)
		if n := aws.ToInt32(out.FailedRecordCount); n > 0 {
			tb.Fatalf("%d records were refused", n)
		}
	}
}

func connect[K, V any](tb testing.TB, s kinesis.Stream, o kinesis.Options[K, V]) source.Source[K, V] {
	tb.Helper()
	o.PollInterval = fast
	from := kinesis.New(s, o)
	must(tb, from.Connect(tb.Context()))
	tb.Cleanup(func() { must(tb, from.Close(context.Background())) })
	return from
}

// open opens the first split.
func open[K, V any](tb testing.TB, s kinesis.Stream, o kinesis.Options[K, V]) source.Reader[K, V] {
	tb.Helper()
	from := connect(tb, s, o)
	splits, err := from.Splits(tb.Context(), func(string) bool { return false })
	must(tb, err)
	return openSplit(tb, from, splits[0].ID)
}

func openSplit[K, V any](tb testing.TB, from source.Source[K, V], id string) source.Reader[K, V] {
	tb.Helper()
	r, err := from.Open(tb.Context(), source.Task{Now: time.Now, Logger: slog.New(slog.DiscardHandler)}, source.Split{ID: id}, nil)
	must(tb, err)
	tb.Cleanup(func() { must(tb, r.Close()) })
	return r
}

// read reads until the end of the shard, or, if it has none, until nothing comes any more. A read without records may have had some of another lane.
func read[K, V any](tb testing.TB, r source.Reader[K, V]) (records []weir.Record[K, V], ended bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 20*time.Second)
	defer cancel()
	for empty := 0; empty < 3; {
		batch := source.Batch[K, V]{Behind: -1}
		err := r.Read(ctx, &batch)
		records = append(records, batch.Records...)
		switch {
		case errors.Is(err, io.EOF):
			return records, true
		case err != nil:
			tb.Fatalf("behind %d records: %v", len(records), err)
		case len(batch.Records) == 0 && batch.Behind == 0:
			empty++
		}
	}
	return records, false
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
