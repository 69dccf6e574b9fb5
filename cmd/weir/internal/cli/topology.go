package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/weirstreams/weir/stream"
)

func (s *Session) topologyCommand() *cobra.Command {
	if s.Topology == nil {
		return group("topology", "Compare versions of a topology; programs that embed package weircli show and check theirs", s.topologyDiffCommand())
	}
	return group("topology", "Show the topology, compare it with another version and with the cluster",
		s.topologyShowCommand(), s.topologyDiffCommand(), s.topologyCheckCommand())
}

func (s *Session) topologyShowCommand() *cobra.Command {
	var format string
	command := &cobra.Command{
		Use:   "show",
		Short: "Show the topology as text or as a picture",
		Long:  "Show the topology as text or as a picture. With --output json it is the inventory: the state of the topology on the cluster and on disk, for topology diff.",
		Example: fmt.Sprintf(`  %s topology show
  %[1]s topology show --format svg >topology.svg
  %[1]s topology show --output json >inventory.json`, s.Name),
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := s.Topology.Validate(); err != nil {
				return err
			}
			if s.json {
				return s.PrintJSON(s.Topology.Inventory())
			}
			draw, ok := map[string]func() string{
				"text": s.Topology.Describe, "svg": s.Topology.SVG, "mermaid": s.Topology.Mermaid, "dot": s.Topology.DOT,
			}[format]
			if !ok {
				return Usagef("--format %q: it is text, svg, mermaid or dot", format)
			}
			_, err := io.WriteString(s.Out, draw())
			return err
		},
	}
	command.Flags().StringVar(&format, "format", "text", "text, svg, mermaid (GitHub, wikis) or dot (Graphviz)")
	_ = command.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]cobra.Completion{"text", "svg", "mermaid", "dot"}, cobra.ShellCompDirectiveNoFileComp))
	return command
}

func (s *Session) topologyDiffCommand() *cobra.Command {
	use, arguments := "diff OLD NEW", cobra.ExactArgs(2)
	example := "  weir topology diff old.json new.json"
	if s.Topology != nil {
		use, arguments = "diff OLD [NEW]", cobra.RangeArgs(1, 2)
		example = fmt.Sprintf("  %s topology show --output json >inventory.json\n  %[1]s topology diff inventory.json", s.Name)
	}
	return &cobra.Command{
		Use:   use,
		Short: "List the effects of an upgrade on state and internal topics",
		Long: `List the effects of an upgrade on state and internal topics, from files with inventories: the output of "topology show --output json".
The exit code is 3 if the upgrade loses or misreads something.`,
		Example: example,
		Args:    arguments,
		RunE: func(_ *cobra.Command, args []string) error {
			before, err := ReadInventory(args[0])
			if err != nil {
				return err
			}
			var after stream.Inventory
			if len(args) == 2 {
				after, err = ReadInventory(args[1])
			} else if err = s.Topology.Validate(); err == nil {
				after = s.Topology.Inventory()
			}
			if err != nil {
				return err
			}
			return s.printChanges(stream.Diff(before, after))
		},
	}
}

func (s *Session) printChanges(changes []stream.Change) error {
	loses := false
	for _, c := range changes {
		loses = loses || !c.Harmless()
	}
	var err error
	if s.json {
		if changes == nil {
			changes = []stream.Change{}
		}
		err = s.PrintJSON(map[string]any{"loses": loses, "changes": changes})
	} else {
		text := ""
		for _, c := range changes {
			line := c.String()
			if !c.Harmless() {
				line = s.paint(s.Out, red, line)
			}
			text += line + "\n"
		}
		if len(changes) == 0 {
			text = "nothing changes\n"
		}
		_, err = io.WriteString(s.Out, text)
	}
	if err == nil && loses {
		err = Findings()
	}
	return err
}

func (s *Session) topologyCheckCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "check",
		Short: "Compare the topology with the cluster",
		Long: `Compare the topology with the cluster: the topics that a start would find, make and change, the changes to the state of the version before,
and all problems. It changes nothing. The exit code is 3 if a start would fail.`,
		Example: fmt.Sprintf("  %s topology check\n  %[1]s topology check --brokers localhost:9092 --output json", s.Name),
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			app, err := s.app(s.once)
			if err != nil {
				return err
			}
			plan, err := app.Plan(command.Context())
			if err != nil {
				return err
			}
			if s.json {
				err = s.PrintJSON(plan)
			} else {
				_, err = fmt.Fprint(s.Out, plan)
			}
			if err == nil && len(plan.Problems) > 0 {
				err = Findings()
			}
			return err
		},
	}
	s.connects(command)
	return command
}
