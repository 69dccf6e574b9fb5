//go:build unix

package servers

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/server"
)

// InfluxDB is a server of version 1 that asks for credentials. It has no user yet: the first one that is made has to be an administrator.
var InfluxDB = server.Server{
	Name:      "influxdb",
	About:     "InfluxDB 1 of Debian (apt; or influxd in PATH)",
	Variables: []string{"WEIR_TEST_INFLUXDB: the URL of a server without users, whose first one has to be an administrator"},
	Sources:   []fetch.Source{influxPrograms},
	Start: func(ctx context.Context, i *server.Instance) error {
		program, env, err := debianProgram(ctx, i, "influxd", influxPrograms)
		if err != nil {
			return err
		}
		var ports [2]int
		for n := range ports {
			if ports[n], err = i.Port(ctx); err != nil {
				return err
			}
		}
		path := func(name string) string { return strconv.Quote(filepath.Join(i.Dir, name)) }
		settings := fmt.Sprintf(`reporting-disabled = true
bind-address = %q
[meta]
dir = %s
[data]
dir = %s
wal-dir = %s
query-log-enabled = false
[http]
bind-address = %q
auth-enabled = true
log-enabled = false
[monitor]
store-enabled = false
`, server.Address(ports[0]), path("meta"), path("data"), path("wal"), server.Address(ports[1]))
		file, err := i.Write("influxdb.conf", settings)
		if err != nil {
			return err
		}
		if _, err := i.Start(ctx, server.Command{Name: "influxdb", Env: env, Args: []string{program, "-config", file}}, server.Prints("Listening for signals")); err != nil {
			return err
		}
		i.Export("WEIR_TEST_INFLUXDB", "http://"+server.Address(ports[1]))
		i.Say("InfluxDB ready at %s", server.Address(ports[1]))
		return nil
	},
}
