package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/state"
)

func (s *Session) stateCommand() *cobra.Command {
	return group("state", "Read the state of a stopped program on disk",
		s.stateListCommand(), s.stateGetCommand(), s.stateScanCommand(), s.stateSizeCommand(), s.stateVerifyCommand())
}

// stateFlags choose databases and rows.
type stateFlags struct{ dir, task, key, value string }

func (s *Session) stateFlags(command *cobra.Command) *stateFlags {
	f := &stateFlags{}
	where := "state"
	if s.Topology != nil {
		where = "that of the program"
	}
	command.Flags().StringVarP(&f.dir, "dir", "d", "", "folder of the state, of a group or of a task; default "+where)
	command.Flags().StringVar(&f.task, "task", "", "this task alone, as STREAM/PARTITION")
	command.Long = command.Short + `. Nothing on disk is changed, and a folder that a process uses is refused.

Changes that are in changelogs and not yet in the database are not seen. Keys and values of codecs of package codec are decoded, JSON and text are
shown as they are, and other bytes as digits behind 0x.` + command.Long
	return f
}

// decodes adds flags for the codecs of types that a database does not describe, such as named integers.
func (f *stateFlags) decodes(command *cobra.Command) {
	names := strings.Join(builtin, ", ")
	command.Flags().StringVarP(&f.key, "key", "k", "", "codec of keys, in place of the one that the database names: "+names)
	command.Flags().StringVarP(&f.value, "value", "c", "", "codec of values: the same")
	for _, flag := range []string{"key", "value"} {
		_ = command.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(builtin, cobra.ShellCompDirectiveNoFileComp))
	}
}

// store returns a store of a task, with the codecs of the flags.
func (f *stateFlags) store(t *taskState, name string) (*storeState, error) {
	st, err := t.store(name)
	if err != nil {
		return nil, err
	}
	if st.key, err = override("key", f.key, st.key); err != nil {
		return nil, err
	}
	st.value, err = override("value", f.value, st.value)
	return st, err
}

// each calls f for the chosen tasks.
func (s *Session) each(ctx context.Context, flags *stateFlags, f func(*taskState) error, damaged func(string, error)) error {
	dir, err := s.stateDir(flags.dir)
	if err != nil {
		return err
	}
	chosen := false
	err = s.eachTask(dir, func(t *taskState) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if flags.task != "" && flags.task != t.Task {
			return nil
		}
		chosen = true
		return f(t)
	}, damaged)
	if err == nil && !chosen && flags.task != "" {
		err = fmt.Errorf("%s holds no task %q", dir, flags.task)
	}
	return err
}

// storeLine is a store in the output of state list and state size.
type storeLine struct {
	Task     string `json:"task"`
	Store    string `json:"store"`
	Operator string `json:"operator,omitempty"`
	Key      string `json:"key,omitempty"`
	State    string `json:"state,omitempty"`
	// Changelog is the next offset of the store's changelog, nil without one.
	Changelog *int64 `json:"changelog_offset,omitempty"`
	*storeSize
}

// storeSize counts the rows of a store.
type storeSize struct {
	// Keys are rows with data of a key: states, windows, items, values, timers. Rows are all.
	Keys       int64 `json:"keys"`
	Rows       int64 `json:"rows"`
	KeyBytes   int64 `json:"key_bytes"`
	ValueBytes int64 `json:"value_bytes"`
}

func (s *Session) stateListCommand() *cobra.Command {
	var flags *stateFlags
	command := &cobra.Command{
		Use:     "list",
		Short:   "List tasks and stores",
		Example: fmt.Sprintf("  %s state list --dir state/word-count\n  %[1]s state list --output json", s.Name),
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			lines := []storeLine{}
			err := s.each(command.Context(), flags, func(t *taskState) error {
				for _, name := range t.DB.Stores() {
					st, err := t.store(name)
					if err != nil {
						return err
					}
					line := st.line()
					if offset, ok, err := t.DB.Offset(database.ChangelogOffset, name); err != nil {
						return err
					} else if ok {
						line.Changelog = &offset
					}
					lines = append(lines, line)
				}
				return nil
			}, nil)
			if err != nil {
				return err
			}
			if s.json {
				return s.printJSON(lines)
			}
			rows := make([][]string, len(lines))
			for i, l := range lines {
				offset := "none"
				if l.Changelog != nil {
					offset = fmt.Sprint(*l.Changelog)
				}
				rows[i] = []string{l.Task, l.Store, l.Operator, l.Key, l.State, offset}
			}
			return s.printTable([]string{"TASK", "STORE", "OPERATOR", "KEY", "STATE", "CHANGELOG OFFSET"}, rows)
		},
	}
	flags = s.stateFlags(command)
	return command
}

