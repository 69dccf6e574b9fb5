package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

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
		err = s.PrintJSON(checks)
	} else {
		err = s.printTable([]string{"TASK", "ROWS", "RESULT"}, rows)
	}
	if err == nil && !sound {
		err = Findings()
	}
	return err
}
