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
	"github.com/weirstreams/weir/internal/state"
)

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
		query queryFlags
		limit int
	)
	command := &cobra.Command{
		Use:   "scan STORE",
		Short: "Print the rows of a store",
		Example: fmt.Sprintf(`  %s state scan count --dir state/word-count
  %[1]s state scan count --task lines/0 --limit 0 --output json
  %[1]s state scan count --url http://10.0.0.7:8080/query`, s.Name),
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if limit < 0 {
				return Usagef("--limit %d is negative", limit)
			}
			if running, err := query.chosen(command); err != nil {
				return err
			} else if running {
				return s.scanQueried(command.Context(), &query, args[0], limit)
			}
			return s.printStore(command.Context(), flags, args[0], limit, func(st *storeState, f func(row, value []byte) (bool, error)) error {
				return st.scan(nil, f)
			})
		},
	}
	flags = s.stateFlags(command)
	flags.decodes(command)
	query.add(command)
	command.Flags().IntVar(&limit, "limit", 100, "end after so many rows; 0 is no limit")
	return command
}

func (s *Session) stateGetCommand() *cobra.Command {
	var (
		flags *stateFlags
		query queryFlags
	)
	command := &cobra.Command{
		Use:   "get STORE KEY",
		Short: "Print the rows of a key",
		Long: `

The key is text, or JSON where the codec of keys is not one of text. The command fails if the store has no row of it.`,
		Example: fmt.Sprintf("  %s state get count be --dir state/word-count\n  %[1]s state get totals 42 --output json\n  %[1]s state get count be --url http://10.0.0.7:8080/query", s.Name),
		Args:    cobra.ExactArgs(2),
		RunE: func(command *cobra.Command, args []string) error {
			if running, err := query.chosen(command); err != nil {
				return err
			} else if running {
				return s.getQueried(command.Context(), &query, args[0], args[1])
			}
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
	query.add(command)
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
