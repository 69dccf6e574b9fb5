package azure_test

import (
	"context"
	"testing"

	"github.com/weirstreams/weir/internal/objects/azure/azuretest"
	"github.com/weirstreams/weir/internal/objects/objecttest"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/azure"
	"github.com/weirstreams/weir/sink/file"
)

// BenchmarkSink compares the sink with the bare client.
func BenchmarkSink(b *testing.B) {
	to := azuretest.New(b)
	client := azuretest.Client(b, to)
	put := func(ctx context.Context, key string, content []byte) error {
		_, err := client.NewBlockBlobClient(key).UploadBuffer(ctx, content, nil)
		return err
	}
	objecttest.BenchSink(b, put, func(o file.Options[string, objecttest.Order]) sink.TwoPhase[string, objecttest.Order] {
		return azure.New(to, o)
	})
}
