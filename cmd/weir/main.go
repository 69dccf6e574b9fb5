// Weir is the command line of Weir: a broker for development, topics, groups, dead letters and state.
//
//	go get -tool github.com/weirstreams/weir/cmd/weir@latest
//	go tool weir dev
//
// Commands that need the topology of a program are in the program itself: see package weircli.
package main

import (
	"github.com/spf13/cobra"

	"github.com/weirstreams/weir/cmd/weir/internal/cli"
)

func main() { cli.Main(program()) }

func program() cli.Program {
	return cli.Program{
		Name:     "weir",
		Short:    "Develop and operate programs of Weir, stream processing on Kafka",
		Schemas:  &cli.Schemas{Registry: openRegistry, Avro: openAvro},
		Commands: []func(*cli.Session) *cobra.Command{devCommand, newCommand, vetCommand},
	}
}
