//go:build unix

package servers

import (
	"context"
	_ "embed" // the program
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/server"
)

// Elasticsearch is a node of its last version with an open licence. Security and data streams are missing: they were never open.
var Elasticsearch = searchServer(searchNode{
	name: "elasticsearch", title: "Elasticsearch " + elasticsearchVersion, variable: "WEIR_TEST_ELASTICSEARCH", jars: elasticsearchJars,
	root: "org.elasticsearch", plugins: []string{"transport.Netty4Plugin"},
})

// OpenSearch is a node without plugins for security.
var OpenSearch = searchServer(searchNode{
	name: "opensearch", title: "OpenSearch " + openSearchVersion, variable: "WEIR_TEST_OPENSEARCH", jars: openSearchJars,
	root: "org.opensearch", plugins: []string{"transport.Netty4Plugin", "analysis.common.CommonAnalysisPlugin", "painless.PainlessPlugin"},
})

// searchNode describes a node: the packages of its program, and the plugins that a distribution would have in folders of their own.
type searchNode struct {
	name, title, variable string
	jars                  fetch.Source
	root                  string
	plugins               []string
}

//go:embed search/Single.java
var searchProgram string

// program is the program of a node, which java compiles when it starts it.
func (n searchNode) program() string {
	classes := make([]string, len(n.plugins))
	for i, p := range n.plugins {
		classes[i] = n.root + "." + p + ".class"
	}
	return strings.NewReplacer("PACKAGE", n.root, "PLUGINS", strings.Join(classes, ", ")).Replace(searchProgram)
}

func searchServer(n searchNode) server.Server {
	return server.Server{
		Name: n.name, About: n.title + ", one node (JDK 17, Maven)", Variables: []string{n.variable + ": its address"}, Sources: []fetch.Source{n.jars},
		Start: func(ctx context.Context, i *server.Instance) error {
			if err := requireJava(ctx, 17); err != nil {
				return err
			}
			jars, err := i.Fetch(ctx, n.jars)
			if err != nil {
				return err
			}
			var ports [2]string
			for k := range ports {
				port, err := i.Port(ctx)
				if err != nil {
					return err
				}
				ports[k] = strconv.Itoa(port)
			}
			program, err := i.Write("Single.java", n.program())
			if err != nil {
				return err
			}
			home := filepath.Join(i.Dir, "home")
			if err := os.MkdirAll(filepath.Join(home, "config"), 0o755); err != nil {
				return err
			}
			if _, err := i.Write(filepath.Join("home", "config", n.name+".yml"), ""); err != nil {
				return err
			}
			address := "http://127.0.0.1:" + ports[0]
			_, err = i.Start(ctx, server.Command{Name: n.name, Args: []string{
				"java", "-Xms256m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", filepath.Join(jars, "*"),
				program, home, ports[0], ports[1],
			}}, server.Answers(address+"/_cluster/health"))
			if err != nil {
				return err
			}
			i.Export(n.variable, address)
			i.Say("%s ready at %s", n.title, address)
			return nil
		},
	}
}
