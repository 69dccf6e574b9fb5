package gcs_test

import (
	"context"
	"testing"

	"github.com/weirstreams/weir/internal/objects/gcs/gcstest"
	"github.com/weirstreams/weir/internal/objects/objecttest"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/sink/gcs"
)

// BenchmarkSink compares the sink with the bare client.
func BenchmarkSink(b *testing.B) {
	to := gcstest.New(b)
	bucket := gcstest.Client(b, to).Bucket(to.Name)
	put := func(ctx context.Context, key string, content []byte) error {
		w := bucket.Object(key).NewWriter(ctx)
		if _, err := w.Write(content); err != nil {
			return err
		}
		return w.Close()
	}
	objecttest.BenchSink(b, put, func(o file.Options[string, objecttest.Order]) sink.TwoPhase[string, objecttest.Order] {
		return gcs.New(to, o)
	})
}
