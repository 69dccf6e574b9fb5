// Package weircli gives a program of Weir a command line: run, topology, group, deadletter, topic and more.
//
//	func main() { weircli.Main(topology(), config()) }
//
// The command weir cannot look into programs, so everything that needs a topology is here: its pictures, the comparison with the cluster and
// with a former version, and the reset of its group. The page docs/command-line.md describes the commands.
package weircli

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/weirstreams/weir/cmd/weir/internal/cli"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

// Main runs the command line with the arguments of the process, and ends the process with an exit code: 0 done, 1 failed, 2 wrong flags or
// settings, 3 a check has found something, 4 not confirmed. SIGINT and SIGTERM stop a command. Without arguments it prints its help.
func Main(topology *stream.Topology, config runtime.Config) {
	cli.Main(program(filepath.Base(os.Args[0]), topology, config))
}

// Run is Main with arguments and streams of the caller, for tests and for programs with a command line of their own. It returns the exit
// code. name is the name of the program in help and errors, and args are the arguments behind it. The end of ctx stops a command.
func Run(ctx context.Context, name string, topology *stream.Topology, config runtime.Config, args []string, in io.Reader, out, errors io.Writer) int {
	return cli.Run(ctx, program(name, topology, config), args, cli.Streams{In: in, Out: out, Err: errors})
}

func program(name string, topology *stream.Topology, config runtime.Config) cli.Program {
	return cli.Program{Name: name, Short: "Run and operate the group " + config.Group, Topology: topology, Config: config}
}