func (st *storeState) line() storeLine {
	return storeLine{Task: st.Task, Store: st.Name, Operator: st.Format.Operator, Key: st.Format.Key, State: st.Format.State}
}

func (s *Session) stateSizeCommand() *cobra.Command {
	var flags *stateFlags
	command := &cobra.Command{
		Use:     "size",
		Short:   "Count the rows and bytes of stores",
		Example: fmt.Sprintf("  %s state size --dir state/word-count\n  %[1]s state size --task orders/3 --output json", s.Name),
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			lines := []storeLine{}
			read := s.progress("rows read", 0)
			defer read.end()
			rows := int64(0)
			err := s.each(command.Context(), flags, func(t *taskState) error {
				for _, name := range t.DB.Stores() {
					st, err := t.store(name)
					if err != nil {
						return err
					}
					line := st.line()
					line.storeSize = &storeSize{}
					err = st.scan(nil, func(row, value []byte) (bool, error) {
						rows++
						read.update(rows)
						line.Rows++
						line.KeyBytes += int64(len(row))
						line.ValueBytes += int64(len(value))
						if shape, err := state.ShapeOf(row, value, st.fields); err == nil && shape.Kind != "" {
							line.Keys++
						}
						return true, command.Context().Err()
					})
					if err != nil {
						return err
					}
					lines = append(lines, line)
				}
				return nil
			}, nil)
			if err != nil {
				return err
			}
			read.end()
			if s.json {
				return s.printJSON(lines)
			}
			cells := make([][]string, len(lines))
			for i, l := range lines {
				cells[i] = []string{l.Task, l.Store, fmt.Sprint(l.Keys), fmt.Sprint(l.Rows), fmt.Sprint(l.KeyBytes), fmt.Sprint(l.ValueBytes)}
			}
			return s.printTable([]string{"TASK", "STORE", "KEYS", "ROWS", "KEY BYTES", "VALUE BYTES"}, cells)
		},
	}
	flags = s.stateFlags(command)
	return command
}

// rowLine is a row in the output of state get and state scan.
type rowLine struct {
	Task    string          `json:"task"`
	Store   string          `json:"store"`
	Kind    string          `json:"kind"`
	Key     json.RawMessage `json:"key"`
	Field   json.RawMessage `json:"field,omitempty"`
	Time    *time.Time      `json:"time,omitempty"`
	Expires *time.Time      `json:"expires,omitempty"`
	Records int64           `json:"records,omitempty"`
	Value   json.RawMessage `json:"value,omitempty"`
	Error   string          `json:"error,omitempty"`
}

// lineOf returns a row for the output, or false for one without data of a key.
func (st *storeState) lineOf(row, value []byte) (line rowLine, ok bool, err error) {
	shape, err := state.ShapeOf(row, value, st.fields)
	if err != nil {
		return line, false, fmt.Errorf("row 0x%x: %w", row, err)
	}
	if shape.Kind == "" {
		return line, false, nil
	}
	line = rowLine{Task: st.Task, Store: st.Name, Kind: shape.Kind, Records: shape.Records}
	var keyErr, fieldErr, valueErr error
	line.Key, keyErr = shown(st.key, st.Name, codec.Key, nil, shape.Key)
	if shape.Field != nil {
		field := st.field
		if shape.Kind == state.TimerRow {
			field = anyBytes{}
		}
		line.Field, fieldErr = shown(field, st.Name, codec.State, nil, shape.Field)
	}
	if shape.Value != nil {
		decoder := st.value
		if shape.Kind == state.ItemRow {
			decoder = anyBytes{}
		}
		line.Value, valueErr = shown(decoder, st.Name, codec.State, nil, shape.Value)
	}
	if shape.Kind != state.StateRow {
		at := time.UnixMilli(shape.Time).UTC()
		line.Time = &at
	}
	if shape.Expires != 0 {
		at := time.UnixMilli(shape.Expires).UTC()
		line.Expires = &at
	}
	if err := errors.Join(keyErr, fieldErr, valueErr); err != nil {
		line.Error = err.Error()
	}
	return line, true, nil
}

