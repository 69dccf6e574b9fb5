package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/deadletter"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/kafka"
)

func (s *Session) deadLetterCommand() *cobra.Command {
	return group("deadletter", "List, show and replay records that could not be processed",
		s.deadLetterListCommand(), s.deadLetterShowCommand(), s.deadLetterReplayCommand())
}

// letterFlags choose letters.
type letterFlags struct {
	topic                                string
	after, before, message               string
	topics, exceptions, operators, stage []string
}

func (s *Session) letterFlags(command *cobra.Command, choose bool) *letterFlags {
	f := &letterFlags{}
	flags := command.Flags()
	flags.StringVar(&f.topic, "letters", "", "topic of dead letters, if the policy names one; the default is that of the group, "+deadletter.Topic("GROUP"))
	if choose {
		flags.StringVar(&f.after, "after", "", "errors after a time (RFC 3339), or a duration before now")
		flags.StringVar(&f.before, "before", "", "errors before a time")
		flags.StringArrayVar(&f.topics, "topic", nil, "records of a topic")
		flags.StringArrayVar(&f.exceptions, "exception", nil, "errors of a Go type")
		flags.StringArrayVar(&f.operators, "operator", nil, "errors of an operator")
		flags.StringArrayVar(&f.stage, "stage", nil, "decode, process, lookup, encode, produce, sink or global table")
		flags.StringVar(&f.message, "message", "", "errors whose text has this part")
	}
	return f
}

// options returns the letters that the flags choose.
func (f *letterFlags) options(topic string) (o deadletter.ReplayOptions, err error) {
	o = deadletter.ReplayOptions{Topic: topic, Topics: f.topics, Exceptions: f.exceptions, Operators: f.operators, Message: f.message}
	for _, stage := range f.stage {
		o.Stages = append(o.Stages, weir.Stage(stage))
	}
	for _, flag := range []struct {
		name, text string
		to         *time.Time
	}{{"after", f.after, &o.After}, {"before", f.before, &o.Before}} {
		if flag.text == "" {
			continue
		}
		if *flag.to, err = parseTime(flag.text, time.Now()); err != nil {
			return o, Usagef("--%s %q: give %w", flag.name, flag.text, err)
		}
	}
	return o, nil
}

// lettersOf returns the topic of dead letters, without the prefix.
func (s *Session) lettersOf(f *letterFlags, args []string) string {
	return cmp.Or(f.topic, deadletter.Topic(strings.TrimPrefix(s.groupArgument(args), s.connection.prefix)))
}

