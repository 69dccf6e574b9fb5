// Command testtimes runs go test, prints its output as usual, and adds the seconds of each package to a table.
//
//	go run ./internal/testtimes -table FILE -step NAME -- -race ./...
//
// The arguments behind -- are those of go test. The exit status is that of go test.
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
)

func main() {
	table := flag.String("table", "", "the file to add lines to; empty writes no table")
	step := flag.String("step", "", "the name of the step of CI, for the lines")
	flag.Parse()
	status, err := run(*table, *step, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "testtimes:", err)
	}
	os.Exit(status)
}

func run(table, step string, args []string) (status int, err error) {
	cmd := exec.CommandContext(context.Background(), "go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	times, readErr := report(events, os.Stdout, slices.Contains(args, "-v"))
	err = cmd.Wait()
	if exit, failed := errors.AsType[*exec.ExitError](err); failed {
		status, err = cmp.Or(max(exit.ExitCode(), 0), 1), nil
	} else if err != nil {
		status = 1
	}
	return status, errors.Join(err, readErr, add(table, step, times))
}

// add appends lines to a table, the slowest packages first.
func add(table, step string, times []packageTime) error {
	if table == "" {
		return nil
	}
	slices.SortStableFunc(times, func(a, b packageTime) int { return cmp.Compare(b.seconds, a.seconds) })
	var lines bytes.Buffer
	for _, p := range times {
		fmt.Fprintf(&lines, "%8.1fs  %-6s %-60s %s\n", p.seconds, p.result, p.name, step)
	}
	file, err := os.OpenFile(table, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(lines.Bytes())
	return errors.Join(err, file.Close())
}