// printRows prints rows: a line of JSON each, or a table.
func (s *Session) printRows(lines []rowLine) error {
	if s.json {
		for _, line := range lines {
			text, err := json.Marshal(line)
			if err == nil {
				_, err = fmt.Fprintf(s.Out, "%s\n", text)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if len(lines) == 0 {
		return nil
	}
	rows := make([][]string, len(lines))
	for i, l := range lines {
		var about []string
		if l.Time != nil {
			about = append(about, l.Time.Format("2006-01-02 15:04:05.000"))
		}
		if l.Expires != nil {
			about = append(about, "until "+l.Expires.Format("2006-01-02 15:04:05.000"))
		}
		if l.Records > 0 {
			about = append(about, count(l.Records, "record"))
		}
		if l.Error != "" {
			about = append(about, "does not decode: "+l.Error)
		}
		rows[i] = []string{l.Task, l.Kind, string(l.Key), string(l.Field), string(l.Value), strings.Join(about, ", ")}
	}
	return s.printTable([]string{"TASK", "KIND", "KEY", "FIELD", "VALUE", "TIME"}, rows)
}

func (s *Session) stateScanCommand() *cobra.Command {
	var (
		flags *stateFlags
		limit int
	)
	command := &cobra.Command{
		Use:   "scan STORE",
		Short: "Print the rows of a store",
		Example: fmt.Sprintf(`  %s state scan count --dir state/word-count
  %[1]s state scan count --task lines/0 --limit 0 --output json`, s.Name),
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if limit < 0 {
				return Usagef("--limit %d is negative", limit)
			}
			return s.printStore(command.Context(), flags, args[0], limit, func(st *storeState, f func(row, value []byte) (bool, error)) error {
				return st.scan(nil, f)
			})
		},
	}
	flags = s.stateFlags(command)
	flags.decodes(command)
	command.Flags().IntVar(&limit, "limit", 100, "end after so many rows; 0 is no limit")
	return command
}

func (s *Session) stateGetCommand() *cobra.Command {
	var flags *stateFlags
	command := &cobra.Command{
		Use:   "get STORE KEY",
		Short: "Print the rows of a key",
		Long: `

The key is text, or JSON where the codec of keys is not one of text. The command fails if the store has no row of it.`,
		Example: fmt.Sprintf("  %s state get count be --dir state/word-count\n  %[1]s state get totals 42 --output json", s.Name),
		Args:    cobra.ExactArgs(2),
		RunE: func(command *cobra.Command, args []string) error {
			found := false
			err := s.printStore(command.Context(), flags, args[0], 0, func(st *storeState, f func(row, value []byte) (bool, error)) error {
				key, err := st.encodeKey(args[1])
				if err != nil {
					return Usagef("KEY: %w", err)
				}
				for _, prefix := range state.Prefixes(key, st.fields) {
					err := st.scan(prefix, func(row, value []byte) (bool, error) {
						shape, err := state.ShapeOf(row, value, st.fields)
						if err != nil || string(shape.Key) != string(key) {
							return err == nil && len(shape.Key) <= len(key), err
						}
						found = true
						return f(row, value)
					})
					if err != nil {
						return err
					}
				}
				return nil
			})
			if err == nil && !found {
				return fmt.Errorf("store %q has no row of key %s", args[0], args[1])
			}
			return err
		},
	}
	flags = s.stateFlags(command)
	flags.decodes(command)
	return command
}

// encodeKey returns the bytes of a key that was typed.
func (st *storeState) encodeKey(text string) ([]byte, error) {
	value := json.RawMessage(text)
	if st.key.Quotes() || !json.Valid(value) {
		value, _ = json.Marshal(text)
	}
	return st.key.Encode(&codec.Context{Topic: st.Name, Part: codec.Key}, value)
}

// printStore prints the rows of a store that read chooses, in all chosen tasks.
func (s *Session) printStore(
	ctx context.Context, flags *stateFlags, name string, limit int, read func(*storeState, func(row, value []byte) (bool, error)) error,
) error {
	var (
		lines  []rowLine
		stores []string
		known  bool
		more   bool
	)
	err := s.each(ctx, flags, func(t *taskState) error {
		all := t.DB.Stores()
		stores = append(stores, all...)
		if !slices.Contains(all, name) {
			return nil
		}
		known = true
		st, err := flags.store(t, name)
		if err != nil {
			return err
		}
		return read(st, func(row, value []byte) (bool, error) {
			line, ok, err := st.lineOf(row, value)
			if !ok || err != nil {
				return err == nil, errors.Join(err, ctx.Err())
			}
			if limit > 0 && len(lines) == limit {
				more = true
				return false, nil
			}
			lines = append(lines, line)
			return true, ctx.Err()
		})
	}, nil)
	if err != nil {
		return err
	}
	if !known {
		slices.Sort(stores)
		return fmt.Errorf("no task has a store %q; there are: %s", name, strings.Join(slices.Compact(stores), ", "))
	}
	if err := s.printRows(lines); err != nil {
		return err
	}
	if more {
		fmt.Fprintf(s.Err, "the first %d rows; --limit 0 prints all\n", limit)
	}
	return nil
}

// taskCheck is a task in the output of state verify.
type taskCheck struct {
	Task     string   `json:"task"`
	Rows     int64    `json:"rows"`
	Problems []string `json:"problems"`
}

// mostProblems bounds the problems that are shown of a task.
const mostProblems = 10

func (s *Session) stateVerifyCommand() *cobra.Command {
	var flags *stateFlags
	command := &cobra.Command{
		Use:   "verify",
		Short: "Read all rows and check that they are whole",
		Long: `

It checks the sums of all blocks, the form of each row, and keys and values of known codecs. The exit code is 3 if it finds something. A damaged
task is restored from its changelogs when its folder is deleted.`,
		Example: fmt.Sprintf("  %s state verify --dir state/word-count\n  %[1]s state verify --output json", s.Name),
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			checks := []taskCheck{}
			read := s.progress("rows read", 0)
			defer read.end()
			rows := int64(0)
			err := s.each(command.Context(), flags, func(t *taskState) error {
				check, err := t.verify(func() error {
					rows++
					read.update(rows)
					return command.Context().Err()
				})
				if err == nil {
					checks = append(checks, check)
				}
				return err
			}, func(task string, err error) {
				checks = append(checks, taskCheck{Task: task, Problems: []string{err.Error()}})
			})
			if err != nil {
				return err
			}
			read.end()
			return s.printChecks(checks)
		},
	}
	flags = s.stateFlags(command)
	return command
}

// verify reads all rows. It returns an error if it cannot go on, also for damage.
func (t *taskState) verify(next func() error) (check taskCheck, err error) {
	check = taskCheck{Task: t.Task, Problems: []string{}}
	problem := func(format string, args ...any) {
		if len(check.Problems) < mostProblems {
			check.Problems = append(check.Problems, fmt.Sprintf(format, args...))
		}
	}
	known := map[string]bool{"\x00": true} // beginnings of rows; those with a zero are the directory
	for _, name := range t.DB.Stores() {
		st, err := t.store(name)
		if err != nil {
			return check, err
		}
		known[string(st.prefix)] = true
		err = st.scan(nil, func(row, value []byte) (bool, error) {
			check.Rows++
			line, _, err := st.lineOf(row, value)
			if err != nil {
				problem("store %q: %v", name, err)
			} else if line.Error != "" {
				problem("store %q: key %s: %s", name, line.Key, line.Error)
			}
			return true, next()
		})
		if err != nil {
			return check, err
		}
	}
	err = t.Backend.Scan(nil, nil, func(key, _ []byte) (bool, error) {
		if !known[string(key[:1])] && !known[string(key[:min(2, len(key))])] {
			problem("row 0x%x belongs to no store", key)
		}
		return true, next()
	})
	return check, err
}

func (s *Session) printChecks(checks []taskCheck) (err error) {
	sound := true
	rows := make([][]string, len(checks))
	for i, c := range checks {
		text := "ok"
		if len(c.Problems) > 0 {
			sound, text = false, strings.Join(c.Problems, "; ")
		}
		rows[i] = []string{c.Task, fmt.Sprint(c.Rows), text}
	}
	if s.json {
		err = s.printJSON(checks)
	} else {
		err = s.printTable([]string{"TASK", "ROWS", "RESULT"}, rows)
	}
	if err == nil && !sound {
		err = Findings()
	}
	return err
}
