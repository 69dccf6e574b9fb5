package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/state"
)

func (s *Session) stateCommand() *cobra.Command {
	return group("state", "Read the state of a stopped program on disk, or of a running one",
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

// eachStore calls f for the stores of the chosen tasks.
func (s *Session) eachStore(ctx context.Context, flags *stateFlags, f func(*storeState) error) error {
	return s.each(ctx, flags, func(t *taskState) error {
		for _, name := range t.DB.Stores() {
			st, err := t.store(name)
			if err == nil {
				err = f(st)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}, nil)
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
			err := s.eachStore(command.Context(), flags, func(st *storeState) error {
				line := st.line()
				if offset, ok, err := st.DB.Offset(database.ChangelogOffset, st.Name); err != nil {
					return err
				} else if ok {
					line.Changelog = &offset
				}
				lines = append(lines, line)
				return nil
			})
			if err != nil {
				return err
			}
			if s.json {
				return s.PrintJSON(lines)
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
			err := s.eachStore(command.Context(), flags, func(st *storeState) error {
				line := st.line()
				line.storeSize = &storeSize{}
				err := st.scan(nil, func(row, value []byte) (bool, error) {
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
				if err == nil {
					lines = append(lines, line)
				}
				return err
			})
			if err != nil {
				return err
			}
			read.end()
			if s.json {
				return s.PrintJSON(lines)
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
