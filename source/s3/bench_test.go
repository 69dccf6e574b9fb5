package s3_test

import (
	"context"
	"io"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weirstreams/weir/internal/objects/objecttest"
	"github.com/weirstreams/weir/internal/objects/s3/s3test"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/file"
	"github.com/weirstreams/weir/source/s3"
)

// BenchmarkSource compares the source with the bare client and encoding/json.
func BenchmarkSource(b *testing.B) {
	from := s3test.New(b)
	client := s3test.Client(from)
	get := func(ctx context.Context, key string) (io.ReadCloser, error) {
		object, err := client.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String(from.Name), Key: aws.String(key)})
		if err != nil {
			return nil, err
		}
		return object.Body, nil
	}
	objecttest.BenchSource(b, from.Open(), get, func(o file.Options[string, objecttest.Order]) source.Source[string, objecttest.Order] {
		return s3.New(from, o)
	})
}
