//go:build unix

package servers

import (
	"context"
	_ "embed" // the program
	"path/filepath"
	"strconv"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/server"
)

//go:embed neo4j/Graph.java
var neo4jProgram string

// neo4jPassword is that of the user neo4j.
const neo4jPassword = "weir-secret"

// Neo4j is a database of the community edition with its protocol Bolt, without encryption. Its user is neo4j.
var Neo4j = server.Server{
	Name:  "neo4j",
	About: "Neo4j " + neo4jVersion + ", community edition (JDK 17, Maven)",
	Variables: []string{
		"WEIR_TEST_NEO4J: its host and port",
		"WEIR_TEST_NEO4J_PASSWORD: the password of the user neo4j",
	},
	Sources: []fetch.Source{neo4jJars},
	Start: func(ctx context.Context, i *server.Instance) error {
		if err := requireJava(ctx, 17); err != nil {
			return err
		}
		jars, err := i.Fetch(ctx, neo4jJars)
		if err != nil {
			return err
		}
		port, err := i.Port(ctx)
		if err != nil {
			return err
		}
		program, err := i.Write("Graph.java", neo4jProgram)
		if err != nil {
			return err
		}
		_, err = i.Start(ctx, server.Command{Name: "neo4j", Args: []string{
			"java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
			"--add-opens=java.base/java.nio=ALL-UNNAMED", "--add-opens=java.base/java.io=ALL-UNNAMED", "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
			"-cp", filepath.Join(jars, "*"), program, filepath.Join(i.Dir, "home"), strconv.Itoa(port), neo4jPassword,
		}}, server.Prints("weir: ready"))
		if err != nil {
			return err
		}
		i.Export("WEIR_TEST_NEO4J", server.Address(port))
		i.Export("WEIR_TEST_NEO4J_PASSWORD", neo4jPassword)
		i.Say("Neo4j %s ready at %s", neo4jVersion, server.Address(port))
		return nil
	},
}
