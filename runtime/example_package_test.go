package runtime_test

import (
	"context"
	"strings"

	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

// A service gives its topology and a configuration to an App, and runs it until it is told to stop.
func Example() {
	topology := stream.NewTopology()
	topology.From(rawLines).Map(strings.ToUpper).To(shouted)

	_ = func(ctx context.Context) error {
		app, err := runtime.New(topology, runtime.Config{
			Connection: kafka.Connection{Brokers: []string{"localhost:9092"}},
			Group:      "shouting",
			Guarantee:  runtime.ExactlyOnce,
		})
		if err != nil {
			return err
		}
		return app.Run(ctx)
	}
}
