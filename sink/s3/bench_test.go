package s3_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weirstreams/weir/internal/objects/objecttest"
	"github.com/weirstreams/weir/internal/objects/s3/s3test"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/sink/s3"
)

// BenchmarkSink compares the sink with the bare client.
func BenchmarkSink(b *testing.B) {
	to := s3test.New(b)
	client := s3test.Client(to)
	put := func(ctx context.Context, key string, content []byte) error {
		_, err := client.PutObject(ctx, &awss3.PutObjectInput{Bucket: aws.String(to.Name), Key: aws.String(key), Body: bytes.NewReader(content)})
		return err
	}
	objecttest.BenchSink(b, put, func(o file.Options[string, objecttest.Order]) sink.TwoPhase[string, objecttest.Order] {
		return s3.New(to, o)
	})
}
