// Package cli is the command line of Weir: the commands that the program weir shares with programs that embed package weircli.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

// Exit codes of the process. docs/command-line.md documents them.
const (
	Done    = 0
	Failed  = 1
	Usage   = 2 // flags, arguments or settings are wrong; nothing was tried
	Found   = 3 // a check has run, and has found something
	Refused = 4 // the answer to a question was no, or nobody could be asked
)

// Program describes the program that shows the command line.
type Program struct {
	// Name is the name of the program in help.
	Name string
	// Short is the first line of the help.
	Short string
	// Topology is nil in the program weir.
	Topology *stream.Topology
	Config   runtime.Config
	// Schemas makes the codecs "registry" and "avro:FILE". nil leaves them out.
	Schemas *Schemas
	// Commands are those of this program alone.
	Commands []func(*Session) *cobra.Command
}

// Streams are the standard streams.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Session is one call of the program.
type Session struct {
	Program
	Streams
	connection connectionFlags
	json       bool
	started    bool // flags and arguments are fine
}

// Main runs the command line of a program with the arguments of the process until it is done or interrupted, and ends the process.
func Main(p Program) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := Run(ctx, p, os.Args[1:], Streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// Run runs one command and returns the exit code.
func Run(ctx context.Context, p Program, args []string, streams Streams) int {
	s := &Session{Program: p, Streams: streams}
	root := s.root()
	root.SetArgs(args)
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return Done
	}
	code := s.code(err)
	if text := err.Error(); text != "" {
		fmt.Fprintf(streams.Err, "%s %s\n", s.paint(streams.Err, red, p.Name+":"), text)
	}
	if code == Usage {
		fmt.Fprintf(streams.Err, "See %s --help for flags and examples.\n", command.CommandPath())
	}
	return code
}

// exit is an error with an exit code. Its text may be empty if the output says everything.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// Usagef returns the error of a wrong call.
func Usagef(format string, args ...any) error { return &exit{Usage, fmt.Errorf(format, args...)} }

// Findings is the error of a check that has printed its findings.
func Findings() error { return &exit{code: Found} }

func (s *Session) code(err error) int {
	if e, ok := errors.AsType[*exit](err); ok {
		return e.code
	}
	if !s.started || errors.Is(err, weir.ErrConfiguration) {
		return Usage
	}
	return Failed
}

// root returns the tree of commands.
func (s *Session) root() *cobra.Command {
	root := &cobra.Command{
		Use:           s.Name,
		Short:         s.Short,
		Long:          s.Short + "\n\nExit codes: 0 done, 1 failed, 2 wrong flags or settings, 3 a check has found something, 4 not confirmed.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       Version(),
		PersistentPreRunE: func(command *cobra.Command, _ []string) error {
			output, err := command.Flags().GetString("output")
			switch {
			case err != nil:
				return nil // commands of cobra, such as completion
			case output != "table" && output != "json":
				return Usagef("--output %q: it is table or json", output)
			}
			s.json = output == "json"
			s.started = true
			return nil
		},
	}
	root.PersistentFlags().StringP("output", "o", "table", "table, for people, or json, for programs")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]cobra.Completion{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
	root.SetVersionTemplate("{{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = false
	root.AddCommand(s.topologyCommand(), s.groupCommand(), s.deadLetterCommand(), s.topicCommand(), s.stateCommand(), s.doctorCommand(), s.versionCommand())
	if s.Topology != nil {
		root.AddCommand(s.runCommand())
	}
	for _, make := range s.Commands {
		root.AddCommand(make(s))
	}
	return root
}

// group returns a command that only has others below it. A wrong name of one is an error, and no reason to print the help.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	command := &cobra.Command{
		Use:   use,
		Short: short,
		Args: func(command *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			var names []string
			for _, c := range command.Commands() {
				names = append(names, c.Name())
			}
			return fmt.Errorf("%s has no command %q: it has %s", command.CommandPath(), args[0], strings.Join(names, ", "))
		},
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(commands...)
	return command
}

// JSON tells whether the output is for programs.
func (s *Session) JSON() bool { return s.json }
