package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirstreams/weir/runtime"
)

// app returns the application with the connection and the prefix of the flags, after edit.
func (s *Session) app(edit func(*runtime.Config)) (*runtime.App, error) {
	connection, err := s.connectionOf()
	if err != nil {
		return nil, err
	}
	config := s.Config
	config.Connection, config.Prefix = connection, s.connection.prefix
	edit(&config)
	return runtime.New(s.Topology, config)
}

// once edits the configuration for a command that ends: the flag --timeout counts, and the log goes nowhere without --verbose.
func (s *Session) once(config *runtime.Config) {
	config.BrokerTimeout, config.Logger = s.connection.timeout, s.logger()
}

func (s *Session) runCommand() *cobra.Command {
	var viewAddress, probesAddress string
	command := &cobra.Command{
		Use:   "run",
		Short: "Run the application until Ctrl-C",
		Long: `Run the application until Ctrl-C. --view serves a page that shows it; with a token in the variable ` + viewToken + ` the page can pause and resume it.
--probes serves /healthz and /readyz, for the liveness and the readiness probe of Kubernetes.`,
		Example: fmt.Sprintf("  %s run\n  %[1]s run --brokers localhost:9092 --view localhost:8080\n  %[1]s run --probes :8081", s.Name),
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			app, err := s.app(func(config *runtime.Config) {
				if command.Flags().Changed("timeout") {
					config.BrokerTimeout = s.connection.timeout
				}
				if s.connection.verbose {
					config.Logger = s.logger()
				}
			})
			if err != nil {
				return err
			}
			return s.runWithPages(command.Context(), app, pages(app, viewAddress, probesAddress))
		},
	}
	command.Flags().StringVar(&viewAddress, "view", "", "address of the live view, such as localhost:8080")
	command.Flags().StringVar(&probesAddress, "probes", "", "address of /healthz and /readyz, such as :8081")
	s.connects(command)
	return command
}

// groupReset is the command that makes an application begin again.
func (s *Session) groupResetCommand() *cobra.Command {
	var (
		latest, dryRun, yes bool
		from                string
		offsets             []string
	)
	command := &cobra.Command{
		Use:   "reset",
		Short: "Make the application begin again",
		Long: `Make the application begin again: set the offsets of its input, and delete its internal topics and its state on this machine. Output,
dead letters and the writings of sinks stay, and are written a second time.

It lists all changes and asks. While the group has members it changes nothing and names them. State on other machines is restored at its next start.`,
		Example: fmt.Sprintf(`  %s group reset --dry-run
  %[1]s group reset --yes
  %[1]s group reset --from 2026-11-30T12:00:00Z
  %[1]s group reset --latest
  %[1]s group reset --offset lines:0=1200 --offset lines:1=900`, s.Name),
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			options := runtime.ResetOptions{Latest: latest, DryRun: true}
			var err error
			if from != "" {
				if options.Time, err = parseTime(from, time.Now()); err != nil {
					return Usagef("--from %q: give %w", from, err)
				}
			}
			if options.Offsets, err = s.parseOffsets(offsets); err != nil {
				return err
			}
			app, err := s.app(s.once)
			if err != nil {
				return err
			}
			plan, err := app.Reset(command.Context(), options)
			if err != nil {
				return err
			}
			if s.json {
				err = s.PrintJSON(map[string]any{"dry_run": dryRun, "offsets": offsetLines(plan), "topics": orEmpty(plan.Topics), "directories": orEmpty(plan.Directories)})
			} else {
				_, err = fmt.Fprint(s.Out, plan)
			}
			if err != nil || dryRun {
				return err
			}
			if err := s.confirm(yes, fmt.Sprintf("Change %s, delete %s, and the state in %d directories?", count(int64(len(plan.Offsets)), "offset"),
				count(int64(len(plan.Topics)), "topic"), len(plan.Directories))); err != nil {
				return err
			}
			options.DryRun = false
			if _, err = app.Reset(command.Context(), options); err != nil {
				return err
			}
			if s.json {
				return nil
			}
			_, err = fmt.Fprintf(s.Out, "the group %s begins again\n", s.connection.prefix+s.Config.Group)
			return err
		},
	}
	flags := command.Flags()
	flags.StringVar(&from, "from", "", "begin with records of this time (RFC 3339, or a duration before now); the default is the first record")
	flags.BoolVar(&latest, "latest", false, "begin behind the last record")
	flags.StringArrayVar(&offsets, "offset", nil, "begin a partition at an offset, as TOPIC:PARTITION=OFFSET")
	flags.BoolVar(&dryRun, "dry-run", false, "change nothing: list the changes")
	flags.BoolVar(&yes, "yes", false, "do not ask")
	s.connects(command)
	return command
}

func orEmpty(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}

// offsetLine is an offset in the output of group reset.
type offsetLine struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	From      int64  `json:"from"`
	To        int64  `json:"to"`
	End       int64  `json:"end"`
}

func offsetLines(plan *runtime.ResetPlan) []offsetLine {
	lines := []offsetLine{}
	for _, o := range plan.Offsets {
		lines = append(lines, offsetLine(o))
	}
	return lines
}

// parseOffsets reads TOPIC:PARTITION=OFFSET. Topics get the prefix.
func (s *Session) parseOffsets(texts []string) (map[string]map[int32]int64, error) {
	offsets := map[string]map[int32]int64{}
	for _, text := range texts {
		place, offset, ok := strings.Cut(text, "=")
		topic, partition, err := parsePlace(place)
		n, parseErr := strconv.ParseInt(offset, 10, 64)
		if !ok || errors.Join(err, parseErr) != nil {
			return nil, Usagef("--offset %q: give TOPIC:PARTITION=OFFSET", text)
		}
		topic = s.connection.prefix + topic
		if offsets[topic] == nil {
			offsets[topic] = map[int32]int64{}
		}
		offsets[topic][partition] = n
	}
	return offsets, nil
}

// parsePlace reads NAME:NUMBER. The name may hold colons in theory, so the last one counts.
func parsePlace(text string) (name string, number int32, err error) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return "", 0, errors.New("no colon")
	}
	n, err := strconv.ParseInt(text[i+1:], 10, 32)
	return text[:i], int32(n), err
}

// parseTime reads a time, or a duration before now.
func parseTime(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, errors.New("a time such as 2026-11-30T12:00:00Z, or a duration such as 90m")
}
