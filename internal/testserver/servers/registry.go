//go:build unix

package servers

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/server"
)

// Registry is Apicurio Registry, with everything that it knows in memory. Its address is that of the API that follows Confluent's.
var Registry = server.Server{
	Name:      "registry",
	About:     "a schema registry, Apicurio Registry " + registryVersion + " (Java 17, Maven)",
	Variables: []string{"WEIR_TEST_REGISTRY: its address"},
	Sources:   []fetch.Source{registryProgram},
	Start: func(ctx context.Context, i *server.Instance) error {
		if err := requireJava(ctx, 17); err != nil {
			return err
		}
		home, err := i.Fetch(ctx, registryProgram)
		if err != nil {
			return err
		}
		port, err := i.Port(ctx)
		if err != nil {
			return err
		}
		url := "http://" + server.Address(port) + "/apis/ccompat/v7"
		_, err = i.Start(ctx, server.Command{Name: "registry", Args: []string{
			"java", "-Xmx384m", "-XX:TieredStopAtLevel=1", "-Dquarkus.http.host=127.0.0.1", fmt.Sprint("-Dquarkus.http.port=", port),
			"-Dquarkus.log.level=WARN", "-Dquarkus.http.access-log.enabled=false",
			"-jar", filepath.Join(home, "apicurio-registry-app-"+registryVersion+"-runner.jar"),
		}}, server.Answers(url+"/subjects"))
		if err != nil {
			return err
		}
		i.Export("WEIR_TEST_REGISTRY", url)
		i.Say("Apicurio Registry %s ready at %s", registryVersion, url)
		return nil
	},
}
