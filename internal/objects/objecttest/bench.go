package objecttest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/benchtest"
	"github.com/weirstreams/weir/internal/objects"
	"github.com/weirstreams/weir/sink"
	filesink "github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/source"
	filesource "github.com/weirstreams/weir/source/file"
)

// Order is a value of benchmarks.
type Order struct {
	Country string  `json:"country"`
	Total   float64 `json:"total"`
}

const benchRecords = 100_000

func benchRecord() weir.Record[string, Order] {
	return weir.Record[string, Order]{Key: "a1", Value: Order{"DE", 19.99}, Millis: 1722945524540, Origin: &weir.Origin{Topic: "orders"}}
}

// benchLines returns the content of an object with the records of a benchmark.
func benchLines(b *testing.B) []byte {
	b.Helper()
	r := benchRecord()
	var content bytes.Buffer
	e := format.JSONLines[string, Order]{}.NewEncoder(&content)
	for range benchRecords {
		if err := e.Encode(&r); err != nil {
			b.Fatal(err)
		}
	}
	return content.Bytes()
}

// BenchSink writes a checkpoint of 100,000 records, beside the same lines in an object that put writes with the bare client.
func BenchSink(b *testing.B, put func(ctx context.Context, key string, content []byte) error, to func(o filesink.Options[string, Order]) sink.TwoPhase[string, Order]) {
	b.Helper()
	b.Run("bare", func(b *testing.B) {
		for i := range b.N {
			if err := put(b.Context(), fmt.Sprint("bare/", i), benchLines(b)); err != nil {
				b.Fatal(err)
			}
		}
		benchtest.PerRecord(b, benchRecords)
	})
	for _, c := range []format.Compression{format.Uncompressed, format.Zstd} {
		b.Run("sink"+c.Extension(), func(b *testing.B) {
			benchtest.WriteCheckpoints(b, to(filesink.Options[string, Order]{Compression: c}), benchRecord(), benchRecords)
		})
	}
}

// BenchSource reads an object of 100,000 records, beside encoding/json with the lines of an object that get reads with the bare client.
func BenchSource(b *testing.B, bucket *objects.Bucket, get func(ctx context.Context, key string) (io.ReadCloser, error), from func(o filesource.Options[string, Order]) source.Source[string, Order]) {
	b.Helper()
	const key = "orders.jsonl"
	if err := bucket.Connect(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := bucket.Upload(b.Context(), key, benchLines(b), "application/x-ndjson"); err != nil {
		b.Fatal(err)
	}
	if err := bucket.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("bare", func(b *testing.B) {
		for range b.N {
			content, err := get(b.Context(), key)
			if err != nil {
				b.Fatal(err)
			}
			d := json.NewDecoder(content)
			for range benchRecords {
				var line struct {
					Key   string `json:"key"`
					Value Order  `json:"value"`
				}
				if err := d.Decode(&line); err != nil {
					b.Fatal(err)
				}
			}
			if err := content.Close(); err != nil {
				b.Fatal(err)
			}
		}
		benchtest.PerRecord(b, benchRecords)
	})
	b.Run("source", func(b *testing.B) {
		benchtest.ReadSplit(b, from(filesource.Options[string, Order]{Format: format.JSONLines[string, Order]{}}), benchRecords, true)
	})
}
