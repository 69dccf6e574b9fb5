package portal_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir/quixcloud/portal"
)

// A program makes a topic by itself, and waits until it can be used.
func Example() {
	ensure := func(ctx context.Context, client *portal.Client, workspace, name string) (portal.Topic, error) {
		_, err := client.CreateTopic(ctx, workspace, portal.NewTopic{
			Name: name, Partitions: 4, Config: map[string]string{"retention.ms": "86400000"},
		})
		if err != nil && !errors.Is(err, portal.ErrExists) {
			return portal.Topic{}, err
		}
		ready, err := client.AwaitReady(ctx, workspace, time.Minute, name)
		return ready[name], err
	}
	_ = ensure // with a client of portal.New, and a workspace of Client.FindWorkspace

	_, err := portal.New(portal.Config{URL: "https://portal-api.platform.quix.io"})
	fmt.Println(err)
	// Output:
	// config: portal: there is no token: set Token or the environment variable Quix__Sdk__Token
}
