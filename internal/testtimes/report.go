package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// packageTime is how long the tests of a package took.
type packageTime struct {
	name    string
	seconds float64
	result  string // "ok", "FAIL" or "skip"
}

// event is a line of go test -json, see go doc test2json.
type event struct {
	Action, Package, ImportPath, Test, Output string
	Elapsed                                   float64
}

// report prints events as go test prints them without -json: one line for each package, and all output of tests that fail. With
// verbose it prints the output of all tests. It returns the times of the packages in the order of their ends.
func report(events io.Reader, out io.Writer, verbose bool) (times []packageTime, err error) {
	held := map[string]map[string][]string{} // output of tests that have not ended, by package and test
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
				write(out, line) // of a tool below go test
			} else if p, ended := handle(e, held, out, verbose); ended {
				times = append(times, p)
			}
		}
		if err == io.EOF {
			return times, nil
		}
		if err != nil {
			return times, fmt.Errorf("read the events of go test: %w", err)
		}
	}
}

// handle prints an event, or holds its output until the test has ended. It returns the time of a package that ends.
func handle(e event, held map[string]map[string][]string, out io.Writer, verbose bool) (p packageTime, ended bool) {
	tests := held[e.Package]
	switch e.Action {
	case "build-output":
		write(out, e.Output)
	case "output":
		switch {
		case verbose, e.Test == "" && e.Output != "PASS\n":
			write(out, e.Output)
		case e.Test != "":
			if tests == nil {
				tests = map[string][]string{}
				held[e.Package] = tests
			}
			tests[e.Test] = append(tests[e.Test], e.Output)
		}
	case "pass", "fail", "skip":
		if e.Test != "" {
			if e.Action == "fail" {
				printTest(out, tests[e.Test])
			}
			delete(tests, e.Test)
			return p, false
		}
		for _, output := range tests { // of a process that ended in the middle of tests
			printTest(out, output)
		}
		delete(held, e.Package)
		result := map[string]string{"pass": "ok", "fail": "FAIL", "skip": "skip"}[e.Action]
		return packageTime{e.Package, e.Elapsed, result}, true
	}
	return p, false
}

// printTest prints the output of a test without the marks of its beginning.
func printTest(out io.Writer, output []string) {
	for _, line := range output {
		if !strings.HasPrefix(line, "=== ") {
			write(out, line)
		}
	}
}

// write writes text to the standard output of CI. There is nobody to tell of an error.
func write(out io.Writer, text string) { _, _ = io.WriteString(out, text) }