// letterLine is a letter in the output.
type letterLine struct {
	At        string    `json:"at"`
	Failed    time.Time `json:"failed"`
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Stage     string    `json:"stage,omitempty"`
	Operator  string    `json:"operator,omitempty"`
	Site      string    `json:"site,omitempty"`
	Exception string    `json:"exception,omitempty"`
	Message   string    `json:"message,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Attempt   int       `json:"attempt,omitempty"`
	Replays   int       `json:"replays,omitempty"`

	// These are those of deadletter show alone.
	Group      string            `json:"group,omitempty"`
	Task       string            `json:"task,omitempty"`
	Version    string            `json:"version,omitempty"`
	Time       *time.Time        `json:"time,omitempty"`
	Key        json.RawMessage   `json:"key,omitempty"`
	Value      json.RawMessage   `json:"value,omitempty"`
	Headers    map[string]string `json:"headers,omitempty"`
	Stacktrace string            `json:"stacktrace,omitempty"`
}

func lineOf(l *deadletter.Letter) letterLine {
	return letterLine{
		At: fmt.Sprintf("%d:%d", l.At.Partition, l.At.Offset), Failed: l.Failed, Topic: l.Origin.Topic, Partition: l.Origin.Partition, Offset: l.Origin.Offset,
		Stage: string(l.Stage), Operator: l.Operator, Site: l.Site, Exception: l.Exception, Message: l.Message, Reason: string(l.Reason),
		Attempt: l.Attempt, Replays: l.Replays,
	}
}

// letters calls f for the letters of a part of the topic, as long as it returns true. The letter is valid during the call.
func letters(ctx context.Context, cluster broker.Cluster, part span, f func(*deadletter.Letter) bool) error {
	return part.scan(ctx, cluster, func(tp broker.TopicPartition, r *broker.Record) (bool, error) {
		return f(deadletter.Parse(&kafka.Message{
			Origin: weir.Origin{Topic: tp.Topic, Partition: tp.Partition, Offset: r.Offset}, Key: r.Key, Value: r.Value, Headers: r.Headers,
			Time: time.UnixMilli(r.Millis).UTC(),
		})), nil
	})
}

func (s *Session) deadLetterListCommand() *cobra.Command {
	use, arguments := s.groupArguments("list")
	var chosen *letterFlags
	var limit int
	command := &cobra.Command{
		Use:   use,
		Short: "List dead letters",
		Long:  "List dead letters, by partition. It joins no group and commits nothing.",
		Example: fmt.Sprintf(`  %s deadletter list %s
  %[1]s deadletter list %[2]s --after 1h --stage process --message timeout`, s.Name, s.exampleGroup()),
		Args: arguments,
		RunE: func(command *cobra.Command, args []string) (err error) {
			topic := s.lettersOf(chosen, args)
			options, err := chosen.options(topic)
			if err != nil {
				return err
			}
			cluster, err := s.connect(command.Context())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, cluster.Close()) }()
			tps, err := partitionsOf(command.Context(), cluster, s.connection.prefix+topic)
			if err != nil {
				return err
			}
			part, err := start{offset: 0, last: -1}.span(command.Context(), cluster, tps)
			if err != nil {
				return err
			}
			lines, read, more := []letterLine{}, int64(0), false
			shown := s.progress("letters read", part.records())
			err = letters(command.Context(), cluster, part, func(l *deadletter.Letter) bool {
				read++
				shown.update(read)
				if options.Chooses(l, s.connection.prefix) {
					if limit > 0 && len(lines) == limit {
						more = true
						return false
					}
					lines = append(lines, lineOf(l))
				}
				return true
			})
			shown.end()
			if err != nil {
				return err
			}
			slices.SortStableFunc(lines, func(a, b letterLine) int { return a.Failed.Compare(b.Failed) })
			if s.json {
				return s.PrintJSON(lines)
			}
			rows := make([][]string, len(lines))
			for i, l := range lines {
				rows[i] = []string{
					l.At, l.Failed.Format(time.RFC3339), fmt.Sprintf("%s[%d]@%d", l.Topic, l.Partition, l.Offset),
					cmp.Or(l.Stage, l.Reason), l.Operator, cmp.Or(l.Message, l.Reason),
				}
			}
			if err := s.printTable([]string{"AT", "FAILED", "RECORD", "STAGE", "OPERATOR", "MESSAGE"}, rows); err != nil {
				return err
			}
			if more {
				_, err = fmt.Fprintf(s.Err, "there are more than --limit %d: raise it\n", limit)
			}
			return err
		},
	}
	chosen = s.letterFlags(command, true)
	command.Flags().IntVar(&limit, "limit", 1000, "list so many; 0 lists all")
	s.connects(command)
	return command
}

func (s *Session) deadLetterShowCommand() *cobra.Command {
	var group string
	var chosen *letterFlags
	var codecs *codecFlags
	command := &cobra.Command{
		Use:   "show PARTITION:OFFSET",
		Short: "Show one dead letter with its record and the stack of the error",
		Long:  "Show one dead letter, by its place in the first column of deadletter list. Without codecs the record is shown as text; a value that does not decode is base64.",
		Example: fmt.Sprintf(`  %s deadletter show 0:12%s
  %[1]s deadletter show 0:12%[2]s --value json`, s.Name, s.exampleGroupFlag()),
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) (err error) {
			var partition int32
			var offset int64
			if n, err := fmt.Sscanf(args[0]+"\n", "%d:%d\n", &partition, &offset); n != 2 || err != nil || partition < 0 || offset < 0 {
				return Usagef("%q: give PARTITION:OFFSET of a letter, as deadletter list shows it", args[0])
			}
			if group == "" && s.Topology == nil && chosen.topic == "" {
				return Usagef("give --group or --letters")
			}
			keys, values, err := s.openCodecs(codecs)
			if err != nil {
				return err
			}
			cluster, err := s.connect(command.Context())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, cluster.Close()) }()
			var groups []string
			if group != "" {
				groups = []string{group}
			}
			topic := s.connection.prefix + s.lettersOf(chosen, groups)
			tps, err := partitionsOf(command.Context(), cluster, topic)
			if err != nil {
				return err
			}
			var line *letterLine
			if int(partition) < len(tps) {
				part, err := start{offset: offset, last: -1}.span(command.Context(), cluster, tps[partition:partition+1])
				if err != nil {
					return err
				}
				err = letters(command.Context(), cluster, part, func(l *deadletter.Letter) bool {
					if l.At.Offset == offset {
						line = s.wholeLine(l, keys, values)
					}
					return false
				})
				if err != nil {
					return err
				}
			}
			if line == nil {
				return fmt.Errorf("topic %q has no letter at %s", topic, args[0])
			}
			return s.printLetter(line)
		},
	}
	chosen = s.letterFlags(command, false)
	codecs = s.codecFlags(command)
	command.Flags().StringVarP(&group, "group", "g", "", "consumer group whose letter it is; the default is that of the program, if it has one")
	s.connects(command)
	return command
}

func (s *Session) exampleGroupFlag() string {
	if s.Topology == nil {
		return " --group word-count"
	}
	return ""
}

// wholeLine returns a letter with its record.
func (s *Session) wholeLine(l *deadletter.Letter, keys, values Codec) *letterLine {
	line := lineOf(l)
	line.Group, line.Task, line.Version, line.Stacktrace = l.Group, l.Task, l.Version, l.Stacktrace
	line.Time = &l.Time
	line.Key, _ = shown(keys, l.Origin.Topic, codec.Key, l.Headers, l.Key)
	line.Value, _ = shown(values, l.Origin.Topic, codec.Value, l.Headers, l.Value)
	for _, h := range l.Headers {
		if line.Headers == nil {
			line.Headers = map[string]string{}
		}
		line.Headers[h.Key] = string(h.Value)
	}
	return &line
}

func (s *Session) printLetter(l *letterLine) error {
	if s.json {
		return s.PrintJSON(l)
	}
	for _, field := range [][2]string{
		{"record", fmt.Sprintf("%s[%d]@%d", l.Topic, l.Partition, l.Offset)},
		{"time", l.Time.Format(time.RFC3339Nano)},
		{"key", string(l.Key)},
		{"value", string(l.Value)},
		{"failed", l.Failed.Format(time.RFC3339Nano)},
		{"stage", l.Stage},
		{"reason", l.Reason},
		{"operator", l.Operator},
		{"declared at", l.Site},
		{"error", l.Exception},
		{"message", l.Message},
		{"attempt", fmt.Sprint(l.Attempt)},
		{"replays", fmt.Sprint(l.Replays)},
		{"group", l.Group},
		{"task", l.Task},
		{"Weir", l.Version},
	} {
		if field[1] != "" {
			fmt.Fprintf(s.Out, "%s %s\n", s.paint(s.Out, bold, fmt.Sprintf("%-12s", field[0])), printable(field[1]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.Headers)) {
		fmt.Fprintf(s.Out, "%-12s %s=%s\n", "header", printable(name), printable(l.Headers[name]))
	}
	if l.Stacktrace != "" {
		fmt.Fprintln(s.Out)
		for line := range strings.Lines(l.Stacktrace) {
			fmt.Fprintln(s.Out, printable(strings.ReplaceAll(strings.TrimRight(line, "\n"), "\t", "    ")))
		}
	}
	return nil
}

func (s *Session) deadLetterReplayCommand() *cobra.Command {
	use, arguments := s.groupArguments("replay")
	var (
		chosen            *letterFlags
		group             string
		limit, maxReplays int
		idle              time.Duration
		dryRun, yes       bool
	)
	command := &cobra.Command{
		Use:   use,
		Short: "Write the records of dead letters to their topics again",
		Long: `Write the records of dead letters to the topics and partitions that they came of. It counts the letters first and asks.

The consumer group of the replay remembers its place: another run goes on behind the letters that this one has replayed or passed over. Give another
--replay-group to begin with the first letter again.`,
		Example: fmt.Sprintf(`  %s deadletter replay %s --dry-run
  %[1]s deadletter replay %[2]s --stage sink --after 2h --yes`, s.Name, s.exampleGroup()),
		Args: arguments,
		RunE: func(command *cobra.Command, args []string) error {
			options, err := chosen.options(s.lettersOf(chosen, args))
			if err != nil {
				return err
			}
			options.Group, options.Limit, options.MaxReplays, options.Idle, options.DryRun = group, limit, maxReplays, idle, true
			config, err := s.kafkaConfig()
			if err != nil {
				return err
			}
			if dryRun || !yes {
				report, err := s.replay(command.Context(), config, options)
				if err != nil {
					return err
				}
				if err := s.printReport(report, true); err != nil || dryRun || report.Replayed == 0 {
					return err
				}
				if err := s.confirm(yes, fmt.Sprintf("Replay %s?", count(int64(report.Replayed), "record"))); err != nil {
					return err
				}
			}
			options.DryRun = false
			report, err := s.replay(command.Context(), config, options)
			if err != nil {
				return err
			}
			return s.printReport(report, false)
		},
	}
	chosen = s.letterFlags(command, true)
	flags := command.Flags()
	flags.StringVar(&group, "replay-group", "", "consumer group of the replay; the default is replay__ and the topic of the letters")
	flags.IntVar(&limit, "limit", 0, "replay so many records at most; 0 replays all")
	flags.IntVar(&maxReplays, "max-replays", 3, "put aside records that were replayed as often")
	flags.DurationVar(&idle, "idle", 5*time.Second, "end when no letter has come for so long")
	flags.BoolVar(&dryRun, "dry-run", false, "write nothing: count the letters")
	flags.BoolVar(&yes, "yes", false, "do not count first, and do not ask")
	s.connects(command)
	return command
}

func (s *Session) replay(ctx context.Context, config kafka.Config, options deadletter.ReplayOptions) (*deadletter.ReplayReport, error) {
	shown, n := s.progress("letters read", 0), int64(0)
	options.Filter = func(*deadletter.Letter) bool {
		n++
		shown.update(n)
		return true
	}
	defer shown.end()
	return deadletter.Replay(ctx, config, options)
}

func (s *Session) printReport(r *deadletter.ReplayReport, dryRun bool) error {
	if s.json {
		return s.PrintJSON(map[string]any{
			"dry_run": dryRun, "replayed": r.Replayed, "put_aside": r.PutAside, "filtered": r.Filtered, "unknown": r.Unknown,
			"by_topic": r.ByTopic, "by_exception": r.ByException, "by_operator": r.ByOperator,
		})
	}
	verb := "replayed"
	if dryRun {
		verb = "to replay"
	}
	fmt.Fprintf(s.Out, "%s %s, %d put aside, %d not chosen, %d of unknown topics\n", count(int64(r.Replayed), "record"), verb, r.PutAside, r.Filtered, r.Unknown)
	for _, part := range []struct {
		name   string
		counts map[string]int
	}{{"topic", r.ByTopic}, {"error", r.ByException}, {"operator", r.ByOperator}} {
		for _, name := range slices.Sorted(maps.Keys(part.counts)) {
			fmt.Fprintf(s.Out, "  %-8s  %s: %d\n", part.name, printable(name), part.counts[name])
		}
	}
	return nil
}
