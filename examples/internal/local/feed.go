package local

import (
	"context"
	"errors"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

// Feed writes records to a topic, and waits until they are there.
func Feed[K, V any](ctx context.Context, app *runtime.App, topic stream.Topic[K, V], records ...weir.Record[K, V]) error {
	producer, err := app.Producer(ctx, kafka.ProducerOptions{})
	if err != nil {
		return err
	}
	return errors.Join(producer.Send(ctx, topic, records...), producer.Flush(ctx), producer.Close())
}
