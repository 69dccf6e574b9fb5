//go:build unix

package servers

import (
	"context"
	"path/filepath"
	"strconv"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/server"
)

// Kinesalite is an emulator of Kinesis, with everything in memory. It takes any credentials. Streams are ready, and shards split, within some milliseconds.
var Kinesalite = server.Server{
	Name:      "kinesalite",
	About:     "kinesalite 3.3.3, an emulator of Kinesis (Node 18, npm)",
	Variables: []string{"WEIR_TEST_KINESALITE: its address, which takes any credentials"},
	Sources:   []fetch.Source{kinesaliteProgram},
	Start: func(ctx context.Context, i *server.Instance) error {
		home, err := i.Fetch(ctx, kinesaliteProgram)
		if err != nil {
			return err
		}
		port, err := i.Port(ctx)
		if err != nil {
			return err
		}
		// Its own program listens on all interfaces, and ends when a client gives a request up.
		_, err = i.Start(ctx, server.Command{Name: "kinesalite", Args: []string{
			"node", "-e", `
const [home, port] = process.argv.slice(1)
process.on('uncaughtException', (err) => { if (err.code !== 'ECONNRESET') { console.error(err); process.exit(1) } })
require(home)({ createStreamMs: 20, deleteStreamMs: 20, updateStreamMs: 20, shardLimit: 10000 }).listen(Number(port), '127.0.0.1')`,
			filepath.Join(home, "node_modules", "kinesalite"), strconv.Itoa(port),
		}}, server.Listens(port))
		if err != nil {
			return err
		}
		address := "http://" + server.Address(port)
		i.Export("WEIR_TEST_KINESALITE", address)
		i.Say("kinesalite ready at %s", address)
		return nil
	},
}
