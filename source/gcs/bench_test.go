package gcs_test

import (
	"context"
	"io"
	"testing"

	"github.com/weirstreams/weir/internal/objects/gcs/gcstest"
	"github.com/weirstreams/weir/internal/objects/objecttest"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/file"
	"github.com/weirstreams/weir/source/gcs"
)

// BenchmarkSource compares the source with the bare client and encoding/json.
func BenchmarkSource(b *testing.B) {
	from := gcstest.New(b)
	bucket := gcstest.Client(b, from).Bucket(from.Name)
	get := func(ctx context.Context, key string) (io.ReadCloser, error) { return bucket.Object(key).NewReader(ctx) }
	objecttest.BenchSource(b, from.Open(), get, func(o file.Options[string, objecttest.Order]) source.Source[string, objecttest.Order] {
		return gcs.New(from, o)
	})
}
