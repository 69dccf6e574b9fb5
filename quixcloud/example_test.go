package quixcloud_test

import (
	"context"
	"fmt"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/quixcloud"
	"github.com/weirstreams/weir/quixcloud/portal"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/stream"
)

// A program on the platform takes everything from its environment.
func Example() {
	run := func(ctx context.Context) error {
		config, err := quixcloud.Config(ctx, quixcloud.Options{})
		if err != nil {
			return err
		}
		topology := stream.NewTopology()
		topology.From(stream.NewTopic("orders", codec.String(), codec.String())).Peek(func(order string) { fmt.Println(order) })
		app, err := runtime.New(topology, config)
		if err != nil {
			return err
		}
		return app.Run(ctx)
	}
	_ = run
	// Output:
}

// A program elsewhere names the portal, a token and the workspace.
func ExampleOptions() {
	token := ""
	_, err := quixcloud.Config(context.Background(), quixcloud.Options{
		Portal:    portal.Config{URL: "https://portal-api.platform.quix.io", Token: secret.New(token)},
		Workspace: "acme-dev",
		Group:     "totals",
	})
	fmt.Println(err != nil) // there is no token
	// Output:
	// true
}
