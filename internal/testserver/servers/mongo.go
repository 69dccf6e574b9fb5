//go:build unix

package servers

import (
	"context"
	_ "embed" // the program
	"strconv"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/server"
)

//go:embed mongo/Memory.java
var mongoProgram string

// Mongo is a server that speaks the protocol of MongoDB, with everything in memory. It has no users, sessions or transactions.
var Mongo = server.Server{
	Name:      "mongo",
	About:     "mongo-java-server " + mongoVersion + ", an emulator of MongoDB (JDK 17, Maven)",
	Variables: []string{"WEIR_TEST_MONGO: its host and port"},
	Sources:   []fetch.Source{mongoJars},
	Start: func(ctx context.Context, i *server.Instance) error {
		if err := requireJava(ctx, 17); err != nil {
			return err
		}
		jars, err := i.Fetch(ctx, mongoJars)
		if err != nil {
			return err
		}
		port, err := i.Port(ctx)
		if err != nil {
			return err
		}
		program, err := i.Write("Memory.java", mongoProgram)
		if err != nil {
			return err
		}
		_, err = i.Start(ctx, server.Command{Name: "mongo", Args: []string{
			"java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", jars + "/*", program, strconv.Itoa(port),
		}}, server.Listens(port))
		if err != nil {
			return err
		}
		i.Export("WEIR_TEST_MONGO", server.Address(port))
		i.Say("mongo-java-server ready at %s", server.Address(port))
		return nil
	},
}
