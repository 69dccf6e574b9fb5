package azure_test

import (
	"context"
	"io"
	"testing"

	"github.com/weirstreams/weir/internal/objects/azure/azuretest"
	"github.com/weirstreams/weir/internal/objects/objecttest"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/azure"
	"github.com/weirstreams/weir/source/file"
)

// BenchmarkSource compares the source with the bare client and encoding/json.
func BenchmarkSource(b *testing.B) {
	from := azuretest.New(b)
	client := azuretest.Client(b, from)
	get := func(ctx context.Context, key string) (io.ReadCloser, error) {
		content, err := client.NewBlobClient(key).DownloadStream(ctx, nil)
		return content.Body, err
	}
	objecttest.BenchSource(b, from.Open(), get, func(o file.Options[string, objecttest.Order]) source.Source[string, objecttest.Order] {
		return azure.New(from, o)
	})
}
