//go:build unix

package servers

import (
	"context"
	"path/filepath"
	"sync"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/server"
)

// Clients prepares the libraries of the other Kafka clients of internal/interop, and starts nothing.
var Clients = server.Server{
	Name:  "clients",
	About: "libraries of the clients in internal/interop/clients (JDK 17, Maven, Node 18, npm, Python 3.9, pip)",
	Variables: []string{
		"WEIR_INTEROP_JARS: a class path",
		"NODE_PATH, PYTHONPATH: directories of packages",
	},
	Sources: []fetch.Source{kafkaJars, javaClient, nodeClient, pythonClient},
	Start: func(ctx context.Context, i *server.Instance) error {
		if err := requireJava(ctx, 17); err != nil {
			return err
		}
		sources := []fetch.Source{kafkaJars, javaClient, nodeClient, pythonClient}
		dirs, errs := make([]string, len(sources)), make([]error, len(sources))
		var fetches sync.WaitGroup
		for n, source := range sources {
			fetches.Go(func() { dirs[n], errs[n] = i.Fetch(ctx, source) })
		}
		fetches.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		// Kafka's own client is among the jars of the broker.
		i.Export("WEIR_INTEROP_JARS", filepath.Join(dirs[0], "*")+":"+filepath.Join(dirs[1], "*"))
		i.Export("NODE_PATH", filepath.Join(dirs[2], "node_modules"))
		i.Export("PYTHONPATH", dirs[3])
		return nil
	},
}
