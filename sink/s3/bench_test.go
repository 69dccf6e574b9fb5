package s3_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/benchtest"
	"github.com/weirstreams/weir/internal/objects/s3/s3test"
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
		benchtest.PerRecord(b, records)
	})
	for _, c := range []format.Compression{format.Uncompressed, format.Zstd} {
		b.Run("sink"+c.Extension(), func(b *testing.B) {
			benchtest.WriteCheckpoints(b, s3.New(bucket, s3.Options[string, order]{Compression: c}), r, records)
		})
	}
}
