package s3_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/objects/s3/s3test"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/s3"
)

type order struct {
	Country string  `json:"country"`
	Total   float64 `json:"total"`
}

// BenchmarkSink writes a checkpoint of 100,000 records, beside the same lines in an object that the bare client puts.
func BenchmarkSink(b *testing.B) {
	const records = 100_000
	bucket := s3test.New(b)
	r := weir.Record[string, order]{Key: "a1", Value: order{"DE", 19.99}, Millis: 1722945524540, Origin: &weir.Origin{Topic: "orders"}}
	per := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records), "ns/record")
	}
	b.Run("bare", func(b *testing.B) {
		client := s3test.Client(bucket)
		for i := range b.N {
			var content bytes.Buffer
			e := format.JSONLines[string, order]{}.NewEncoder(&content)
			for range records {
				if err := e.Encode(&r); err != nil {
					b.Fatal(err)
				}
			}
			_, err := client.PutObject(b.Context(), &awss3.PutObjectInput{
				Bucket: aws.String(bucket.Name), Key: aws.String(fmt.Sprint("bare/", i)), Body: bytes.NewReader(content.Bytes()),
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		per(b)
	})
	for _, c := range []format.Compression{format.Uncompressed, format.Zstd} {
		b.Run("sink"+c.Extension(), func(b *testing.B) {
			s := s3.New(bucket, s3.Options[string, order]{Compression: c})
			if err := s.Connect(b.Context()); err != nil {
				b.Fatal(err)
			}
			w, err := s.TwoPhaseWriter(b.Context(), sink.Task{Logger: slog.New(slog.DiscardHandler), Now: time.Now})
			if err != nil {
				b.Fatal(err)
			}
			defer w.Close()
			const epoch = "0000000a"
			if err := w.Recover(b.Context(), epoch, nil); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for i := range b.N {
				for range records {
					r.Origin.Offset++
					if err := w.Add(b.Context(), &r); err != nil {
						b.Fatal(err)
					}
				}
				token, err := w.Prepare(b.Context(), sink.Checkpoint{ID: int64(i + 1), Epoch: epoch})
				if err == nil {
					err = w.Commit(b.Context(), token)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			per(b)
		})
	}
}
